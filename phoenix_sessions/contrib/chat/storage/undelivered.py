"""Which agents have not been given everything.

Rules:
    1. What is looked at in one go is bounded: the memberships of one agent, page by page, by the conversation's id.
"""

from __future__ import annotations

from ..kinds import ConversationKind, ParticipantStatus
from ..models import AgentEndpoint, Membership
from .connection import reading


def active_agents(after: str, limit: int) -> list[str]:
    """Return agents with an endpoint that is not disabled, by id.

    Args:
        after: Only those with a greater id; empty = from the first.
        limit: How many, at most (count).

    Raises:
        ChatError: ``unavailable``.
    """
    with reading() as database:
        endpoints = AgentEndpoint.objects.using(database.alias)
        found = endpoints.filter(status=ParticipantStatus.ACTIVE.value, agent__gt=after).order_by("agent")
        return list(found.values_list("agent", flat=True)[:limit])


def undelivered(agent: str, after: str, limit: int) -> tuple[list[str], str | None]:
    """Return conversations with an agent in which there is more than it was given.

    Args:
        agent: Who.
        after: Only conversations with a greater id; empty = from the first.
        limit: How many conversations are looked at, at most (count).

    Returns:
        The conversations' ids, and after which to go on, None = that was all.

    Raises:
        ChatError: ``unavailable``.
    """
    with reading() as database:
        memberships = Membership.objects.using(database.alias).filter(participant=agent, conversation__gt=after)
        fields = ("conversation", "delivered_seq", "conversation__last_seq", "conversation__kind")
        looked_at = list(memberships.order_by("conversation").values_list(*fields)[:limit])
    found = [id for id, seq, last_seq, kind in looked_at if seq < last_seq and kind == ConversationKind.AGENT_DM]
    return found, looked_at[-1][0] if len(looked_at) == limit else None
