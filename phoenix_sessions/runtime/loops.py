"""Objects that an event loop has one of."""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


def one_per_loop(make: Callable[[AbstractEventLoop], T]) -> Callable[[], T]:
    """Return a function that gives the running loop's own object: the same one for as long as anybody holds it."""
    objects: WeakValueDictionary[AbstractEventLoop, T] = WeakValueDictionary()

    def of_running_loop() -> T:
        loop = get_running_loop()
        found = objects.get(loop)
        if found is None:
            found = objects[loop] = make(loop)
        return found

    return of_running_loop
