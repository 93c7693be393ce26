"""The shutdown of many sessions at once, within a deadline.

Rules:
    1. Every session is told in its mailbox: the messages that wait there already are handled before.
    2. Those whose end runs nothing of the user's are told first. The others are told by a crew, if there is one, so
       that an ``on_terminate`` that hangs holds up neither the rest nor the deadline. What is asked of an engine is
       asked on the background loop, for some at once.
    3. An ``async def`` handler may run on for a while, then it is cancelled.
    4. Who is busy at the deadline is left alone, and ends when its handler returns. Who could not be written down has
       not left either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ..core.errors import SessionError
from .crew import Crew
from .mailbox import take_turn
from .session import Session


def shut_down(
    sessions: Iterable[Session], seconds: float, patience: float, crew: Crew | None, around_work: Callable[[], None]
) -> list[Session]:
    """Have the sessions leave; returns those that have not within ``seconds``.

    Args:
        sessions: Who.
        seconds: How long it may take altogether.
        patience: How long of that an ``async def`` handler may run on (seconds).
        crew: Who runs ``on_terminate``; None = this thread.
        around_work: Called around what the crew does.
    """
    begin = time.monotonic()
    told: set[Session] = set()

    def tell(session: Session) -> None:
        session.post_always(_is_quick(session), session.shut_down)
        told.add(session)

    def tell_on_crew(session: Session) -> None:
        around_work()
        try:
            tell(session)
        finally:
            around_work()

    waiting = sorted(sessions, key=_is_quick, reverse=True)
    if not patience:
        _cancel(waiting)
    for session in waiting:
        if crew is None or _is_quick(session):
            tell(session)
        else:
            crew.submit(tell_on_crew, session)
    if patience:
        waiting = _left(waiting, told, begin + min(patience, seconds))
        _cancel(waiting)
    return _left(waiting, told, begin + seconds)


def _is_quick(session: Session) -> bool:
    return session.spec.quiet_end or session.stored  # which goes on elsewhere, and says no goodbye


def _cancel(sessions: Iterable[Session]) -> None:
    for session in sessions:
        session.cancel_running()


def _left(sessions: Iterable[Session], told: set[Session], end: float) -> list[Session]:
    """Wait for the sessions to leave, until ``end`` (monotonic seconds); returns those that have not."""
    return [session for session in sessions if not _has_left(session, told, end)]


def _has_left(session: Session, told: set[Session], end: float) -> bool:
    while session not in told:  # by the crew, which is a matter of its other work
        if time.monotonic() >= end:
            return False
        time.sleep(0.001)
    try:
        session.ask(True, max(0.0, end - time.monotonic()), take_turn)
    except SessionError:
        return False
    return not session.unwritten
