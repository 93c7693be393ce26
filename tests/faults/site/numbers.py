"""A set of whole numbers as ranges, so that thousands in a row take no room.

``[[1, 57], [59, 80]]`` holds 1 to 57 and 59 to 80.
"""

from __future__ import annotations

from collections.abc import Sequence

Ranges = Sequence[Sequence[int]]


def holds(ranges: Ranges, number: int) -> bool:
    """Return whether the number is in the set."""
    return any(first <= number <= last for first, last in ranges)


def with_number(ranges: Ranges, number: int) -> list[list[int]]:
    """Return the set with a number more."""
    joined: list[list[int]] = []
    for first, last in sorted([*map(list, ranges), [number, number]]):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = [joined[-1][0], max(joined[-1][1], last)]
        else:
            joined.append([first, last])
    return joined


def members(ranges: Ranges) -> set[int]:
    """Return the numbers."""
    return {number for first, last in ranges for number in range(first, last + 1)}
