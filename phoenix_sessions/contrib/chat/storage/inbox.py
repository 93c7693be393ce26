"""Somebody's conversations, those with the last activity first.

Rules:
    1. A page is one statement, and one more for who is in its DMs.
    2. Its cost grows with the number of the owner's conversations, not with their messages.
    3. Unread is ``last_seq`` less the mark, less what the owner has sent since: a count without a limit.
    4. Somebody who is in no conversation has an empty inbox, and so has somebody who does not exist.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from ..errors import invalid
from ..kinds import ConversationKind, ConversationStatus, MessageKind
from ..models import Membership
from ..types import Conversation, InboxItem, InboxPage, Member, Preview
from . import access, checks, rows, statements
from .connection import Database, reading


def inbox(
    participant: str, *, cursor: str | None = None, limit: int | None = None, archived: bool = False
) -> InboxPage:
    """Return a page of somebody's conversations, with what is unread and the last message.

    Args:
        participant: Whose.
        cursor: From the page before, None = from the last activity on.
        limit: How many, at most (count).
        archived: Whether those that were archived are in it too.

    Raises:
        ChatError: ``invalid``, ``unavailable``.
    """
    count = checks.limit(limit)
    checks.participant_id(participant, "participant")
    with reading() as database:
        values: list[Any] = [participant, int(archived)]
        if cursor is not None:
            at, id = _position(cursor)
            values += [database.moment(at), id]
        postgresql = database.engine == "postgresql"
        statement = statements.inbox(postgresql=postgresql, after=cursor is not None)
        found = database.rows(statement, [*values, count + 1])
        items = _items(database, found[:count])
    return InboxPage(items, _cursor(items[-1]) if len(found) > count else None)


def inbox_items(participant: str, conversations: Collection[str]) -> tuple[InboxItem, ...]:
    """Return some conversations as they are in somebody's inbox; those that are not in it are left out.

    Raises:
        ChatError: ``unavailable``.
    """
    with reading() as database:
        statement = statements.inbox(postgresql=database.engine == "postgresql", named=True)
        ids = [id for id in conversations if access.is_id(id)] if access.is_id(participant) else []
        found = database.rows(statement, [participant, 0, json.dumps(ids), len(ids)]) if ids else ()
        return _items(database, found)


def list_conversations(
    participant: str, *, cursor: str | None = None, limit: int | None = None, archived: bool = False
) -> tuple[tuple[Conversation, ...], str | None]:
    """Return a page of somebody's conversations, and where the next one begins, None = this is the last.

    Arguments and errors are those of ``inbox``.
    """
    page = inbox(participant, cursor=cursor, limit=limit, archived=archived)
    return tuple(item.conversation for item in page.items), page.cursor


def _items(database: Database, found: Sequence[Any]) -> tuple[InboxItem, ...]:
    members = _members(database, [row[0] for row in found if row[1] != ConversationKind.GROUP])
    return tuple(_item(row, members.get(row[0], ())) for row in found)


def _members(database: Database, ids: list[str]) -> dict[str, tuple[Member, ...]]:
    if not ids:
        return {}
    found = Membership.objects.using(database.alias).filter(conversation__in=ids)
    members: dict[str, tuple[Member, ...]] = {}
    for row in found.select_related("participant").order_by("participant_id"):
        members[row.conversation_id] = (*members.get(row.conversation_id, ()), rows.member(row))
    return members


def _item(row: Any, members: Iterable[Member]) -> InboxItem:
    id, kind, status, title, metadata, last_seq, last_at, created_at, active_at, last_read, unread, *last = row
    conversation = Conversation(
        id=id,
        kind=ConversationKind(kind),
        status=ConversationStatus(status),
        title=title,
        metadata=msgspec.json.decode(metadata),
        last_seq=last_seq,
        last_message_at=None if last_at is None else rows.moment(last_at),
        created_at=rows.moment(created_at),
        members=tuple(members),
    )
    return InboxItem(
        conversation=conversation,
        unread=unread,
        last_read_seq=last_read,
        last_message=_preview(last_seq, *last) if last_seq else None,
        active_at=rows.moment(active_at),
    )


def _preview(seq: int, sender: str, kind: str, text: str | None, created_at: Any, deleted_at: Any) -> Preview:
    return Preview(
        seq=seq,
        sender=sender,
        kind=MessageKind(kind),
        text=text or "",
        created_at=rows.moment(created_at),
        deleted=deleted_at is not None,
    )


def _cursor(item: InboxItem) -> str:
    return f"{item.active_at.isoformat()}/{item.conversation.id}"


def _position(cursor: Any) -> tuple[datetime.datetime, str]:
    try:
        moment, _, id = cursor.partition("/")
        at = datetime.datetime.fromisoformat(moment)
        if at.tzinfo is not None and id and access.is_id(id):
            return at.astimezone(datetime.UTC), id
    except (AttributeError, ValueError, OverflowError):
        pass
    raise invalid(cursor="must be that of a page before")
