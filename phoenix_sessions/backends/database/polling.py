"""Watching where the database says nothing by itself: it is asked, again and again.

Rules:
    1. All watched sessions are asked for in one statement, every ``interval``; new ones at once.
    2. A session has changed if its epoch, its version, its last commit or the length of its log has, or if it came or
       went.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ...core.errors import BackendError
from ..base import Watch, Watcher

Look = Callable[[list[str]], Awaitable[dict[str, tuple[Any, ...]]]]


class PollingWatch(Watch):
    """A watch that asks.

    Args:
        look: Returns something for each session that exists, which is another when it has changed.
        interval: How long to wait between two looks (seconds).
        watcher: Who is told.
    """

    def __init__(self, look: Look, interval: float, watcher: Watcher) -> None:
        self._look = look
        self._interval = interval
        self._watcher = watcher
        self._ids: set[str] = set()
        self._seen: dict[str, tuple[Any, ...] | None] = {}
        self._added = asyncio.Event()
        self._lost = False

    def add(self, id: str) -> None:
        """Begin to watch a session; one that is watched already is looked at anew, and said to be watched again."""
        self._ids.add(id)
        self._seen.pop(id, None)
        self._added.set()

    def remove(self, id: str) -> None:
        """Stop watching a session."""
        self._ids.discard(id)
        self._seen.pop(id, None)

    async def run(self) -> None:
        """Look, and tell the watcher, until cancelled."""
        loop = asyncio.get_running_loop()
        self._seen.clear()
        due = loop.time()
        while True:
            self._added.clear()
            if loop.time() >= due:
                await self._ask(self._ids)
                due = loop.time() + self._interval
            else:
                await self._ask(self._ids - self._seen.keys())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._added.wait(), max(0.0, due - loop.time()))

    async def _ask(self, ids: Iterable[str]) -> None:
        asked = list(ids)
        if not asked:
            return
        try:
            found = await self._look(asked)
        except BackendError:
            self._seen.clear()
            if not self._lost:
                self._watcher.lost()
            self._lost = True
            return
        self._lost = False
        for id in asked:
            if id in self._ids:
                self._compare(id, found.get(id))

    def _compare(self, id: str, now: tuple[Any, ...] | None) -> None:
        new = id not in self._seen
        changed = not new and self._seen[id] != now
        self._seen[id] = now
        if new:
            self._watcher.watching(id)
        elif changed:
            self._watcher.noticed(id, b"")
