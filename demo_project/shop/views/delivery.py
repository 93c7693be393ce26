"""The delivery page: ask the courier, or take the question back."""

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from phoenix_sessions import ReducerError
from phoenix_sessions.decorators import ensure_session_process

from ..actions import Parcel
from ..catalog import money
from ..courier import TOWNS
from ..delivery import CANCEL_REF
from .answers import done, refused

META = {"cancel_ref": CANCEL_REF}


@require_safe
@never_cache
@ensure_session_process
def delivery(request: HttpRequest) -> HttpResponse:
    """Show what the courier has said."""
    return render(request, "shop/delivery.html", {**_known(request), "towns": TOWNS})


@require_safe
@never_cache
@ensure_session_process
def quote(request: HttpRequest) -> HttpResponse:
    """Return the part of the page that shows the answer, for its script."""
    return render(request, "shop/quote.html", _known(request))


@require_safe
@never_cache
@ensure_session_process
def board(request: HttpRequest) -> HttpResponse:
    """Return the part of the page that shows the next vans, for its script."""
    return render(request, "shop/board.html", _known(request))


@require_POST
@ensure_session_process
async def ask(request: HttpRequest) -> HttpResponse:
    """Ask the courier; the answer comes when it comes, and an earlier question is dropped."""
    ref = await request.asession_process()
    town = request.POST.get("town", "")
    try:
        await ref.adispatch("delivery.ask", {"town": town}, meta=META)
    except ReducerError as error:
        return refused(str(error.__cause__))
    await ref.adispatch_async("delivery.ask", Parcel(town=town), meta=META)
    return await sync_to_async(done)(request, "delivery")


@require_POST
@ensure_session_process
def cancel(request: HttpRequest) -> HttpResponse:
    """Take the question back: an action with the question's reference ends its effect."""
    request.session_process.dispatch("delivery.cancel", meta=META)
    return done(request, "delivery")


def _known(request: HttpRequest) -> dict[str, object]:
    known = request.session_process.get_state("delivery")
    return {"delivery": known, "price": money(known["cents"])}
