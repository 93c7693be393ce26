"""The one error of the chat, and its codes.

=================  =============================================================================================
``not_found``      there is no such participant, message or agent
``unauthorized``   the participant is no member of the conversation; nobody learns whether there is such a one
``forbidden``      a member, but not one who may do this
``invalid``        what was given makes no sense; ``fields`` says what
``too_large``      more bytes than the settings allow
``closed``         the conversation takes no more messages
``disabled``       the participant or the agent may do nothing
``conflict``       it is there already, or is not any more
``rate_limited``   too many in too short a time; ``retry_after_ms`` says when to come again
``backpressure``   this worker takes no more just now; ``reason`` and ``retry_after_ms`` say why and when
``unavailable``    the database does not answer; what was sent may have been stored: send it again with its client_id
=================  =============================================================================================

It is never the database's own error: that is its ``__cause__``, for the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Code = Literal[
    "not_found",
    "unauthorized",
    "forbidden",
    "invalid",
    "too_large",
    "closed",
    "disabled",
    "conflict",
    "rate_limited",
    "backpressure",
    "unavailable",
]

_AGAIN_MS: Final = 500


class ChatError(Exception):
    """What was asked for was not done.

    Attributes:
        code: Which kind of error it is, for programs.
        message: What was received, the rule, and the way out, for people; it may be shown to whoever asked.
        fields: What is wrong with which field.
        reason: Why a worker takes no more: ``"full"``, ``"draining"``; None for other codes.
        retry_after_ms: When to try again (milliseconds); None = that would not help.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        fields: Mapping[str, str] | None = None,
        *,
        reason: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        self.code: Code = code
        self.message = message
        self.fields = dict(fields or {})
        self.reason = reason
        self.retry_after_ms = retry_after_ms
        super().__init__(f"{code}: {message}")


def unauthorized() -> ChatError:
    """Return the answer to whoever is no member, the same for a conversation that does not exist."""
    return ChatError("unauthorized", "only members of a conversation may do this")


def invalid(**fields: str) -> ChatError:
    """Return the answer to what makes no sense; the fields say what and why."""
    return ChatError("invalid", "; ".join(f"{field}: {rule}" for field, rule in fields.items()), fields)


def not_found(what: str, id: object) -> ChatError:
    """Return the answer if there is no such thing, such as ``not_found("participant", "user:alice")``."""
    return ChatError("not_found", f"there is no {what} {id!r}")


def backpressure(reason: str, retry_after_ms: int) -> ChatError:
    """Return the answer of a worker that takes no more just now."""
    return ChatError(
        "backpressure", f"this worker is {reason}; send it again", reason=reason, retry_after_ms=retry_after_ms
    )


def unavailable() -> ChatError:
    """Return the answer while the database does not."""
    return ChatError(
        "unavailable",
        "the database does not answer; try again, and messages with the same client_id",
        retry_after_ms=_AGAIN_MS,
    )
