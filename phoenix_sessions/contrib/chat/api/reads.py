"""How far somebody has read."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from ..gateway import gateway
from ..types import ReadMark
from .answers import answer
from .bodies import Body
from .callers import everybody, participant_of
from .documents import BODY, says

router = Router(tags=["read marks"], auth=everybody)


class NewMark(Body):
    """Up to which message the caller has read, null = the last."""

    seq: int | None = None


@router.post("/{conversation}/read", **says({200: ReadMark}, 404, *BODY))
async def mark_read(request: HttpRequest, conversation: str, body: NewMark | None = None) -> HttpResponse:
    """Mark what the caller has read; an earlier mark than there was changes nothing."""
    seq = None if body is None else body.seq
    return answer(await gateway.amark_read(conversation, participant_of(request), seq))
