"""Who watches sessions in this OS process.

Rules:
    1. Whoever changes a session tells its watches under the lock that guards the sessions: so notices of a session are
       queued in the order of its changes, and a watch begins between two of them.
    2. Watchers are called on the loop that runs their watch, never under the lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading

from .base import Watch, Watcher


class Watches:
    """The running watches, by session.

    Args:
        lock: What guards the sessions, and this too; ``tell`` is called under it.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._by_id: dict[str, dict[MemoryWatch, None]] = {}

    def tell(self, id: str, notice: bytes) -> None:
        """Tell a session's watches; nothing, if the notice is empty."""
        if notice:
            for watch in self._by_id.get(id, ()):
                watch.post(id, notice)

    def attach(self, id: str, watch: MemoryWatch) -> None:
        """From now on tell the watch."""
        with self._lock:
            self._by_id.setdefault(id, {})[watch] = None
            watch.begin(id)

    def detach(self, id: str, watch: MemoryWatch) -> None:
        """From now on do not tell the watch."""
        with self._lock:
            watches = self._by_id.get(id, {})
            watches.pop(watch, None)
            if not watches:
                self._by_id.pop(id, None)


class MemoryWatch(Watch):
    """One loop's watch over some sessions of this OS process."""

    def __init__(self, watches: Watches, watcher: Watcher) -> None:
        self._watches = watches
        self._watcher = watcher
        self._ids: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # while it runs

    def add(self, id: str) -> None:
        """Begin to watch a session."""
        self._ids.add(id)
        if self._loop is not None:
            self._watches.attach(id, self)

    def remove(self, id: str) -> None:
        """Stop watching a session."""
        self._ids.discard(id)
        self._watches.detach(id, self)

    async def run(self) -> None:
        """Tell the watcher until cancelled."""
        self._loop = asyncio.get_running_loop()
        for id in self._ids:
            self._watches.attach(id, self)
        try:
            await self._loop.create_future()
        finally:
            self._loop = None
            for id in self._ids:
                self._watches.detach(id, self)

    def begin(self, id: str) -> None:
        """Say on the loop that a session is watched; called on it, under the lock."""
        assert self._loop is not None, "only a watch that runs is attached"
        self._loop.call_soon(self._say, id, None)

    def post(self, id: str, notice: bytes) -> None:
        """Tell the watcher on its loop; called on any thread, under the lock."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed under its watch
                loop.call_soon_threadsafe(self._say, id, notice)

    def _say(self, id: str, notice: bytes | None) -> None:
        if id not in self._ids or self._loop is None:
            return
        if notice is None:
            self._watcher.watching(id)
        else:
            self._watcher.noticed(id, notice)
