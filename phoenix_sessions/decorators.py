"""A decorator for views that need a session process, where AUTO_START is off.

Rules:
    1. The session runs when the view begins: it is started, or with ``redirect_to`` the visitor is sent there first.
    2. Sync and async views alike; class-based ones by Django's ``method_decorator``.
    3. A limit that is reached becomes 503 with Retry-After, by the middleware.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, QueryDict
from django.shortcuts import redirect, resolve_url

from .identity import aget_id, get_id
from .manager import sessions
from .process import SessionProcess

View = TypeVar("View", bound=Callable[..., Any])


def ensure_session_process(
    view: View | None = None,
    *,
    process: type[SessionProcess] | None = None,
    args: Callable[[HttpRequest], Any] | None = None,
    redirect_to: str | None = None,
) -> Any:
    """Let a view begin only with a running session process, which is ``request.session_process`` there.

    Args:
        view: The view; left out when the decorator has arguments.
        process: The process class to start; default: the SESSION_PROCESS setting.
        args: Makes the ``args`` of ``init_state`` from the request.
        redirect_to: A URL or the name of one: visitors without a session are sent there, with the address that they
            asked for as ``next``, and nothing is started.
    """
    if view is None:
        return functools.partial(ensure_session_process, process=process, args=args, redirect_to=redirect_to)

    def sync_view(request: Any, *rest: Any, **kwargs: Any) -> Any:
        id = get_id(request.session)
        if redirect_to is not None and not sessions.started(id):
            return _redirect(request, redirect_to)
        request.session_process = sessions.get_or_start(id, process, None if args is None else args(request))
        return view(request, *rest, **kwargs)

    async def async_view(request: Any, *rest: Any, **kwargs: Any) -> Any:
        id = await aget_id(request.session)
        if redirect_to is not None and not await sessions.astarted(id):
            return _redirect(request, redirect_to)
        request.session_process = await sessions.aget_or_start(id, process, None if args is None else args(request))
        return await view(request, *rest, **kwargs)

    return functools.wraps(view)(async_view if iscoroutinefunction(view) else sync_view)


def _redirect(request: HttpRequest, to: str) -> Any:
    address = urlsplit(resolve_url(to))
    query = QueryDict(address.query, mutable=True)
    query["next"] = request.get_full_path()
    return redirect(address._replace(query=query.urlencode()).geturl())
