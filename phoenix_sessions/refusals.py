"""What a browser is told whose action failed.

Rules:
    1. Whether the action was applied is told as it is: ``not_started`` if it was and its effect was not, ``in_doubt``
       and ``engine_failed`` if nobody can say. Behind every other code nothing was changed.
    2. What was raised is told in DEBUG alone; else it is in the server's log.

The codes are in docs/reference/browser-protocol.md.
"""

from __future__ import annotations

import logging
from typing import Final

from django.conf import settings

from .core.errors import (
    BackendError,
    BackendUnavailable,
    Conflict,
    Fenced,
    InvalidSnapshot,
    MailboxFull,
    NotSerializable,
    ReducerError,
    SessionError,
    StateMutated,
    StateTooLarge,
)
from .frames import ErrorFrame

logger = logging.getLogger("phoenix_sessions")

RETRY_AFTER: Final = 1.0
"""When (seconds) a client shall try again whose action found no engine."""
REFUSALS: Final = (
    ReducerError,
    StateMutated,
    NotSerializable,
    StateTooLarge,
    InvalidSnapshot,
    MailboxFull,
    BackendError,
)
"""What an action may fail with, while the session goes on."""


def refusal(error: SessionError, ref: int, *, applied: bool) -> ErrorFrame:
    """Return the answer to a dispatch that failed.

    Args:
        error: What it failed with, one of ``REFUSALS``.
        ref: The number of the dispatch.
        applied: Whether the action was applied, so that only its effect failed.
    """
    if isinstance(error, MailboxFull) and not applied:
        return ErrorFrame(0, ref, "busy", "the session is too busy, try again")
    understood = isinstance(error, MailboxFull | BackendUnavailable)
    logger.warning("a browser's action failed: %s", error, exc_info=None if understood else error)
    if applied:  # any other code would ask for the action once more
        return ErrorFrame(0, ref, "not_started", "the action was applied, but its effect could not be started")
    match error:
        case BackendUnavailable(maybe=True):
            return ErrorFrame(0, ref, "in_doubt", "the session cannot be reached; the action may have been applied")
        case BackendUnavailable() | Conflict() | Fenced():
            return ErrorFrame(0, ref, "unavailable", "the session cannot be reached, try again", RETRY_AFTER)
        case BackendError():
            message = "the engine of the session fails, to try again does not help; the action may have been applied"
            return ErrorFrame(0, ref, "engine_failed", message)
    return ErrorFrame(0, ref, "action_failed", str(error) if settings.DEBUG else "the action failed")
