"""Where a client that comes back stands: the epoch and version of what it has.

Rules:
    1. A malformed point is one that no life knows, so its client gets everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

Point = tuple[int, int]

NOWHERE: Final[Point] = (-1, -1)
_LONGEST: Final = 16


def from_query(query_string: bytes) -> Point | None:
    """Return the point in ``?epoch=…&version=…``, or None if there is none."""
    query: Mapping[str, list[str]] = parse_qs(query_string.decode("latin-1"))
    if "epoch" not in query and "version" not in query:
        return None
    return _point([query.get(name, [""])[0] for name in ("epoch", "version")])


def from_event_id(event_id: str) -> Point:
    """Return the point in the id of a server-sent event, ``<epoch>-<version>``."""
    return _point(event_id.split("-"))


def event_id(epoch: int, version: int) -> str:
    """Return the point as the id of a server-sent event."""
    return f"{epoch}-{version}"


def _point(numbers: list[str]) -> Point:
    if len(numbers) != 2 or not all(each.isascii() and each.isdecimal() and len(each) <= _LONGEST for each in numbers):
        return NOWHERE
    return int(numbers[0]), int(numbers[1])
