"""Participants."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import BaseModel, Field

from ..errors import ChatError
from ..gateway import gateway
from ..kinds import ParticipantKind, ParticipantStatus
from ..types import Participant
from .answers import answer
from .bodies import Body
from .callers import administrators, caller_of, everybody
from .documents import BODY, POSTED, model_of, says

router = Router(tags=["participants"], auth=administrators)


class NewParticipant(Body):
    """A participant that is to be made."""

    id: str
    kind: Annotated[ParticipantKind, Field(strict=False)] = ParticipantKind.USER
    display_name: str = ""
    metadata: dict[str, Any] = {}


class ParticipantChanges(Body):
    """What a participant is to be from now on; what is left out stays."""

    display_name: str = ""
    metadata: dict[str, Any] = {}


class Participants(BaseModel):
    """A page of participants, by id."""

    participants: list[model_of(Participant)]  # type: ignore[valid-type]
    cursor: str | None


@router.get("", **says({200: Participants}))
async def list_participants(
    request: HttpRequest,
    kind: ParticipantKind | None = None,
    status: ParticipantStatus | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> HttpResponse:
    """Return a page of participants, by id; the cursor is where the next one begins, null = this is the last."""
    found = await gateway.alist_participants(kind=kind, status=status, cursor=cursor, limit=limit)
    more = await gateway.alist_participants(kind=kind, status=status, cursor=found[-1].id, limit=1) if found else ()
    return answer({"participants": found, "cursor": found[-1].id if more else None})


@router.post("", **says({201: Participant}, 409, *BODY))
async def create_participant(request: HttpRequest, body: NewParticipant) -> HttpResponse:
    """Make a participant, under an id of your own such as user:alice."""
    made = await gateway.acreate_participant(body.id, body.kind, body.display_name, body.metadata)
    return answer(made, 201)


@router.get("/{participant}", auth=everybody, **says({200: Participant}, 404))
async def show_participant(request: HttpRequest, participant: str) -> HttpResponse:
    """Return a participant; whoever does not administer sees itself only."""
    caller = caller_of(request)
    if participant != caller.participant and not caller.admin:
        raise ChatError("forbidden", "only the site's administrators may see others here")
    return answer(await gateway.ashow_participant(participant))


@router.patch("/{participant}", **says({200: Participant}, 404, *BODY))
async def update_participant(request: HttpRequest, participant: str, body: ParticipantChanges) -> HttpResponse:
    """Change what is sent."""
    return answer(await gateway.aupdate_participant(participant, **body.given()))


@router.post("/{participant}/disable", **says({200: Participant}, 404, *POSTED))
async def disable_participant(request: HttpRequest, participant: str) -> HttpResponse:
    """Let a participant do nothing from now on."""
    return answer(await gateway.aset_participant_status(participant, ParticipantStatus.DISABLED))


@router.post("/{participant}/enable", **says({200: Participant}, 404, *POSTED))
async def enable_participant(request: HttpRequest, participant: str) -> HttpResponse:
    """Let a participant in again."""
    return answer(await gateway.aset_participant_status(participant, ParticipantStatus.ACTIVE))
