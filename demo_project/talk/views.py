"""The chat's pages: who one is, and the chat itself, which its script fills."""

from django.contrib.auth.decorators import login_required
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from shop.views.accounts import welcome

from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.decorators import ensure_session_process

from .people import everybody, participant_of, personas


@require_safe
@never_cache
def who(request: HttpRequest) -> HttpResponse:
    """Ask who the visitor wants to be."""
    return render(request, "talk/who.html", {"personas": personas()})


@require_POST
@ensure_session_process
def be(request: HttpRequest) -> HttpResponse:
    """Log in as somebody whom anybody may be."""
    welcome(request, get_object_or_404(personas(), username=request.POST.get("name")))
    return redirect("talk")


@require_safe
@never_cache
@login_required(login_url="talk-who")
def talk(request: HttpRequest, conversation: str | None = None) -> HttpResponse:
    """Show the chat, with a conversation open if one is named."""
    me = participant_of(request.user)
    if conversation is not None:
        _must_be_member(conversation, me.id)
    start = {
        "me": {"id": me.id, "name": me.display_name},
        "conversation": conversation,
        "people": everybody(),
        "urls": {"talk": reverse("talk"), "people": reverse("talk-people"), "chat": "/chat/"},
    }
    return render(request, "talk/talk.html", {"start": start, "live": isinstance(request, ASGIRequest)})


@require_safe
@never_cache
@login_required(login_url="talk-who")
def people(request: HttpRequest) -> HttpResponse:
    """Return whom one may talk with; the chat's own API tells that to administrators only."""
    return JsonResponse({"people": everybody()})


def _must_be_member(conversation: str, participant: str) -> None:
    """Answer 404 to whoever is no member, as if there were no such conversation."""
    try:
        gateway.show_conversation(conversation, participant)
    except ChatError as error:
        if error.code != "unauthorized":
            raise
        raise Http404 from error
