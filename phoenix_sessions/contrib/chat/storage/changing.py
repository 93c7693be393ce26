"""A message that is changed after it was sent.

Rules:
    1. Its place, its sender and its client_id stay.
    2. Only its sender edits it, while the conversation is open. Its sender deletes it at any time, and so does an owner
       of the group.
    3. What is deleted has no content any more, in the database neither.
    4. Each change of a message has a later moment than the one before, whatever the workers' clocks say: whoever hears
       of two in the wrong order knows which counts.
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from ..conf import get_config
from ..errors import ChatError
from ..kinds import ConversationKind, ParticipantStatus, Role
from ..types import Message
from . import access, checks, statements
from .connection import Database, now, transaction
from .history import message_of


def edit_message(
    conversation: str, viewer: str, id: str, content: dict[str, Any], metadata: dict[str, Any] | None = None
) -> Message:
    """Give a message another content.

    Args:
        conversation: Where.
        viewer: Its sender.
        id: Which.
        content: The new content.
        metadata: The new metadata, None = as it is.

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``forbidden``, ``closed``, ``disabled``, ``conflict`` if it was
            deleted, ``invalid``, ``too_large``, ``unavailable``.
    """
    encoded = checks.json_object("content", content, get_config().max_content_bytes)
    given = None if metadata is None else checks.metadata(metadata)
    with transaction() as database:
        row = access.seen(database, conversation, viewer, lock=True)
        message = message_of(database, conversation, id)
        if message.sender != viewer:
            raise ChatError("forbidden", "only its sender may edit a message")
        access.must_be_open(row.status)
        _must_be_active(database, conversation, viewer)
        if message.deleted_at is not None:
            raise ChatError("conflict", "the message was deleted")
        at = _after(message)
        values = [encoded.text.decode(), None if given is None else given.text.decode(), database.moment(at)]
        database.write(statements.EDIT, [*values, row.shard_key, id])
    kept = message.metadata if given is None else given.value
    return msgspec.structs.replace(message, content=encoded.value, metadata=kept, edited_at=at)


def delete_message(conversation: str, viewer: str | None, id: str) -> Message:
    """Take away what a message says, and return what is left; one that was deleted before stays as it is.

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``forbidden``, ``disabled``, ``unavailable``.
    """
    with transaction() as database:
        row = access.seen(database, conversation, viewer, lock=True)
        message = message_of(database, conversation, id)
        if viewer is not None:
            role = _must_be_active(database, conversation, viewer)
            if message.sender != viewer and (row.kind != ConversationKind.GROUP or role != Role.OWNER):
                raise ChatError("forbidden", "only its sender or an owner of the group may delete a message")
        if message.deleted_at is not None:
            return message
        at = _after(message)
        database.write(statements.DELETE, [database.moment(at), row.shard_key, id])
    return msgspec.structs.replace(message, content={}, metadata={}, deleted_at=at)


def _after(message: Message) -> datetime.datetime:
    """Return this moment, or one after the last change if the clock says that this was earlier."""
    last = max(message.created_at, message.edited_at or message.created_at)
    return max(now(), last + datetime.timedelta(microseconds=1))


def _must_be_active(database: Database, conversation: str, viewer: str) -> str:
    membership = access.membership_of(database, conversation, viewer)
    if membership.participant.status != ParticipantStatus.ACTIVE:
        raise access.disabled(viewer)
    role: str = membership.role
    return role
