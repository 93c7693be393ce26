"""What became of what was sent to agents, and how far each has been given a conversation."""

from __future__ import annotations

from typing import Final

import msgspec

from ..endpoints import Delivery, DeliveryPage
from ..errors import invalid
from ..kinds import DeliveryStatus
from ..models import DeliveryLog
from . import access, checks, rows, statements
from .connection import now, reading, transaction

_ERROR_LENGTH: Final = 1000
_ENDING: Final = ("status", "http_status", "latency_ms", "error")


def log_delivery(delivery: Delivery) -> Delivery:
    """Log a try, and return it with its place and moment; a text that is too long is cut.

    Args:
        delivery: The try; one that has its place already is logged as it is now, unless it was removed meanwhile.

    Raises:
        ChatError: ``unavailable``.
    """
    values = {
        **msgspec.structs.asdict(delivery),
        "status": delivery.status.value,
        "error": delivery.error.replace("\0", "").encode(errors="replace").decode()[:_ERROR_LENGTH],
        "created_at": delivery.created_at or now(),
    }
    row = DeliveryLog(
        agent_id=values.pop("agent"),
        conversation_id=values.pop("conversation"),
        **{**values, "id": delivery.id or None},
    )
    with transaction() as database:
        if delivery.id:
            changed = {name: getattr(row, name) for name in _ENDING}
            DeliveryLog.objects.using(database.alias).filter(id=delivery.id).update(**changed)
        else:
            row.save(using=database.alias, force_insert=True)
    return _delivery(row)


def list_deliveries(agent: str, *, cursor: str | None = None, limit: int | None = None) -> DeliveryPage:
    """Return a page of tries, the last first.

    Args:
        agent: Whose.
        cursor: From the page before, None = from the last on.
        limit: How many, at most (count).

    Raises:
        ChatError: ``invalid``, ``unavailable``.
    """
    count = checks.limit(limit)
    checks.participant_id(agent, "agent")
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise invalid(cursor="must be that of a page before")
    with reading() as database:
        query = DeliveryLog.objects.using(database.alias).filter(agent=agent)
        if cursor is not None:
            query = query.filter(id__lt=int(cursor))
        found = list(query.order_by("-id")[: count + 1])
    page = tuple(map(_delivery, found[:count]))
    return DeliveryPage(page, str(page[-1].id) if len(found) > count else None)


def tries_in(conversation: str, agent: str, limit: int) -> tuple[Delivery, ...]:
    """Return what was tried to be delivered in a conversation, the last first.

    Args:
        conversation: Where.
        agent: Whose.
        limit: How many tries, at most (count).

    Raises:
        ChatError: ``unavailable``.
    """
    with reading() as database:
        query = DeliveryLog.objects.using(database.alias).filter(conversation=conversation, agent=agent)
        return tuple(map(_delivery, query.order_by("-id")[:limit]))


def mark_delivered(conversation: str, agent: str, seq: int) -> bool:
    """Say that an agent was given everything up to a message, and return whether that is further than before.

    Raises:
        ChatError: ``unavailable``.
    """
    with transaction() as database:
        return database.write(statements.MARK_DELIVERED, [seq, conversation, agent, seq]) == 1


def delivered_seq(conversation: str, agent: str) -> int:
    """Return up to which message an agent was given a conversation, 0 = nothing.

    Raises:
        ChatError: ``unauthorized`` if it is no member, ``unavailable``.
    """
    with reading() as database:
        seq: int = access.membership_of(database, conversation, agent).delivered_seq
        return seq


def _delivery(row: DeliveryLog) -> Delivery:
    return Delivery(
        agent=row.agent_id,
        conversation=row.conversation_id,
        webhook_id=row.webhook_id,
        last_seq=row.last_seq,
        attempt=row.attempt,
        status=DeliveryStatus(row.status),
        http_status=row.http_status,
        latency_ms=row.latency_ms,
        error=row.error,
        created_at=rows.moment(row.created_at),
        id=row.id,
    )
