"""The pages that the http group asks for: the same work on the state of a process, and in a Django session."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from .floors import cart, count_of, counter


def in_process(request: Any) -> HttpResponse:
    """Count in the visitor's session process."""
    process = request.session_process
    process.dispatch("counter.add", 1)
    return HttpResponse(str(process.select_state(count_of)))


def in_session(request: HttpRequest) -> HttpResponse:
    """Count in the visitor's Django session, which holds the same two slices."""
    session = request.session
    if "counter" not in session:
        session["counter"], session["cart"] = counter.init_state(), cart.init_state()
    slice_ = session["counter"]
    session["counter"] = {**slice_, "count": slice_["count"] + 1}
    return HttpResponse(str(session["counter"]["count"]))


def untouched(request: HttpRequest) -> HttpResponse:
    """Answer without any session."""
    return HttpResponse("ok")


urlpatterns = [path("process", in_process), path("session", in_session), path("untouched", untouched)]
