"""Which session runs under which id.

Rules:
    1. An id is taken from the moment a start is admitted until the session has ended.
    2. Admission is atomic and O(1): taken? then the limit, then the rate. An id that is taken uses up nothing.
    3. Once it is closed nobody is admitted, so that those who are there are all who will ever be.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from ..core.errors import SessionAlreadyStarted, SessionLimitReached, ShuttingDown
from ..core.limits import Rate, RateLimit
from .session import Session


class Registry:
    """The sessions of one supervisor, by id.

    Args:
        max_sessions: How many may run at once (count).
        rate: How fast new ones may start; None = no limit.

    Attributes:
        handled: How many actions were applied by sessions that have ended (count).
        get: Returns the session under an id, or None; the same function for as long as the registry lives.
        closed: Whether nobody is admitted any more.
        make_room: Has a session leave that can come back; returns whether one does.
    """

    def __init__(self, max_sessions: int, rate: Rate | None) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self.get = self._sessions.get
        self.handled = 0
        self.closed = False
        self.make_room: Callable[[], bool] = _nobody_leaves
        self.limit(max_sessions, rate)

    def limit(self, max_sessions: int, rate: Rate | None) -> None:
        """Replace the limits; the starts counted so far are forgotten."""
        self.max_sessions = max_sessions
        self.rate_limit = None if rate is None else RateLimit(rate)

    def begin_again(self) -> None:
        """Start over with no session, as a forked child does."""
        self._lock = threading.Lock()
        self._sessions.clear()
        self.handled = 0
        self.closed = False
        self.limit(self.max_sessions, None if self.rate_limit is None else self.rate_limit.rate)

    def close(self) -> bool:
        """Admit nobody any more; returns whether that is new."""
        with self._lock:
            was, self.closed = self.closed, True
        return not was

    def __len__(self) -> int:
        return len(self._sessions)

    def all(self) -> list[Session]:
        """Return all sessions."""
        return list(self._sessions.values())

    def admit(self, session: Session) -> None:
        """Put a new session under its id.

        Raises:
            ShuttingDown: It is closed.
            SessionAlreadyStarted: The id is taken.
            SessionLimitReached: There are too many, and nobody makes room.
            RateLimitExceeded: They come too fast.
        """
        try:
            self._admit(session, self.max_sessions)
        except SessionLimitReached:
            if not self.make_room():
                raise
            self._admit(session, math.inf)

    def _admit(self, session: Session, limit: float) -> None:
        with self._lock:
            if self.closed:
                raise ShuttingDown
            if session.id in self._sessions:
                raise SessionAlreadyStarted(session.id)
            if len(self._sessions) >= limit:
                raise SessionLimitReached(self.max_sessions)
            if self.rate_limit is not None and session.spec.rate_limited:
                self.rate_limit.take(session.started_at)
            self._sessions[session.id] = session

    def count_start(self, session: Session) -> None:
        """Count the start of a session that somebody else decides on.

        Raises:
            ShuttingDown: It is closed.
            RateLimitExceeded: They come too fast.
        """
        with self._lock:
            if self.closed:
                raise ShuttingDown
            if self.rate_limit is not None and session.spec.rate_limited:
                self.rate_limit.take(session.started_at)

    def keep(self, session: Session) -> Session:
        """Put a session that runs elsewhere, too, under its id, if none is there that lives; returns the one that is.

        A closed registry keeps it, too: it serves the requests that this worker still has.
        """
        with self._lock:
            there = self._sessions.get(session.id)
            if there is None or there.ended is not None:
                there = self._sessions[session.id] = session
            return there

    def take_over(self, session: Session) -> None:
        """Put a session under its id that belongs to this worker from now on.

        Raises:
            ShuttingDown: It is closed: nobody would write it down any more.
            SessionAlreadyStarted: One that lives is there.
        """
        with self._lock:
            if self.closed:
                raise ShuttingDown
            there = self._sessions.get(session.id)
            if there is not None and there.ended is None:
                raise SessionAlreadyStarted(session.id)
            self._sessions[session.id] = session

    def remove(self, session: Session) -> None:
        """Free the session's id, if it has it still, and count what it has handled."""
        with self._lock:
            if self._sessions.get(session.id) is session:
                del self._sessions[session.id]
                self.handled += session.handled

    def rename(self, session: Session, new_id: str) -> None:
        """Put the session under another id and free its old one.

        Raises:
            SessionAlreadyStarted: The new id is taken.
        """
        with self._lock:
            if new_id in self._sessions:
                raise SessionAlreadyStarted(new_id)
            self._sessions[new_id] = self._sessions.pop(session.id)
            session.id = new_id


def _nobody_leaves() -> bool:
    return False
