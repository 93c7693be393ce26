"""The time, as an argument.

Rules:
    1. Sessions, timers and limits ask nobody else for the time, and nothing of them sleeps but through a clock.
    2. ``monotonic`` measures durations; ``time`` is for people.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .background import Background


class Clock(Protocol):
    """Where the time comes from."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def time(self) -> float:
        """Return seconds since 1970."""

    def wake_at(self, due: float, callback: Callable[[], None], background: Background) -> None:
        """Call back once the monotonic time is ``due``; late rather than early."""

    def sleep(self, seconds: float) -> None:
        """Let time pass on this thread."""

    async def asleep(self, seconds: float) -> None:
        """Let time pass, and the loop go on."""


class SystemClock:
    """The operating system's clock; it calls back on the background loop."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    time = staticmethod(time.time)
    asleep = staticmethod(asyncio.sleep)

    def wake_at(self, due: float, callback: Callable[[], None], background: Background) -> None:
        """Call back on the background loop once the monotonic time is ``due``."""
        background.call_later(max(0.0, due - time.monotonic()), callback)
