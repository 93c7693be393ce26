"""Whether the sessions of this OS process keep up.

Rules:
    1. Nothing is estimated: busy is a mailbox that handles a message now, behind is one that is more than half full,
       and the loop is asked for an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .mailbox import MAILBOX_LIMIT

if TYPE_CHECKING:
    from .supervisor import Supervisor

MOST_NAMED: Final = 20
ANSWER_SECONDS: Final = 1.0


@dataclass(frozen=True)
class SessionHealth:
    """Whether the sessions keep up.

    Attributes:
        healthy: Nobody is behind, and the background loop answers.
        sessions: How many run (count).
        busy: How many handle a message now (count).
        behind: Ids of sessions whose mailbox is more than half full; at most 20.
        background: "idle" if the loop was not needed yet, "alive" if it answered within a second, else "stuck".
        pending: Handlers, effects and other work under way beside the senders' threads (count).
    """

    healthy: bool
    sessions: int
    busy: int
    behind: tuple[str, ...]
    background: str
    pending: int


def session_health(supervisor: Supervisor) -> SessionHealth:
    """Look at all sessions, and ask the background loop."""
    sessions = supervisor.registry.all()
    behind = tuple(session.id for session in sessions if session.depth > MAILBOX_LIMIT // 2)[:MOST_NAMED]
    background = "idle"
    if supervisor.background.running:
        background = "alive" if supervisor.background.answers(ANSWER_SECONDS) else "stuck"
    return SessionHealth(
        healthy=not behind and background != "stuck",
        sessions=len(sessions),
        busy=sum(session.busy for session in sessions),
        behind=behind,
        background=background,
        pending=supervisor.background.pending,
    )
