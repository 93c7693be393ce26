"""A conversation, shown and changed."""

from __future__ import annotations

from typing import Final

from ..kinds import ConversationStatus
from ..types import Conversation
from . import access, checks, rows
from .connection import reading, transaction
from .members import members_of

_ORDER: Final = list(ConversationStatus)


def show_conversation(id: str, viewer: str | None) -> Conversation:
    """Return a conversation with all its members.

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``unavailable``.
    """
    with reading() as database:
        row = access.seen(database, id, viewer)
        return rows.conversation(row, members_of(database, id))


def rename_conversation(id: str, viewer: str | None, title: str) -> Conversation:
    """Give a conversation another title.

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``forbidden``, ``disabled``, ``closed``, ``invalid``,
            ``unavailable``.
    """
    checks.text("title", title)
    with transaction() as database:
        row = access.managed(database, id, viewer)
        access.must_be_open(row.status)
        row.title = title
        row.save(using=database.alias, update_fields=["title"])
        return rows.conversation(row, members_of(database, id))


def close_conversation(id: str, viewer: str | None) -> Conversation:
    """End a conversation: it is read, and takes no more messages; one that is archived stays so.

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``forbidden``, ``disabled``, ``unavailable``.
    """
    return _advance(id, viewer, ConversationStatus.CLOSED)


def archive_conversation(id: str, viewer: str | None) -> Conversation:
    """End a conversation, and take it out of its members' inboxes.

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``forbidden``, ``disabled``, ``unavailable``.
    """
    return _advance(id, viewer, ConversationStatus.ARCHIVED)


def _advance(id: str, viewer: str | None, status: ConversationStatus) -> Conversation:
    with transaction() as database:
        row = access.managed(database, id, viewer)
        if _ORDER.index(status) > _ORDER.index(ConversationStatus(row.status)):
            row.status = status.value
            row.pair_key = None  # the pair's next conversation is a new one
            row.save(using=database.alias, update_fields=["status", "pair_key"])
        return rows.conversation(row, members_of(database, id))
