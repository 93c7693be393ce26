"""How many answers are waited for at once: a few of one agent, so that one that does not answer holds up no other."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Hashable


def most_of_one(total: int) -> int:
    """Return how many of the places one agent may have (count)."""
    return max(1, total // 4)


class Slots:
    """Places on one event loop.

    Args:
        total: How many there are (count).
    """

    def __init__(self, total: int) -> None:
        self._all = asyncio.Semaphore(total)
        self._each = most_of_one(total)
        self._own: weakref.WeakValueDictionary[Hashable, asyncio.Semaphore] = weakref.WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def taken(self, agents: Hashable) -> AsyncIterator[None]:
        """Have a place for the time of the block."""
        own = self._own.setdefault(agents, asyncio.Semaphore(self._each))
        async with own, self._all:
            yield
