"""How often somebody may do something: a token bucket for each, in one OS process.

Rules:
    1. A bucket holds one second's worth, at least one, and refills all the time.
    2. A bucket that is full again is forgotten: memory is bounded by who was active in the last second or so.
    3. Each worker counts by itself: with n of them, somebody who is connected to all may do n times as much.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from .errors import ChatError

_FORGET_AT_ONCE: Final = 8


class SendRate:
    """How often each may do something.

    Args:
        per_second: How often in the long run (count a second), None = as often as one likes.
        clock: Returns the time (monotonic seconds).
    """

    def __init__(self, per_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._cost = 0.0 if per_second is None else 1 / per_second
        self._room = 0.0 if per_second is None else max(1.0, 1 / per_second)
        self._clock = clock
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}  # when each bucket is full again; in the order of use

    def __len__(self) -> int:
        """Return how many are remembered (count)."""
        return len(self._full_at)

    def take(self, who: str) -> float:
        """Do it once; returns 0, or how long to wait (seconds) if that was too often, which then counts nothing."""
        if not self._cost:
            return 0.0
        with self._lock:
            now = self._clock()
            self._forget(now)
            full_at = max(now, self._full_at.get(who, now)) + self._cost
            if (wait := full_at - now - self._room) > 1e-9:
                return wait
            self._full_at.pop(who, None)
            self._full_at[who] = full_at
            return 0.0

    def check(self, who: str) -> None:
        """Do it once.

        Raises:
            ChatError: ``rate_limited``, with ``retry_after_ms``.
        """
        if wait := self.take(who):
            message = f"at most {1 / self._cost:g} a second: wait, and send it again"
            raise ChatError("rate_limited", message, retry_after_ms=int(wait * 1000) + 1)

    def _forget(self, now: float) -> None:
        """Forget some whose buckets are full, those first that were used the longest time ago."""
        for _ in range(_FORGET_AT_ONCE):
            oldest = next(iter(self._full_at), None)
            if oldest is None or self._full_at[oldest] > now:
                return
            del self._full_at[oldest]
