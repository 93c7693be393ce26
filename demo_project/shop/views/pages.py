"""The pages, and the one view that all their buttons post to when there is no socket."""

from dataclasses import asdict
from typing import Final

import msgspec
from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from phoenix_sessions import ReducerError
from phoenix_sessions.decorators import ensure_session_process

from ..actions import ACTIONS, EFFECTS
from ..catalog import PRODUCTS
from ..facts import facts
from ..past import moments
from .answers import done, failed, refused

PAGES: Final = {"counter": "counter", "search": "search", "delivery": "delivery"}
"""Where the forms of a prefix are; the others are on the page of the cart."""

BLANK_LINE: Final = {"sku": "", "name": "", "quantity": "", "price": ""}
"""What the page's script makes new lines of."""


@require_safe
@never_cache
@ensure_session_process
def counter(request: HttpRequest) -> HttpResponse:
    """Show the counter, and what has led to it."""
    return render(request, "shop/counter.html", {"moments": moments(request.session_process.history())})


@require_safe
@never_cache
@ensure_session_process
def cart(request: HttpRequest) -> HttpResponse:
    """Show what is for sale and what is in the cart."""
    return render(request, "shop/cart.html", {"products": PRODUCTS.values(), "blank": BLANK_LINE})


@require_safe
@never_cache
@ensure_session_process
def search(request: HttpRequest) -> HttpResponse:
    """Show the search box and what the last search has found."""
    return render(request, "shop/search.html")


@require_safe
@never_cache
@ensure_session_process
def found(request: HttpRequest) -> HttpResponse:
    """Return the part of the search page that shows what was found, for its script."""
    return render(request, "shop/found.html")


@require_safe
@never_cache
@ensure_session_process
async def session(request: HttpRequest) -> HttpResponse:
    """Show the facts about the visitor's session."""
    ref = await request.asession_process()
    return await sync_to_async(render)(request, "shop/session.html", {"facts": await facts(ref)})


@require_safe
@never_cache
@ensure_session_process
async def session_facts(request: HttpRequest) -> HttpResponse:
    """Return the same facts as JSON, for the page that keeps them current."""
    return JsonResponse(asdict(await facts(await request.asession_process())))


@require_POST
@ensure_session_process
def act(request: HttpRequest, action: str, page: str | None = None) -> HttpResponse:
    """Dispatch what a form asks for, by the same tables as the socket, and show the page again."""
    page = page or PAGES.get(action.partition(".")[0], "cart")
    fields = {name: value for name, value in request.POST.items() if name != "csrfmiddlewaretoken"}
    try:
        if action in ACTIONS:
            request.session_process.dispatch(action, fields or None)
        elif action in EFFECTS:
            request.session_process.dispatch_async(action, fields or None)
        else:
            raise Http404(f"no form may ask for {action!r}")
    except ReducerError as error:
        why = str(error.__cause__)
        return refused(why) if isinstance(error.__cause__, msgspec.ValidationError) else failed(request, page, why)
    return done(request, page)
