"""Rows as values."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

import msgspec

from ..kinds import ConversationKind, ConversationStatus, MessageKind, ParticipantKind, ParticipantStatus, Role
from ..models import ConversationRow, Membership, ParticipantRow
from ..types import Conversation, Member, Message, Participant


def message(row: Any) -> Message:
    """Return a row of a statement about messages."""
    id, conversation, seq, sender, kind, content, metadata, client_id, created, edited, deleted = row
    return Message(
        id=id,
        conversation=conversation,
        seq=seq,
        sender=sender,
        kind=MessageKind(kind),
        content=msgspec.json.decode(content),
        metadata=msgspec.json.decode(metadata),
        client_id=client_id,
        created_at=moment(created),
        edited_at=None if edited is None else moment(edited),
        deleted_at=None if deleted is None else moment(deleted),
    )


def moment(value: Any) -> datetime.datetime:
    """Return a moment of a row, in UTC: SQLite has texts, and knows no zone."""
    parsed = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    if parsed.tzinfo is None:
        return parsed.replace(tzinfo=datetime.UTC)
    utc: datetime.datetime = parsed.astimezone(datetime.UTC)
    return utc


def participant(row: ParticipantRow) -> Participant:
    """Return a participant."""
    return Participant(
        id=row.id,
        kind=ParticipantKind(row.kind),
        display_name=row.display_name,
        status=ParticipantStatus(row.status),
        metadata=row.metadata,
        created_at=moment(row.created_at),
    )


def conversation(row: ConversationRow, members: Iterable[Member] = ()) -> Conversation:
    """Return a conversation."""
    return Conversation(
        id=row.id,
        kind=ConversationKind(row.kind),
        status=ConversationStatus(row.status),
        title=row.title,
        metadata=row.metadata,
        last_seq=row.last_seq,
        last_message_at=None if row.last_message_at is None else moment(row.last_message_at),
        created_at=moment(row.created_at),
        members=tuple(members),
    )


def member(row: Membership) -> Member:
    """Return a member; the row comes with its participant."""
    return Member(
        participant=row.participant_id,
        kind=ParticipantKind(row.participant.kind),
        display_name=row.participant.display_name,
        role=Role(row.role),
        last_read_seq=row.last_read_seq,
        joined_at=moment(row.joined_at),
    )
