"""How a view answers a form: by the page again, or by a line of text for a script that has sent it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def done(request: HttpRequest, page: str) -> HttpResponse:
    """Answer that it was done: 204 for a script, which sees over its socket what has changed."""
    return redirect(page) if request.accepts("text/html") else HttpResponse(status=204)


def failed(request: HttpRequest, page: str, why: str) -> HttpResponse:
    """Answer that it could not be done, and nothing has changed."""
    if request.accepts("text/html"):
        messages.error(request, why)
        return redirect(page)
    return HttpResponse(why, status=409, content_type="text/plain; charset=utf-8")


def refused(why: str) -> HttpResponse:
    """Answer to what no page of ours sends."""
    return HttpResponse(f"The form is wrong: {why}\n", status=400, content_type="text/plain; charset=utf-8")
