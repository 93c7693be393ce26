"""The supervisor: starts sessions, finds them, and sees them end.

Rules:
    1. Building one starts no thread. The first session with a TTL starts the background loop.
    2. A start admits the session (atomic, O(1)), then runs ``init_state`` outside of every lock but the session's own
       mailbox, so that a slow one blocks nobody else. Racing starts of one id: one wins, the others are told.
    3. After a fork the child begins with no session: they live in the parent.
"""

from __future__ import annotations

import itertools
import logging
import os
import secrets
import weakref
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from ..core.errors import RateLimitExceeded, SessionAlreadyStarted, SessionNotFound
from ..core.limits import Rate
from . import telemetry
from .background import Background, nothing
from .clock import Clock
from .crew import Crew
from .expiry import Expiry
from .registry import Registry
from .session import UNBORN, Session
from .shutdown import shut_down
from .spec import ProcessSpec
from .timers import Timers

logger = logging.getLogger("phoenix_sessions")

STOP_SECONDS: Final = 5.0


class Supervisor:
    """The sessions of this OS process.

    Args:
        clock: Where the time comes from.
        max_sessions: How many may run at once (count).
        rate: How fast new ones may start; None = no limit.
        around_work: See ``Background``.
        companion: See ``Background``.
    """

    def __init__(
        self,
        clock: Clock,
        max_sessions: int,
        rate: Rate | None,
        around_work: Callable[[], None] | None = None,
        companion: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self.clock = clock
        self.now = clock.monotonic
        self._around_work = around_work or nothing
        self._companion = companion
        self.registry = Registry(max_sessions, rate)
        self._build()
        _supervisors.add(self)

    def _build(self) -> None:
        self.background = Background(self._around_work, self._companion)
        self.timers = Timers(self.clock, self.background)
        self.expiry = Expiry(self.clock, self.timers)
        self.started_at = self.clock.monotonic()
        self._epochs = itertools.count(secrets.randbits(52))

    def begin_again(self) -> None:
        """Start over with no session, as a forked child does."""
        self.registry.begin_again()
        self._build()

    def next_epoch(self) -> int:
        """Return the name of a new life, below 2**53 so that a browser can hold it."""
        return next(self._epochs)

    # -- start ---------------------------------------------------------------------------------------------------

    def start(
        self, id: str, spec: ProcessSpec, args: Any, ttl: float | None, restored: Mapping[str, Any] | None = None
    ) -> Session:
        """Start a session and return it.

        Args:
            id: Its id.
            spec: Its process class.
            args: What ``init_state`` gets.
            ttl: Idle time after which it expires (seconds), None = never.
            restored: State from a snapshot, which goes over what ``init_state`` returns.

        Raises:
            SessionAlreadyStarted, SessionLimitReached, RateLimitExceeded: It was not admitted.
            Exception: Whatever ``init_state`` raised; the id is free again.
        """
        session = Session(id, spec, args, ttl, self, restored)
        try:
            self.admit(session)
            session.first_life()
        except SessionAlreadyStarted:
            raise  # nothing failed: somebody else was first
        except Exception as error:
            telemetry.execute(telemetry.SESSION_START_ERROR, {"count": 1}, session.metadata(error=error))
            raise
        if telemetry.SESSION_START in telemetry.attached:
            telemetry.execute(telemetry.SESSION_START, {"count": 1}, session.metadata())
        return session

    def admit(self, session: Session) -> None:
        """Put a new session under its id.

        Raises:
            SessionError: It is not admitted.
        """
        self.count_start(session, self.registry.admit)

    def count_start(self, session: Session, admit: Callable[[Session], None]) -> None:
        """Count the start of a session by what admits it, and tell telemetry of the rate.

        Raises:
            SessionError: It is not admitted.
        """
        try:
            admit(session)
        except RateLimitExceeded as error:
            facts = {"session_id": session.id}
            telemetry.execute(telemetry.RATE_LIMIT_EXCEEDED, {"retry_after": error.retry_after}, facts)
            raise
        if telemetry.RATE_LIMIT_CHECK in telemetry.attached and self.registry.rate_limit is not None:
            recent = self.registry.rate_limit.recent(session.started_at)
            telemetry.execute(telemetry.RATE_LIMIT_CHECK, {"count": recent}, {"session_id": session.id})

    # -- find ----------------------------------------------------------------------------------------------------

    def find(self, id: str) -> Session:
        """Return the session that runs under the id.

        Raises:
            SessionNotFound: None does.
        """
        session = self.registry.get(id)
        if session is None or session.version == UNBORN:
            raise SessionNotFound(id)
        return session

    # -- end -----------------------------------------------------------------------------------------------------

    def forget(self, session: Session) -> None:
        """Free what the supervisor holds of a session that has ended."""
        self.registry.remove(session)
        self.expiry.remove(session)

    def shut_down_all(self, seconds: float, patience: float = 0.0, crew: Crew | None = None) -> bool:
        """Have every session leave this OS process; returns whether all have, within ``seconds``.

        Args:
            seconds: How long it may take altogether.
            patience: How long of that ``async def`` handlers may run on before they are cancelled (seconds).
            crew: Who runs ``on_terminate``; None = this thread.
        """
        left = shut_down(self.registry.all(), seconds, patience, crew, self._around_work)
        for session in left:  # it ends, and tells its receivers, when its handler returns
            self.registry.remove(session)
            if session.unwritten:
                logger.error("session %s: the stop is over, and what was not written down is lost", session.id)
        return not left

    def stop(self) -> None:
        """End every session at once, then the background; for tests."""
        self.shut_down_all(STOP_SECONDS)
        self.background.stop()


_supervisors: weakref.WeakSet[Supervisor] = weakref.WeakSet()


def _after_fork() -> None:
    for supervisor in list(_supervisors):
        supervisor.begin_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
