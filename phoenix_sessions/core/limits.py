"""How many sessions may run, and how fast new ones may start.

Rules:
    1. The rate limit is a sliding window: any ``window`` seconds see at most ``limit`` starts.
    2. Both are O(1) per start; the caller holds a lock around them and passes the time in.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from .errors import InvalidSessionId, RateLimitExceeded

_is_id = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_RATE = re.compile(r"([1-9][0-9]*)/(s|m|h)")
_WINDOWS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def check_session_id(session_id: object) -> str:
    """Return the id if it is one.

    Raises:
        InvalidSessionId: It is no str of 1 to 64 characters from ``A-Z a-z 0-9 _ -``.
    """
    if type(session_id) is str and _is_id(session_id):
        return session_id
    if isinstance(session_id, str) and _is_id(text := str(session_id)):  # request.session_id is a lazy str
        return text
    raise InvalidSessionId(session_id)


class Rate(NamedTuple):
    """At most ``limit`` (count) in any ``window`` (seconds)."""

    limit: int
    window: float


def parse_rate(text: str) -> Rate:
    """Return the rate that ``"100/m"`` means; the units are s, m and h.

    Raises:
        ValueError: It is not written that way.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no rate: write a count and a unit, as in '100/m' (s, m or h)")
    return Rate(int(match[1]), _WINDOWS[match[2]])


class RateLimit:
    """A sliding window over the times of the last ``rate.limit`` starts (monotonic seconds)."""

    __slots__ = ("_times", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._times: deque[float] = deque(maxlen=rate.limit)

    def take(self, now: float) -> None:
        """Count one start.

        Raises:
            RateLimitExceeded: The window is full; nothing was counted.
        """
        limit, window = self.rate
        if len(self._times) == limit and (wait := self._times[0] + window - now) > 0:
            raise RateLimitExceeded(limit, window, wait)
        self._times.append(now)

    def recent(self, now: float) -> int:
        """Return how many starts the current window has seen."""
        oldest = now - self.rate.window
        return sum(1 for time in self._times if time > oldest)
