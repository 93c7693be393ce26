"""Tools for testing sites that use phoenix_sessions (and phoenix_sessions itself).

Rules:
    1. Tests do not sleep: ``FakeClock.advance`` makes timers and expiry happen, ``settle`` waits for what is under way.
    2. ``isolated_sessions`` gives a test sessions of its own, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from .manager import SessionManager, sessions
from .runtime.background import Background
from .runtime.clock import Clock
from .runtime.mailbox import take_turn


class FakeClock:
    """A clock that stands still until told otherwise."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._lock = threading.Lock()
        self._alarms: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        """Return the fake time (seconds)."""
        return self._now

    def time(self) -> float:
        """Return the fake time as seconds since 1970."""
        return 1_700_000_000.0 + self._now

    def wake_at(self, due: float, callback: Callable[[], None], background: Background) -> None:
        """Remember to call back once the time is ``due``."""
        with self._lock:
            self._alarms.append((due, callback))

    def sleep(self, seconds: float) -> None:
        """Let the fake time pass at once."""
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Let the fake time pass at once, and the loop have a turn."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let time pass; what becomes due happens in its order, on this thread, before this returns."""
        end = self._now + seconds
        while (alarm := self._next(end)) is not None:
            self._now = max(self._now, alarm[0])
            alarm[1]()
        self._now = end

    def _next(self, end: float) -> tuple[float, Callable[[], None]] | None:
        with self._lock:
            due = [alarm for alarm in self._alarms if alarm[0] <= end]
            if not due:
                return None
            first = min(due, key=lambda alarm: alarm[0])
            self._alarms.remove(first)
            return first


@contextlib.contextmanager
def isolated_sessions(clock: Clock | None = None) -> Iterator[SessionManager]:
    """Give ``sessions`` a fresh supervisor for the time of the block, on a FakeClock unless another clock is given."""
    before = sessions.replace(None, clock or FakeClock())
    sessions.reconfigure()
    try:
        yield sessions
    finally:
        sessions.supervisor.stop()
        sessions.disconnect()
        sessions.replace(*before)
        sessions.reconfigure()


def settle(timeout: float = 5.0) -> None:
    """Wait until no message waits and no handler runs in any session.

    Raises:
        TimeoutError: Something is still under way after ``timeout`` seconds.
    """
    supervisor = sessions.supervisor
    deadline = time.monotonic() + timeout
    while True:
        for session in supervisor.registry.all():
            session.ask(True, max(0.0, deadline - time.monotonic()), take_turn)
        idle = supervisor.background.wait_idle(max(0.0, deadline - time.monotonic()))
        if idle and not any(session.depth for session in supervisor.registry.all()):
            return
        if time.monotonic() >= deadline:
            raise TimeoutError(f"work is still under way after {timeout:g} s")


async def asettle(timeout: float = 5.0) -> None:
    """Async twin of ``settle``; the loop goes on meanwhile."""
    await asyncio.to_thread(settle, timeout)


async def receive_change(communicator: Any, timeout: float = 5.0) -> dict[str, Any]:
    """Return the next state frame that a ``channels.testing.WebsocketCommunicator`` gets, and acknowledge it.

    Answers to dispatches that come before it are acknowledged and left out.

    Raises:
        TimeoutError: None came within ``timeout`` seconds.
    """
    while True:
        frame: dict[str, Any] = await communicator.receive_json_from(timeout)
        await communicator.send_json_to({"type": "ack", "seq": frame["seq"]})
        if frame["type"] == "state":
            return frame
