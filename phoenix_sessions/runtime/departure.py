"""Why a worker has a session no more that is not over.

Rules:
    1. A reason is told from a user's by its type: ``terminate("passivated")`` ends a session for good.
"""

from __future__ import annotations

from enum import StrEnum


class Departure(StrEnum):
    """How a session left this OS process.

    Attributes:
        SHUTDOWN: The process stops.
        PASSIVATED: Nobody here has used it for long, or another needed its place.
        HANDED_OVER: Another worker wanted it.
        FENCED: Another worker owns it since.
    """

    SHUTDOWN = "shutdown"
    PASSIVATED = "passivated"
    HANDED_OVER = "handed over"
    FENCED = "fenced"


class Unknown(StrEnum):
    """Why a session is over, where nobody has said it.

    Attributes:
        GONE: The engine of its backend has it no more, at least not under this id.
    """

    GONE = "gone"


def goes_elsewhere(reason: str) -> bool:
    """Return whether who looks once more, by the id that the visitor has then, may find the session."""
    return isinstance(reason, Departure | Unknown)


def is_found_again(reason: str) -> bool:
    """Return whether who was not handled for this reason finds the session by looking once more."""
    return isinstance(reason, Departure) and reason is not Departure.SHUTDOWN
