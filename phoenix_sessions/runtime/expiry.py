"""Idle sessions end, and finding them costs nothing while none is due.

Rules:
    1. A session is filed in the bucket of the time when it could be due; touching it only stores a number.
    2. When a bucket's time comes, each of its sessions decides in its own mailbox: expire, or be filed again.
    3. Buckets are ``WIDTH`` seconds wide, so a session expires at most that much late.
    4. At most ``BATCH`` sessions are asked in one go, so that a crowd does not stop the loop.
"""

from __future__ import annotations

import heapq
import math
import threading
from typing import TYPE_CHECKING, Final

from . import telemetry
from .timers import Timers

if TYPE_CHECKING:
    from .clock import Clock
    from .session import Session

WIDTH: Final = 0.5
BATCH: Final = 500


class Expiry:
    """The buckets of one supervisor."""

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        self._lock = threading.Lock()
        self._buckets: dict[int, set[Session]] = {}
        self._times: list[int] = []

    def __len__(self) -> int:
        """Return how many sessions are filed (count)."""
        with self._lock:
            return sum(map(len, self._buckets.values()))

    def file(self, session: Session) -> None:
        """Put the session where its idle time will be looked at."""
        if session.ttl is None:
            return
        number = math.ceil((session.touched + session.ttl) / WIDTH)
        with self._lock:
            bucket = self._buckets.get(number)
            if bucket is None:
                self._schedule(number)
                bucket = self._buckets[number] = set()
                heapq.heappush(self._times, number)
            bucket.add(session)
            session.bucket = number

    def remove(self, session: Session) -> None:
        """Forget the session."""
        with self._lock:
            bucket = self._buckets.get(session.bucket) if session.bucket is not None else None
            if bucket is not None:
                bucket.discard(session)
            session.bucket = None

    def _schedule(self, number: int) -> None:
        self._timers.schedule(max(0.0, number * WIDTH - self._clock.monotonic()), self._sweep)

    def _sweep(self) -> None:
        due = self._due()
        for session in due:
            try:
                session.post(session.spec.quiet_end, session.expire)
            except Exception as error:  # a full mailbox, for one: so it is anything but idle
                session.touched = self._clock.monotonic()
                self.file(session)
                telemetry.execute(telemetry.CLEANUP_ERROR, {"count": 1}, session.metadata(error=error))
        if due:
            telemetry.execute(telemetry.CLEANUP, {"count": len(due)}, {})

    def _due(self) -> list[Session]:
        """Take at most a batch of sessions out of the buckets whose time has come."""
        now = self._clock.monotonic()
        due: list[Session] = []
        with self._lock:
            while self._times and self._times[0] * WIDTH <= now:
                bucket = self._buckets[self._times[0]]
                while bucket and len(due) < BATCH:
                    due.append(bucket.pop())
                    due[-1].bucket = None
                if bucket:
                    self._timers.schedule(0.0, self._sweep)
                    break
                del self._buckets[heapq.heappop(self._times)]
        return due
