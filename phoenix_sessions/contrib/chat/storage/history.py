"""What was said."""

from __future__ import annotations

from typing import Any

from ..errors import invalid, not_found
from ..ids import shard_of
from ..types import HistoryPage, Message
from . import access, checks, rows, statements
from .access import is_id
from .connection import Database, reading


def history(
    conversation: str,
    viewer: str | None,
    *,
    after_seq: int | None = None,
    before_seq: int | None = None,
    limit: int | None = None,
) -> HistoryPage:
    """Return a page, ascending: the newest, the last before ``before_seq``, or the first after ``after_seq``.

    Args:
        conversation: Where.
        viewer: Who asks.
        after_seq: Only later messages, from there on; 0 = from the first.
        before_seq: Only earlier messages.
        limit: How many, at most (count).

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``invalid``, ``unavailable``.
    """
    count = checks.limit(limit)
    lowest = _seq("after_seq", after_seq, 0)
    highest = _seq("before_seq", before_seq, 1)
    with reading() as database:
        last_seq = access.seen(database, conversation, viewer).last_seq
        end = last_seq + 1 if highest is None else min(highest, last_seq + 1)
        statement = statements.NEWEST if lowest is None else statements.OLDEST
        place = shard_of(conversation), conversation
        found = database.rows(statement, [*place, lowest or 0, end, count])
        messages = tuple(map(rows.message, found if lowest is not None else reversed(found)))
        first, last = (messages[0].seq, messages[-1].seq) if messages else _between(lowest, end, last_seq)
        earlier = first > 1 and database.rows(statements.EARLIER, [*place, first])
    return HistoryPage(messages, last_seq, more_before=bool(earlier), more_after=last < last_seq)


def find_message(conversation: str, viewer: str | None, id: str) -> Message:
    """Return one message.

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``unavailable``.
    """
    with reading() as database:
        access.seen(database, conversation, viewer)
        return message_of(database, conversation, id)


def message_of(database: Database, conversation: str, id: str) -> Message:
    """Return one message of a conversation.

    Raises:
        ChatError: ``not_found``.
    """
    found = database.rows(statements.ONE, [shard_of(conversation), id, conversation]) if is_id(id) else []
    if not found:
        raise not_found("message", id)
    return rows.message(found[0])


def _between(lowest: int | None, end: int, last_seq: int) -> tuple[int, int]:
    """Return what would be the first and the last of an empty page, the last before the first."""
    first = end if lowest is None else min(lowest, last_seq) + 1
    return first, first - 1


def _seq(field: str, value: Any, least: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        raise invalid(**{field: f"must be a whole number from {least}"})
    return value
