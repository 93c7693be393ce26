"""A watcher that remembers what it was told."""

from __future__ import annotations

import asyncio
import queue
import time
from typing import Any, Final

from ..base import Backend, Watch
from .loops import LoopThread

PATIENCE: Final = 3.0


class Listener:
    """A watcher that remembers what it was told, and its watch, which runs on the test's loop."""

    def __init__(self, backend: Backend, loop: LoopThread) -> None:
        self._loop = loop
        self._events: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self.watch: Watch = loop.call(backend.watch, self)
        self._task: asyncio.Task[None] = loop.call(self._start)

    def _start(self) -> asyncio.Task[None]:
        return asyncio.ensure_future(self.watch.run())

    def watching(self, id: str) -> None:
        """Remember it."""
        self._events.put(("watching", id))

    def noticed(self, id: str, notice: bytes) -> None:
        """Remember it."""
        self._events.put(("noticed", id, notice))

    def lost(self) -> None:
        """Remember it."""
        self._events.put(("lost",))

    def add(self, id: str) -> None:
        """Watch a session, and wait until that has taken effect."""
        self._loop.call(self.watch.add, id)
        self.until("watching", id)

    def remove(self, id: str) -> None:
        """Watch a session no more."""
        self._loop.call(self.watch.remove, id)

    def until(self, *event: Any, timeout: float = PATIENCE) -> list[tuple[Any, ...]]:
        """Wait for an event; return all that came since the last wait, up to it."""
        told: list[tuple[Any, ...]] = []
        deadline = time.monotonic() + timeout
        while event not in told:
            try:
                told.append(self._events.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"{event} did not come within {timeout:g} s, only {told}") from None
        return told

    def runs(self) -> bool:
        """Return whether the watch still runs."""
        return not self._task.done()

    def stop(self) -> None:
        """Cancel the watch."""

        async def cancel() -> None:
            self._task.cancel()
            await asyncio.wait([self._task])

        self._loop.run(cancel())
