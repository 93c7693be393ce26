"""The chat's URLs: ``path("chat/", include("phoenix_sessions.contrib.chat.urls"))``.

Rules:
    1. Everything beneath the site's prefix is the chat's: what is not there is 404 in its own words.
    2. Bodies are JSON, and bounded; whatever else is said to be one is refused before anybody reads it.
    3. No view is in a transaction of the site's, also with ATOMIC_REQUESTS: what is told is committed.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from django.views.decorators.http import require_safe

from . import agents
from .api import api
from .api.answers import refusal
from .api.bodies import read_body
from .health import live, ready
from .metrics import show_metrics
from .transactions import outside_transactions

View = Callable[..., Awaitable[HttpResponseBase]]

_JSON: Final = ("", "application/json")


def _door(view: View) -> View:
    """Return an operation's view that says what it refuses as the others do."""

    @functools.wraps(view)
    async def through(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        agents.start()  # as soon as this worker is asked for anything
        if request.method in ("POST", "PATCH"):
            if request.content_type not in _JSON:
                return refusal(415, "unsupported_type", "the body must be application/json")
            try:
                read_body(request)
            except RequestDataTooBig:
                return refusal(413, "too_large", "the body is larger than the site takes")
        response = await view(request, **kwargs)
        if response.status_code == 405:
            return _not_allowed(request, ", ".join(sorted(response["Allow"].split(", "))))
        return response

    through.csrf_exempt = True  # type: ignore[attr-defined]  # sessions are checked by auth, tokens need no check
    return outside_transactions(through)


def _not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    response = refusal(405, "method_not_allowed", f"{request.method} is not one of {allowed}")
    response["Allow"] = allowed
    return response


@outside_transactions
async def _not_there(request: HttpRequest, rest: str = "") -> HttpResponse:
    return refusal(404, "not_found", "there is nothing of this name")


def _operations() -> tuple[Any, ...]:
    patterns, *names = api.urls
    for each in patterns:
        if iscoroutinefunction(getattr(each, "callback", None)):
            each.callback = _door(each.callback)
    return patterns, *names


urlpatterns = [
    path("health/live", _door(require_safe(live))),
    path("health/ready", _door(require_safe(ready))),
    path("metrics", _door(require_safe(show_metrics))),
    path("", _not_there),
    path("", _operations()),
    path("<path:rest>", _not_there),
]
