"""Conversations."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import BaseModel

from ..gateway import gateway
from ..types import Conversation
from .answers import answer
from .bodies import Body
from .callers import everybody, participant_of
from .documents import BODY, POSTED, model_of, says

router = Router(tags=["conversations"], auth=everybody)


class NewConversation(Body):
    """A conversation that is to be made, of whoever asks and the members.

    Attributes:
        members: Who else is in it, by id; not whoever asks.
        title: What it is called.
        metadata: Your own, a JSON object.
        group: Whether it is a group though it has no more than two members.
        once: Whether the pair's own conversation is wanted, if there is one.
    """

    members: list[str]
    title: str = ""
    metadata: dict[str, Any] = {}
    group: bool = False
    once: bool = False


class NewTitle(Body):
    """What a conversation is called from now on."""

    title: str


class Conversations(BaseModel):
    """A page of conversations, those with the last activity first."""

    conversations: list[model_of(Conversation)]  # type: ignore[valid-type]
    cursor: str | None


@router.post("", **says({201: Conversation, 200: Conversation}, 404, *BODY))
async def create_conversation(request: HttpRequest, body: NewConversation) -> HttpResponse:
    """Make a conversation: 201; with once, 200 and the pair's own if it is there already."""
    made = await gateway.acreate_conversation(
        participant_of(request),
        body.members,
        title=body.title,
        metadata=body.metadata,
        group=body.group,
        once=body.once,
    )
    return answer(made.conversation, 201 if made.new else 200)


@router.get("", **says({200: Conversations}))
async def list_conversations(
    request: HttpRequest, cursor: str | None = None, limit: int | None = None, archived: bool = False
) -> HttpResponse:
    """Return a page of the caller's conversations."""
    found, following = await gateway.alist_conversations(
        participant_of(request), cursor=cursor, limit=limit, archived=archived
    )
    return answer({"conversations": found, "cursor": following})


@router.get("/{conversation}", **says({200: Conversation}, 404))
async def show_conversation(request: HttpRequest, conversation: str) -> HttpResponse:
    """Return a conversation with its members."""
    return answer(await gateway.ashow_conversation(conversation, participant_of(request)))


@router.patch("/{conversation}", **says({200: Conversation}, 404, 409, *BODY))
async def rename_conversation(request: HttpRequest, conversation: str, body: NewTitle) -> HttpResponse:
    """Give a conversation another title."""
    return answer(await gateway.arename(conversation, participant_of(request), body.title))


@router.post("/{conversation}/close", **says({200: Conversation}, 404, *POSTED))
async def close_conversation(request: HttpRequest, conversation: str) -> HttpResponse:
    """End a conversation: it is read, and takes no more messages."""
    return answer(await gateway.aclose(conversation, participant_of(request)))


@router.post("/{conversation}/archive", **says({200: Conversation}, 404, *POSTED))
async def archive_conversation(request: HttpRequest, conversation: str) -> HttpResponse:
    """End a conversation, and take it out of its members' inboxes."""
    return answer(await gateway.aarchive(conversation, participant_of(request)))
