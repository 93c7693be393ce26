"""Who is in a conversation."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from ..gateway import gateway
from ..kinds import Role
from ..types import Conversation
from .answers import answer, nothing
from .bodies import Body
from .callers import everybody, participant_of
from .documents import BODY, says

router = Router(tags=["members"], auth=everybody)


class NewMember(Body):
    """Who is let into a group."""

    participant: str
    role: Annotated[Role, Field(strict=False)] = Role.MEMBER


@router.post("/{conversation}/members", **says({200: Conversation}, 404, 409, *BODY))
async def add_member(request: HttpRequest, conversation: str, body: NewMember) -> HttpResponse:
    """Let somebody into a group; who is there already stays as it is."""
    viewer = participant_of(request)
    return answer(await gateway.aadd_member(conversation, viewer, body.participant, body.role))


@router.delete("/{conversation}/members/{participant}", **says({204: None}, 404))
async def remove_member(request: HttpRequest, conversation: str, participant: str) -> HttpResponse:
    """Take somebody out of a group; everybody may leave."""
    await gateway.aremove_member(conversation, participant_of(request), participant)
    return nothing()
