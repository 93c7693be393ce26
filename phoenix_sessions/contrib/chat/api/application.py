"""The API put together, and what is answered when something is refused."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from ..auth import Unauthenticated
from ..errors import ChatError
from . import agents, conversations, inbox, members, messages, participants, reads
from .answers import refusal, refused, unauthenticated
from .bodies import StrictParser


class ChatAPI(NinjaAPI):
    """django-ninja's, with operations called what their functions are."""

    def get_openapi_operation_id(self, operation: Any) -> str:
        """Return an operation's name in the document."""
        name: str = operation.view_func.__name__
        return name


def _refused(request: HttpRequest, error: Any) -> HttpResponse:
    return refused(error)


def _unauthenticated(request: HttpRequest, error: Any) -> HttpResponse:
    return unauthenticated(error)


def _too_large(request: HttpRequest, error: Any) -> HttpResponse:
    return refusal(413, "too_large", "the body is larger than the site takes")


def _malformed(request: HttpRequest, error: Any) -> HttpResponse:
    return refusal(error.status_code, "malformed", "the body must be JSON in UTF-8")


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    fields: dict[str, str] = {}
    for each in error.errors:
        fields.setdefault(_field(each["loc"]), each["msg"])
    return refusal(422, "invalid", "; ".join(f"{field}: {rule}" for field, rule in fields.items()), fields)


def _field(place: tuple[Any, ...]) -> str:
    """Return what a field is called by whoever sent it: ``("body", "body", "members", 0)`` is ``members.0``."""
    source, *path = place
    if source == "body" and path[:1] == ["body"]:
        path = path[1:]
    return ".".join(map(str, path)) or str(source)


api = ChatAPI(
    title="Chat",
    description=(
        "Conversations of people and agents. Errors are {error, message, fields}. Conversations are seen by their "
        "members only; the site's staff, and tokens with the scope admin, administer participants and agents."
    ),
    urls_namespace="phoenix_sessions_chat",
    parser=StrictParser(),
)
api.add_exception_handler(ChatError, _refused)
api.add_exception_handler(Unauthenticated, _unauthenticated)
api.add_exception_handler(RequestDataTooBig, _too_large)
api.add_exception_handler(HttpError, _malformed)
api.add_exception_handler(ValidationError, _invalid)
api.add_router("/participants", participants.router)
api.add_router("/conversations", conversations.router)
api.add_router("/conversations", members.router)
api.add_router("/conversations", messages.router)
api.add_router("/conversations", reads.router)
api.add_router("/inbox", inbox.router)
api.add_router("/agents", agents.router)
