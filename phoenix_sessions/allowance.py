"""How many frames a client may send: a bucket that refills.

Rules:
    1. It holds ``burst`` and refills by ``rate`` a second; the caller passes the time in.
"""

from __future__ import annotations


class Allowance:
    """What one connection may still send.

    Args:
        rate: Frames per second in the long run.
        burst: Frames at once.
        now: The time (monotonic seconds).
    """

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._at = now

    def take(self, now: float) -> float:
        """Use up one frame; returns 0, or how long to wait (seconds) when there is none left."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0
