"""The middleware: ``request.session_id`` and ``request.session_process``.

Rules:
    1. Both are lazy: a request that uses neither reads no session, starts nothing and sets no cookie.
    2. In async views ``await request.asession_process()`` gives the handle, as ``request.auser`` gives the user; after
       that ``request.session_process`` is there too, for templates.
    3. A limit that is reached while starting becomes 503 with Retry-After, and so does the stop of the process, and an
       engine of a shared backend that cannot be asked.
    4. It stands after SessionMiddleware, and serves sync and async stacks alike.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from types import MethodType
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.functional import SimpleLazyObject, empty

from .core.errors import BackendUnavailable, RateLimitExceeded, SessionLimitReached, SessionStopped, ShuttingDown
from .identity import aget_id, end_on_flush, get_id
from .manager import sessions
from .ref import SessionRef

logger = logging.getLogger("phoenix_sessions")

RETRY_AFTER_LIMIT: Final = 30
"""What a client is told to wait (seconds) when MAX_SESSIONS run; nobody knows when one will end."""
RETRY_AFTER_STOP: Final = 1
"""The same when the process is being stopped."""
RETRY_AFTER_ENGINE: Final = 1
"""The same when the engine could not be asked, for which the request has waited already."""

_new, _set = object.__new__, object.__setattr__


class SessionProcessMiddleware:
    """Put it into MIDDLEWARE after ``django.contrib.sessions.middleware.SessionMiddleware``."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.async_mode = iscoroutinefunction(get_response)
        if self.async_mode:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Give the request its attributes and go on; in an async stack the answer is awaited by the server."""
        attach(request)
        response: HttpResponseBase | Awaitable[HttpResponseBase] = self.get_response(request)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 for a limit, while the process is being stopped, and when the engine cannot be asked."""
        match exception:
            case RateLimitExceeded(retry_after=wait):
                return unavailable(math.ceil(wait))
            case SessionLimitReached():
                return unavailable(RETRY_AFTER_LIMIT)
            case ShuttingDown(retry_after=wait):
                return unavailable(math.ceil(wait))
            case SessionStopped(reason="shutdown"):
                return unavailable(RETRY_AFTER_STOP)
            case BackendUnavailable():
                logger.warning("a request is answered 503: %s", exception)
                return unavailable(RETRY_AFTER_ENGINE)
        return None


def attach(request: Any) -> None:
    """Give the request its lazy ``session_id``, ``session_process`` and ``asession_process``.

    Raises:
        ImproperlyConfigured: SessionMiddleware has not run before.
    """
    session = getattr(request, "session", None)
    if session is None:
        raise ImproperlyConfigured(
            "SessionProcessMiddleware needs request.session: put it after "
            "'django.contrib.sessions.middleware.SessionMiddleware' in MIDDLEWARE"
        )
    end_on_flush(session)
    request.session_id = _lazy(_id, request)
    request.session_process = _lazy(_process, request)
    request.asession_process = MethodType(_aprocess, request)


class Lazy(SimpleLazyObject):
    """Django's, as ``_lazy`` makes it."""

    _wrapped = empty


Lazy.__name__ = SimpleLazyObject.__name__  # which its repr shows, in debug pages and logs


def _lazy(make: Callable[[Any], Any], request: Any) -> Lazy:
    """Return a lazy object in a quarter of the time that Django takes: every request gets two, and may use none."""
    lazy: Lazy = _new(Lazy)
    _set(lazy, "_setupfunc", MethodType(make, request))
    return lazy


def _id(request: HttpRequest) -> str:
    return get_id(request.session)


def _process(request: HttpRequest) -> SessionRef:
    id = get_id(request.session)
    return sessions.get_or_start(id) if sessions.config.auto_start else sessions.ref(id)


async def _aprocess(request: Any) -> SessionRef:
    id = await aget_id(request.session)
    ref = await sessions.aget_or_start(id) if sessions.config.auto_start else sessions.ref(id)
    request.session_process = ref  # from here on templates have it without waiting
    return ref


def unavailable(retry_after: int) -> HttpResponse:
    """Return the 503 that asks to come back in so many seconds."""
    return HttpResponse(
        "The server cannot answer at the moment, please try again shortly.\n",
        status=503,
        content_type="text/plain; charset=utf-8",
        headers={"Retry-After": str(retry_after)},
    )
