"""Time travel: the history of the visitor's session, and the forms that go back and forth in it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from phoenix_sessions import VersionNotFound
from phoenix_sessions.decorators import ensure_session_process

from ..delivery import CANCEL_REF
from ..past import moments
from .answers import done, failed, refused


@require_safe
@never_cache
@ensure_session_process
def history(request: HttpRequest) -> HttpResponse:
    """Return the part of the counter page that shows the history, for its script."""
    return render(request, "shop/history.html", {"moments": moments(request.session_process.history())})


@require_POST
@ensure_session_process
def travel(request: HttpRequest) -> HttpResponse:
    """Go to a version, or one step back or forth: in the visitor's own session, whatever the form says."""
    ref, to = request.session_process, request.POST.get("to", "")
    try:
        if to in ("undo", "redo"):
            ref.undo() if to == "undo" else ref.redo()
        elif to.isascii() and to.isdecimal() and len(to) < 10:
            ref.travel_to(int(to))
        else:
            return refused("there is no such way to travel")
        ref.dispatch("delivery.drop", meta={"cancel_ref": CANCEL_REF})  # effects do not travel
    except VersionNotFound:
        missing = {"undo": "There is nothing to undo.", "redo": "There is nothing to redo."}
        return failed(request, "counter", missing.get(to, f"Version {to} is not kept any more."))
    return done(request, "counter")
