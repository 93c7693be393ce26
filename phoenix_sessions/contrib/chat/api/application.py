"""The API put together, and what is answered when something is refused."""

from __future__ import annotations

import functools
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from ..auth import Unauthenticated
from ..errors import ChatError
from . import agents, conversations, inbox, members, messages, participants, reads
from .answers import refusal, refused, unauthenticated
from .bodies import StrictParser


class ChatAPI(NinjaAPI):
    """django-ninja's, with operations called what their functions are, and a document that is made once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._document = functools.lru_cache(maxsize=8)(super().get_openapi_schema)

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Return the document for a prefix; to make it takes some 100 ms, and anybody may ask for it."""
        prefix = self.get_root_path(path_params or {}) if path_prefix is None else path_prefix
        return self._document(path_prefix=prefix)

    def get_openapi_operation_id(self, operation: Any) -> str:
        """Return an operation's name in the document."""
        name: str = operation.view_func.__name__
        return name


def _refused(request: HttpRequest, error: Any) -> HttpResponse:
    return refused(error)


def _unauthenticated(request: HttpRequest, error: Any) -> HttpResponse:
    return unauthenticated(error)


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
api.add_exception_handler(HttpError, _malformed)
api.add_exception_handler(ValidationError, _invalid)
api.add_router("/participants", participants.router)
api.add_router("/conversations", conversations.router)
api.add_router("/conversations", members.router)
api.add_router("/conversations", messages.router)
api.add_router("/conversations", reads.router)
api.add_router("/inbox", inbox.router)
api.add_router("/agents", agents.router)
