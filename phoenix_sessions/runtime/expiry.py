"""Idle sessions end, and finding them costs nothing while none is due.

Rules:
    1. A session is filed in the bucket of the time when it could be due; touching it only stores a number.
    2. When a bucket's time comes, each of its sessions decides in its own mailbox: expire, or be filed again.
    3. Buckets are ``WIDTH`` seconds wide, so a session expires at most that much late, if it is not one of
       a crowd.
    4. A sweep takes ``SHARE`` seconds at most, then rests for ``REST``: a crowd that is due together holds up neither
       the loop nor, by the interpreter's lock, any other thread.
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
SHARE: Final = 0.001
REST: Final = 0.001


class Expiry:
    """The buckets of one supervisor."""

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        self._lock = threading.Lock()
        self._buckets: dict[int, set[Session]] = {}
        self._times: list[int] = []
        self._resting = False

    def __len__(self) -> int:
        """Return how many sessions are filed (count)."""
        with self._lock:
            return sum(map(len, self._buckets.values()))

    def file(self, session: Session, due: float | None = None) -> None:
        """Put the session where its idle time will be looked at: when it may be over, or at another time."""
        if due is None:
            if session.ttl is None:
                return
            due = session.touched + session.ttl
        number = math.ceil(due / WIDTH)
        with self._lock:
            bucket = self._buckets.get(number)
            if bucket is None:
                self._schedule(number)
                bucket = self._buckets[number] = set()
                heapq.heappush(self._times, number)
            bucket.add(session)
            session.bucket = bucket

    def remove(self, session: Session) -> None:
        """Forget the session."""
        with self._lock:
            if session.bucket is not None:
                session.bucket.discard(session)
                session.bucket = None

    def _schedule(self, number: int) -> None:
        self._timers.schedule(max(0.0, number * WIDTH - self._clock.monotonic()), self.sweep)

    def sweep(self) -> None:
        """Ask those who are due to expire, as many as the time allows; the timers call it."""
        if self._resting:  # another bucket's time has come; whoever goes on looks into that too
            return
        asked, until = 0, self._clock.monotonic() + SHARE
        while (session := self._next_due()) is not None:
            self._ask(session)
            asked += 1
            if self._clock.monotonic() >= until:
                self._resting = True
                self._timers.schedule(REST, self._go_on)
                break
        if asked:
            telemetry.execute(telemetry.CLEANUP, {"count": asked}, {})

    def _go_on(self) -> None:
        self._resting = False
        self.sweep()

    def _ask(self, session: Session) -> None:
        try:
            session.post(session.spec.quiet_end, session.expire)
        except Exception as error:  # a full mailbox, for one: so it is anything but idle
            session.touched = self._clock.monotonic()
            self.file(session)
            telemetry.execute(telemetry.CLEANUP_ERROR, {"count": 1}, session.metadata(error=error))

    def _next_due(self) -> Session | None:
        """Take a session out of the buckets whose time has come, if there is one."""
        now = self._clock.monotonic()
        with self._lock:
            while self._times and self._times[0] * WIDTH <= now:
                bucket = self._buckets[self._times[0]]
                if bucket:
                    session = bucket.pop()
                    session.bucket = None
                    return session
                del self._buckets[heapq.heappop(self._times)]
        return None
