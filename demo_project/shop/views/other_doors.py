"""The same session by other doors: a cart with htmx, and the counter over server-sent events.

Under WSGI there are neither sockets nor streams. Then the pages come without scripts, and their forms are posted.
"""

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from phoenix_sessions.decorators import ensure_session_process
from phoenix_sessions.views import SessionEventStream

from .. import selectors
from ..catalog import PRODUCTS


@require_safe
@never_cache
@ensure_session_process
def htmx(request: HttpRequest) -> HttpResponse:
    """Show the cart that htmx keeps current, and say to the socket where this paint stands."""
    painted = request.session_process.look()
    context = {
        "live": isinstance(request, ASGIRequest),
        "products": PRODUCTS.values(),
        "painted": painted,
        "value": selectors.basket(painted.state),
    }
    return render(request, "shop/htmx.html", context)


@require_safe
@never_cache
@ensure_session_process
def events(request: HttpRequest) -> HttpResponse:
    """Show the counter that an EventSource keeps current."""
    return render(request, "shop/events.html", {"live": isinstance(request, ASGIRequest)})


class CounterEvents(SessionEventStream):
    """The stream of that page."""

    subscriptions = {"count": "counter.count", "size": selectors.size}
