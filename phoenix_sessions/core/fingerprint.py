"""A fingerprint of a value: changes when anything inside the value is changed in place.

Rules:
    1. Containers and objects with fields are walked, each once; anything else stands for itself by identity.
    2. What belongs to everybody (classes, modules, members of an enum) is no part of a value, and what an object has
       only computed and kept (a cached property) is no change.
    3. It is flat, so that no value is too deep for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from types import ModuleType
from typing import Any, Final

import msgspec

_SCALARS: Final = (type(None), bool, int, float, str, bytes)


def fingerprint(value: Any) -> tuple[Any, ...]:
    """Return a value to compare with later ones of the same object."""
    prints: list[Any] = []
    walked: dict[int, Any] = {}
    left = [value]
    while left:
        each = left.pop()
        if type(each) in _SCALARS:
            prints.append(each)
        elif id(each) in walked:
            prints.append(id(each))
        else:
            walked[id(each)] = each  # which also keeps its id from being given to another
            own, inside = _look(each)
            prints.append(own)
            left += inside
    return tuple(prints)


def _look(value: Any) -> tuple[Any, Collection[Any]]:
    """Return what stands for a value itself, and what is in it."""
    if isinstance(value, Mapping):
        return tuple(value), value.values()
    if isinstance(value, list | tuple | deque):
        return len(value), value
    if isinstance(value, Set):
        return frozenset(value), ()
    if isinstance(value, bytearray):
        return bytes(value), ()
    names = () if isinstance(value, type | ModuleType | Enum) else _fields(value)
    return (names, [getattr(value, name, None) for name in names]) if names else (id(value), ())


def _fields(value: Any) -> tuple[str, ...]:
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if is_dataclass(value):
        return tuple(field.name for field in fields(value))
    return tuple(name for name in getattr(value, "__dict__", ()) if not _computes(getattr(type(value), name, None)))


def _computes(attribute: Any) -> bool:
    """Return whether what a class has under a name computes the value that instances keep under it."""
    return hasattr(attribute, "__get__") and not hasattr(attribute, "__set__")
