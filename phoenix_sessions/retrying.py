"""Trying again what was certainly not done.

Rules:
    1. A start that a limit refused, a message that a full mailbox did not take, a call that was withdrawn before its
       handler began: nothing has happened, so they may be tried again. Anything else is raised at once.
    2. The wait is what the rate limit asks for; else it begins with ``FIRST`` seconds and doubles up to ``LONGEST``.
    3. Waiting goes by the clock, so tests do not sleep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from .core.errors import CallTimeout, MailboxFull, RateLimitExceeded, SessionError, SessionLimitReached
from .runtime.clock import Clock

T = TypeVar("T")

FIRST: Final = 0.05
LONGEST: Final = 2.0


def retry(attempt: Callable[[], T], retries: int, clock: Clock) -> T:
    """Return what the attempt returns, made at most ``retries`` times more; raises the last error."""
    for tried in range(retries):
        try:
            return attempt()
        except SessionError as error:
            clock.sleep(_pause(error, tried))
    return attempt()


async def aretry(attempt: Callable[[], Awaitable[T]], retries: int, clock: Clock) -> T:
    """Async twin of ``retry``."""
    for tried in range(retries):
        try:
            return await attempt()
        except SessionError as error:
            await clock.asleep(_pause(error, tried))
    return await attempt()


def _pause(error: SessionError, tried: int) -> float:
    """Return how long to wait (seconds) before another attempt; raises the error if that would not be right."""
    match error:
        case RateLimitExceeded(retry_after=wait):
            return wait
        case SessionLimitReached() | MailboxFull() | CallTimeout(started=False):
            return min(LONGEST, FIRST * 2.0**tried)
    raise error
