"""How often something may happen: a bucket that refills.

Rules:
    1. It holds ``burst`` and refills by ``rate`` a second; the caller passes the time in.
"""

from __future__ import annotations


class Bucket:
    """What is left of what may happen.

    Args:
        rate: How often in the long run (a second).
        burst: How often at once (count).
    """

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Use up one; returns 0, or how long to wait (seconds) if there is none left.

        Args:
            now: The time (monotonic seconds).
        """
        passed = 0.0 if self._at is None else now - self._at
        self._left = min(self._burst, self._left + passed * self._rate)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0
