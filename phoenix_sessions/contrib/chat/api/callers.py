"""Who may come in: the authentications of the operations.

Rules:
    1. A token goes before a session; without either it is 401.
    2. Participants and agents are administered by administrators only; of another it is 403, before anything is looked
       at that was sent.
    3. A participant that is disabled gets ``disabled`` from every operation.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest

from ..auth import Caller, acaller_of_request, bearer_of
from ..errors import ChatError
from ..gateway import gateway
from ..kinds import ParticipantStatus


class Session:
    """The site's own session, or what decides instead of it.

    Args:
        admin: Whether only administrators are let in.
    """

    openapi_security_schema: ClassVar[dict[str, Any]] = {
        "type": "apiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "The session of a user who is logged in; to change anything it takes X-CSRFToken, too.",
    }

    def __init__(self, *, admin: bool = False) -> None:
        self._admin = admin

    async def __call__(self, request: HttpRequest) -> Caller | None:
        """Return who asks."""
        caller = await let_in(request)
        if self._admin and not caller.admin:
            raise ChatError("forbidden", "only the site's administrators may do this")
        return caller


class Bearer(Session):
    """A token."""

    openapi_security_schema: ClassVar[dict[str, Any]] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}

    async def __call__(self, request: HttpRequest) -> Caller | None:
        """Return who asks, None = it has no token."""
        return None if bearer_of(request) is None else await super().__call__(request)


everybody = [Bearer(), Session()]
administrators = [Bearer(admin=True), Session(admin=True)]


async def let_in(request: HttpRequest) -> Caller:
    """Return who asks.

    Raises:
        Unauthenticated: Nobody knows.
        ChatError: ``disabled``; ``forbidden`` if it does not pass the CSRF check; ``unavailable``.
    """
    caller = await acaller_of_request(request)
    try:
        participant = await gateway.ashow_participant(caller.participant)
    except ChatError as error:
        if error.code != "not_found":
            raise
    else:
        if participant.status != ParticipantStatus.ACTIVE:
            raise ChatError("disabled", f"the participant {caller.participant!r} is disabled")
    return caller


def caller_of(request: HttpRequest) -> Caller:
    """Return who was let in."""
    caller: Caller = request.auth
    return caller


def participant_of(request: HttpRequest) -> str:
    """Return the participant that was let in."""
    return caller_of(request).participant
