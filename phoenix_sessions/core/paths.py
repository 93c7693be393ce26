"""Dotted paths into the state, such as ``"cart.items.0"``.

Rules:
    1. Each part is a mapping's key, a sequence's index or an attribute, tried in this order.
    2. The first part is the slice, so a path need not be followed while its slice is the same object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def is_path(value: object) -> bool:
    """Return whether the value is a dotted path without empty parts."""
    return isinstance(value, str) and all(value.split("."))


def slice_of(path: str) -> str:
    """Return the name of the slice that the path begins with."""
    return path.partition(".")[0]


def follow(path: str, state: Any) -> Any:
    """Return what is at the end of the path.

    Raises:
        KeyError, IndexError, AttributeError: It leads nowhere.
    """
    return walk(path.split("."), state)


def walk(parts: Iterable[str], state: Any) -> Any:
    """Return what is at the end of a path that was taken apart already.

    Raises:
        KeyError, IndexError, AttributeError: It leads nowhere.
    """
    value = state
    for part in parts:
        value = value[part] if isinstance(value, dict) else _step(value, part)
    return value


def _step(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value[part]
    if isinstance(value, Sequence) and part.isdecimal():
        return value[int(part)]
    return getattr(value, part)
