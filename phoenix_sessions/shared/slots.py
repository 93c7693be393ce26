"""How much is done at once of what nobody waits for."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary


class Slots:
    """So many slots on each event loop.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def here(self) -> asyncio.Semaphore:
        """Return those of the running event loop; use them by ``async with``."""
        return self._by_loop.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self._count))
