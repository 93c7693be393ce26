"""What whoever follows a conversation reads again.

Rules:
    1. The conversation is read first, and its messages up to there: none is missing among them.
    2. Old messages may be gone: what is there has no holes, but may begin late.
    3. Nothing here has the limits of pages: who asks bounds it.
"""

from __future__ import annotations

import msgspec

from ..errors import unauthorized
from ..ids import shard_of
from ..types import Conversation, Message
from . import access, rows, statements
from .connection import Database, reading
from .members import members_of


class Following(msgspec.Struct, frozen=True):
    """A part of a conversation, and who is in it.

    Attributes:
        conversation: With its members; ``last_seq`` is that of the last message that was looked for.
        messages: Ascending.
    """

    conversation: Conversation
    messages: tuple[Message, ...]


def read_newest(conversation: str, viewer: str | None, count: int) -> Following:
    """Return the newest messages.

    Args:
        conversation: Where.
        viewer: Who asks.
        count: How many, at most (count).

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``unavailable``.
    """
    with reading() as database:
        found = _seen(database, conversation, viewer)
        newest = database.rows(statements.NEWEST, [shard_of(conversation), conversation, 0, found.last_seq + 1, count])
    return Following(found, tuple(map(rows.message, reversed(newest))))


def read_after(conversation: str, viewer: str | None, seq: int, count: int) -> Following:
    """Return the first messages after a place; arguments and errors are those of ``read_newest``."""
    with reading() as database:
        found = _seen(database, conversation, viewer)
        first = database.rows(statements.OLDEST, [shard_of(conversation), conversation, seq, found.last_seq + 1, count])
    return Following(found, tuple(map(rows.message, first)))


def _seen(database: Database, conversation: str, viewer: str | None) -> Conversation:
    """Return a conversation with its members.

    Raises:
        ChatError: ``unauthorized``, ``not_found``.
    """
    row = access.seen(database, conversation, viewer)
    members = members_of(database, conversation)
    if viewer is not None and all(member.participant != viewer for member in members):
        raise unauthorized()  # since a moment ago
    return rows.conversation(row, members)
