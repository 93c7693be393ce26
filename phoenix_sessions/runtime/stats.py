"""Figures about the sessions of this OS process.

Rules:
    1. Memory is measured, not guessed: the state and start arguments of up to ``SAMPLE`` sessions, evenly
       chosen, are walked (see ``footprint``), and the sum is scaled to all. Histories and subscriptions are left out.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .footprint import footprint

if TYPE_CHECKING:
    from .session import Session
    from .supervisor import Supervisor

SAMPLE: Final = 1000


@dataclass(frozen=True)
class SessionInfo:
    """Which sessions run here.

    Attributes:
        count: How many.
        by_process: How many of each process class, by its dotted path.
    """

    count: int
    by_process: dict[str, int]


@dataclass(frozen=True)
class SessionStats:
    """What the sessions of this OS process do and hold.

    Attributes:
        sessions: How many run (count).
        subscribers: How many subscriptions they have (count).
        dispatches: Actions applied since ``uptime`` began (count), by sessions that have ended too.
        dispatch_rate: Actions per second over the uptime.
        mailbox_depth: Messages that wait (count).
        memory: What the sessions hold (bytes), but for histories and subscriptions; a sample above 1000 sessions.
        memory_average: The same per session (bytes).
        uptime: Since the supervisor was built (seconds).
        max_sessions: The limit (count).
        stored: How many sessions the shared backend has, of all workers (count); None if there is none.
    """

    sessions: int
    subscribers: int
    dispatches: int
    dispatch_rate: float
    mailbox_depth: int
    memory: int
    memory_average: int
    uptime: float
    max_sessions: int
    stored: int | None = None


@dataclass(frozen=True)
class SessionFacts:
    """What one session is and does.

    Attributes:
        id: The session id.
        process: The name of its process class.
        epoch: The name of its current life.
        version: How many times the state has changed in this life.
        subscribers: How many subscriptions it has (count).
        mailbox_depth: Messages that wait (count).
        dispatches: Actions applied (count).
        age: Since it was started (seconds).
        ttl: Idle time after which it expires (seconds), None = never.
        expires_in: When it expires if nothing more comes (seconds); None while it cannot: it has no TTL, or subscribers
            that keep it alive.
    """

    id: str
    process: str
    epoch: int
    version: int
    subscribers: int
    mailbox_depth: int
    dispatches: int
    age: float
    ttl: float | None
    expires_in: float | None


def _dotted_path(process: Any) -> str:
    """Return the dotted path of a process class."""
    return f"{process.__module__}.{process.__qualname__}"


def session_info(sessions: list[Session]) -> SessionInfo:
    """Count sessions by process class."""
    counts = Counter(_dotted_path(session.spec.process) for session in sessions)
    return SessionInfo(len(sessions), dict(counts))


def session_stats(supervisor: Supervisor) -> SessionStats:
    """Measure the sessions."""
    sessions = supervisor.registry.all()
    uptime = supervisor.clock.monotonic() - supervisor.started_at
    dispatches = supervisor.registry.handled + sum(session.handled for session in sessions)
    average = _average_memory(sessions)
    return SessionStats(
        sessions=len(sessions),
        subscribers=sum(_subscribers(session) for session in sessions),
        dispatches=dispatches,
        dispatch_rate=dispatches / uptime if uptime else 0.0,
        mailbox_depth=sum(session.depth for session in sessions),
        memory=round(average * len(sessions)),
        memory_average=round(average),
        uptime=uptime,
        max_sessions=supervisor.registry.max_sessions,
    )


def session_facts(session: Session) -> SessionFacts:
    """Look at one session, as this worker sees it now."""
    now = session.supervisor.clock.monotonic()
    subscribers = _subscribers(session)
    stays = session.ttl is None or (session.spec.keep_alive and subscribers)
    return SessionFacts(
        id=session.id,
        process=getattr(session.spec.process, "__name__", repr(session.spec.process)),
        epoch=session.epoch,
        version=session.version,
        subscribers=subscribers,
        mailbox_depth=session.depth,
        dispatches=session.handled,
        age=now - session.started_at,
        ttl=session.ttl,
        expires_in=None if stays else max(0.0, session.touched + (session.ttl or 0.0) - now),
    )


def _subscribers(session: Session) -> int:
    return 0 if session.subscriptions is None else len(session.subscriptions)


def _average_memory(sessions: list[Session]) -> float:
    sample = sessions[:: max(1, -(-len(sessions) // SAMPLE))]
    held = sum(sys.getsizeof(session) + footprint((session.id, session.state, session.args)) for session in sample)
    return held / len(sample) if sample else 0.0
