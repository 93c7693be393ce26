"""The backend of a site with one OS process: sessions in a dict, which die with it.

Rules:
    1. One lock guards everything, and nothing that waits is done under it; so the async twins need no thread.
    2. A session whose ``ttl`` is over is refused at once, and takes room until ``sweep`` comes along.
    3. The time is that of the process and never goes back.
"""

from __future__ import annotations

import heapq
import math
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from itertools import count, islice
from typing import Any

import msgspec

from ..core.errors import Conflict, Fenced, SessionNotFound
from ..runtime.clock import Clock, SystemClock
from .base import Backend, Claim, Commit, Page, Point, Record, Watch, Watcher
from .memory_watch import MemoryWatch, Watches


class _Session:
    """A session, and all that is remembered of it.

    Attributes:
        number: Its place among all that were ever created.
        used: When it was last committed to or touched (seconds).
        due: When its ``ttl`` is over (seconds).
        alarm: When ``sweep`` will look at it, at or before ``due`` (seconds).
        fence: The highest fencing number that came.
    """

    __slots__ = ("actions", "alarm", "commits", "due", "fence", "log", "number", "record", "used")

    def __init__(self, number: int, record: Record, fence: int | None) -> None:
        self.number = number
        self.record = record
        self.fence = fence
        self.used = 0.0
        self.due = self.alarm = math.inf
        self.log: list[bytes] = []
        self.commits: deque[bytes] = deque(maxlen=MemoryBackend.remembers)
        self.actions: dict[bytes, None] = {}


class _Lease(msgspec.Struct):
    owner: str
    fence: int
    until: float


class MemoryBackend(Backend):
    """Everything in this OS process; every object holds sessions of its own."""

    shared = False
    durable = False
    native_async = True
    carries_notices = True

    def __init__(self, options: Mapping[str, Any], clock: Clock | None = None) -> None:
        super().__init__(options, clock)
        self._now = (clock or SystemClock()).monotonic
        self._lock = threading.RLock()
        self._numbers = count(1)
        self._fences = count(1)
        self._sessions: dict[str, _Session] = {}  # in the order of their numbers
        self._alarms: list[tuple[float, int, str]] = []  # a heap: when, number, id
        self._leases: dict[str, _Lease] = {}
        self._watches = Watches(self._lock)

    async def _athread(self, verb: Any, *args: Any) -> Any:
        return verb(*args)

    # -- sessions --------------------------------------------------------------------------------------------------

    def load(self, id: str, known: Point | None = None, fence: int | None = None, last: bytes = b"") -> Record | None:
        """Return a session, or None if it is still what the caller knows."""
        with self._lock:
            session = self._find(id)
            _pass_fence(id, session, fence)
            return None if (session.record.at, session.record.last) == (known, last) else session.record

    def create(self, id: str, record: Record, ttl: float | None, fence: int | None = None) -> None:
        """Begin a session."""
        with self._lock:
            if (living := self._get(id)) is not None:
                raise Conflict(id, living.record)
            self._sessions.pop(id, None)  # a new one goes to the end
            self._sessions[id] = session = _Session(next(self._numbers), _begun(record), fence)
            self._use(id, session, ttl)

    def commit(self, id: str, commit: Commit) -> tuple[bytes, ...]:
        """Change a session, in one step, and put off its expiry."""
        with self._lock:
            session = self._find(id)
            if commit.id in session.commits:
                return ()
            _pass_fence(id, session, commit.fence)
            if (session.record.at, session.record.last) != (commit.at, commit.after):
                raise Conflict(id, session.record)
            if repeated := tuple(action for action in commit.actions if action in session.actions):
                return repeated
            self._apply(id, session, commit)
            return ()

    def touch(self, id: str, ttl: float | None) -> None:
        """Put off a session's expiry."""
        with self._lock:
            self._use(id, self._find(id), ttl)

    def expire(self, id: str, idle: float, notice: bytes) -> float | None:
        """End a session that is idle, or return how long (seconds) it is until it may be ended."""
        with self._lock:
            left = self._find(id).used + idle - self._now()
            if left > 0:
                return left
            del self._sessions[id]
            self._watches.tell(id, notice)
            return None

    def delete(self, id: str, at: Point | None, notice: bytes, last: bytes = b"") -> None:
        """End a session, and tell its watchers."""
        with self._lock:
            session = self._find(id)
            if at is not None and (session.record.at, session.record.last) != (at, last):
                raise Conflict(id, session.record)
            del self._sessions[id]
            self._watches.tell(id, notice)

    def log(self, id: str) -> list[bytes]:
        """Return the log of the session's life."""
        with self._lock:
            session = self._get(id)
            return [] if session is None else list(session.log)

    def actions(self, id: str) -> list[bytes]:
        """Return the names of actions that the session remembers."""
        with self._lock:
            session = self._get(id)
            return [] if session is None else list(session.actions)

    def tell(self, id: str, notice: bytes) -> None:
        """Tell a session's watchers; nothing, if the notice is empty."""
        with self._lock:
            self._watches.tell(id, notice)

    def scan(self, cursor: str | None = None, count: int = 1000) -> Page:
        """Return some of all sessions, in the order in which they were created; the cursor is a number of one."""
        with self._lock:
            ids = list(self._sessions)
            start = bisect_right(ids, int(cursor or 0), key=lambda id: self._sessions[id].number)
            page = ids[start : start + count]
            now = self._now()
            found = ((id, self._sessions[id]) for id in page)
            sessions = tuple((id, session.record.birth) for id, session in found if now < session.due)
            more = start + count < len(ids)
            return Page(sessions, str(self._sessions[page[-1]].number) if more else None)

    def count(self) -> int:
        """Return how many sessions there are, with those that wait for ``sweep``."""
        return len(self._sessions)

    def sweep(self, limit: int = 1000) -> int:
        """Remove sessions whose ``ttl`` is over, and leases that ran out."""
        removed = 0
        with self._lock:
            now = self._now()
            self._leases = {name: lease for name, lease in self._leases.items() if now < lease.until}
            while removed < limit and self._alarms and self._alarms[0][0] <= now:
                when, number, id = heapq.heappop(self._alarms)
                session = self._sessions.get(id)
                if session is None or session.number != number or session.alarm != when:
                    continue
                if session.due <= now:
                    del self._sessions[id]
                    removed += 1
                else:
                    self._set_alarm(id, session)
        return removed

    def _get(self, id: str) -> _Session | None:
        session = self._sessions.get(id)
        return None if session is None or session.due <= self._now() else session

    def _find(self, id: str) -> _Session:
        session = self._get(id)
        if session is None:
            raise SessionNotFound(id)
        return session

    def _apply(self, id: str, session: _Session, commit: Commit) -> None:
        if commit.to.epoch != commit.at.epoch:
            session.log = []
        if commit.log:
            kept = [*session.log, *commit.log]
            session.log = kept[max(0, len(kept) - commit.log_limit) :]
        if commit.to != commit.at:
            session.commits.append(commit.id)
            session.record = Record(commit.to, session.record.birth, commit.state, commit.id)
        session.actions.update(dict.fromkeys(commit.actions))
        for forgotten in tuple(islice(session.actions, max(0, len(session.actions) - self.remembers_actions))):
            del session.actions[forgotten]
        self._use(id, session, commit.ttl)
        self._watches.tell(id, commit.notice)

    def _use(self, id: str, session: _Session, ttl: float | None) -> None:
        session.used = self._now()
        session.due = math.inf if ttl is None else session.used + ttl
        if session.due < session.alarm:  # else the alarm that is set comes first, and sets the next
            self._set_alarm(id, session)

    def _set_alarm(self, id: str, session: _Session) -> None:
        session.alarm = session.due
        if session.alarm < math.inf:
            heapq.heappush(self._alarms, (session.alarm, session.number, id))

    # -- leases ----------------------------------------------------------------------------------------------------

    def claim(self, name: str, owner: str, seconds: float) -> Claim:
        """Take a lease if nobody else holds it."""
        with self._lock:
            now = self._now()
            lease = self._leases.get(name)
            if lease is None or lease.until <= now:
                lease = self._leases[name] = _Lease(owner, next(self._fences), 0.0)
            elif lease.owner != owner:
                return Claim(None, lease.until - now)
            lease.until = now + seconds
            return Claim(lease.fence, seconds)

    def renew(self, name: str, owner: str, fence: int, seconds: float) -> None:
        """Keep a lease for ``seconds`` from now."""
        with self._lock:
            lease = self._leases.get(name)
            if lease is None or (lease.owner, lease.fence) != (owner, fence) or lease.until <= self._now():
                raise Fenced(name, fence)
            lease.until = self._now() + seconds

    def release(self, name: str, owner: str, fence: int) -> None:
        """Give a lease back, if it is this owner's still."""
        with self._lock:
            lease = self._leases.get(name)
            if lease is not None and (lease.owner, lease.fence) == (owner, fence):
                del self._leases[name]

    # -- watches ---------------------------------------------------------------------------------------------------

    def watch(self, watcher: Watcher) -> Watch:
        """Return a watch for the running event loop."""
        return MemoryWatch(self._watches, watcher)


def _begun(record: Record) -> Record:
    return Record(record.at, record.birth, record.state)


def _pass_fence(id: str, session: _Session, fence: int | None) -> None:
    """Remember the highest fencing number of a session.

    Raises:
        Fenced: This one is lower.
    """
    if fence is None:
        return
    if session.fence is not None and fence < session.fence:
        raise Fenced(id, fence)
    session.fence = fence
