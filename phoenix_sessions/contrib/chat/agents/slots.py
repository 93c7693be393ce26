"""How many answers are waited for at once: a few of one agent, so that one that does not answer holds up no other."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Hashable


class Slots:
    """Places on one event loop.

    Args:
        total: How many there are (count).
        each: How many one agent may have (count).
    """

    def __init__(self, total: int, each: int) -> None:
        self._all = asyncio.Semaphore(total)
        self._each = each
        self._own: weakref.WeakValueDictionary[Hashable, asyncio.Semaphore] = weakref.WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def taken(self, agents: Hashable) -> AsyncIterator[None]:
        """Have a place for the time of the block."""
        own = self._own.setdefault(agents, asyncio.Semaphore(self._each))
        async with own, self._all:
            yield
