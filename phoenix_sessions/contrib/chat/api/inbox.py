"""The caller's inbox."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from ..gateway import gateway
from ..types import InboxPage
from .answers import answer
from .callers import everybody, participant_of
from .documents import says

router = Router(tags=["inbox"], auth=everybody)


@router.get("", **says({200: InboxPage}))
async def show_inbox(
    request: HttpRequest, cursor: str | None = None, limit: int | None = None, archived: bool = False
) -> HttpResponse:
    """Return a page of the caller's conversations with what is unread, those with the last activity first."""
    page = await gateway.ainbox(participant_of(request), cursor=cursor, limit=limit, archived=archived)
    return answer(page)
