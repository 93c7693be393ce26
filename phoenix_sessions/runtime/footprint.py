"""How many bytes a value holds, by walking it.

Rules:
    1. Every object is counted once by ``sys.getsizeof``; classes, functions and modules, which sessions share, are not.
    2. Containers, ``__dict__`` and ``__slots__`` are followed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any

_SHARED = (type, FunctionType, ModuleType)


def footprint(value: Any) -> int:
    """Return the size of the value and all that it refers to (bytes)."""
    seen: set[int] = set()
    todo = [value]
    total = 0
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, _SHARED):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        todo.extend(_parts(item))
    return total


def _parts(item: Any) -> Iterable[Any]:
    if isinstance(item, Mapping):
        yield from item.keys()
        yield from item.values()
    elif isinstance(item, list | tuple | set | frozenset):
        yield from item
    yield from getattr(item, "__dict__", {}).values()
    for cls in type(item).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__weakref__", "__dict__") and (part := getattr(item, name, None)) is not None:
                yield part
