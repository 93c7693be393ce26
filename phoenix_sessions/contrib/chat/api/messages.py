"""Messages."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from ..gateway import gateway
from ..kinds import MessageKind
from ..types import Draft, HistoryPage, Message
from .answers import answer
from .bodies import Body
from .callers import everybody, participant_of
from .documents import BODY, says

router = Router(tags=["messages"], auth=everybody)


class NewMessage(Body):
    """A message that is to be sent.

    Attributes:
        content: A JSON object.
        kind: What it is.
        metadata: Your own, a JSON object.
        client_id: What you call it, the same on every try: however often it is sent, it is stored once.
    """

    content: dict[str, Any]
    kind: Annotated[MessageKind, Field(strict=False)] = MessageKind.TEXT
    metadata: dict[str, Any] = {}
    client_id: str | None = None


class NewContent(Body):
    """What a message says from now on; metadata that is left out stays."""

    content: dict[str, Any]
    metadata: dict[str, Any] | None = None


@router.get("/{conversation}/messages", **says({200: HistoryPage}, 404))
async def list_messages(
    request: HttpRequest,
    conversation: str,
    after_seq: int | None = None,
    before_seq: int | None = None,
    limit: int | None = None,
) -> HttpResponse:
    """Return a page, ascending: the newest, the last before before_seq, or the first after after_seq."""
    page = await gateway.ahistory(
        conversation, participant_of(request), after_seq=after_seq, before_seq=before_seq, limit=limit
    )
    return answer(page)


@router.post("/{conversation}/messages", **says({201: Message, 200: Message}, 404, 409, 429, *BODY))
async def append_message(request: HttpRequest, conversation: str, body: NewMessage) -> HttpResponse:
    """Send a message: 201; 200 and the first one if it was stored under this client_id before."""
    draft = Draft(
        conversation,
        participant_of(request),
        body.content,
        kind=body.kind,
        metadata=body.metadata,
        client_id=body.client_id,
    )
    stored = await gateway.aappend(draft)
    return answer(stored.message, 200 if stored.repeat else 201)


@router.get("/{conversation}/messages/{message}", **says({200: Message}, 404))
async def show_message(request: HttpRequest, conversation: str, message: str) -> HttpResponse:
    """Return a message."""
    return answer(await gateway.amessage(conversation, participant_of(request), message))


@router.patch("/{conversation}/messages/{message}", **says({200: Message}, 404, 409, *BODY))
async def edit_message(request: HttpRequest, conversation: str, message: str, body: NewContent) -> HttpResponse:
    """Give a message of one's own another content."""
    viewer = participant_of(request)
    return answer(await gateway.aedit(conversation, viewer, message, body.content, body.metadata))


@router.delete("/{conversation}/messages/{message}", **says({200: Message}, 404))
async def delete_message(request: HttpRequest, conversation: str, message: str) -> HttpResponse:
    """Take away what a message says, and return what is left of it."""
    return answer(await gateway.adelete(conversation, participant_of(request), message))
