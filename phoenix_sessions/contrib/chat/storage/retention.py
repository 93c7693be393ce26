"""What is too old is removed: messages, and the log of deliveries.

Rules:
    1. Messages go from a conversation's beginning, so that those that stay have no hole between them. ``last_seq`` and
       the places of those that stay are as before: history begins later, and says that there is nothing before.
    2. A conversation's last message keeps its place, as a deleted one: it says nothing any more.
    3. What is gone counts as read by everybody, and as given to agents; unread counts what can be read.
    4. One call is one transaction of a bounded size, which holds its conversations as an append does.
    5. A repeat of a message that is gone is a new message: its ``client_id`` went with it.
    6. Messages are found by their ids, which are in the order of time: what there is to do costs, not what stays.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ..models import DeliveryLog
from . import rows
from .connection import Database, now, reading, transaction
from .statements import listed

_OLD: Final = """
SELECT id, conversation_id, shard_key, seq, deleted_at FROM phoenix_chat_message
WHERE id > %s AND id < %s AND created_at < %s ORDER BY id LIMIT %s
"""

_COLUMNS: Final = {"id": "text", "shard": "smallint", "seq": "bigint"}
_ENDS: Final = {engine: listed(_COLUMNS, postgresql=engine == "postgresql") for engine in ("postgresql", "sqlite")}

_LAST: Final = """
SELECT id, last_seq FROM phoenix_chat_conversation WHERE id IN (SELECT v.id FROM {ends}) ORDER BY id {lock}
"""

_REMOVE: Final = {
    "postgresql": """
DELETE FROM phoenix_chat_message m USING {ends}
WHERE m.shard_key = v.shard AND m.conversation_id = v.id AND m.seq > 0 AND m.seq <= v.seq
""",
    "sqlite": """
DELETE FROM phoenix_chat_message WHERE id IN (
    SELECT m.id FROM {ends} JOIN phoenix_chat_message m
    ON m.shard_key = v.shard AND m.conversation_id = v.id AND m.seq > 0 AND m.seq <= v.seq)
""",
}

_EMPTY: Final = """
UPDATE phoenix_chat_message SET content = '{}', metadata = '{}', deleted_at = %s
WHERE shard_key = %s AND id = %s AND deleted_at IS NULL
"""

_MARK: Final = """
UPDATE phoenix_chat_membership SET
    last_read_seq = CASE WHEN last_read_seq < v.seq THEN v.seq ELSE last_read_seq END,
    delivered_seq = CASE WHEN delivered_seq < v.seq THEN v.seq ELSE delivered_seq END
FROM {ends} WHERE conversation_id = v.id AND (last_read_seq < v.seq OR delivered_seq < v.seq)
"""

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Removed(NamedTuple):
    """What one call did.

    Attributes:
        removed: How many were removed (count).
        emptied: How many kept their place, and nothing else (count).
        cursor: Where the next call begins, None = it is done.
    """

    removed: int
    emptied: int
    cursor: str | None


class _Old(NamedTuple):
    id: str
    conversation: str
    shard: int
    seq: int
    deleted_at: Any


def remove_messages(before: datetime.datetime, *, cursor: str = "", limit: int = 500, dry_run: bool = False) -> Removed:
    """Remove some of the messages that were stored before a moment.

    Args:
        before: The moment.
        cursor: From the call before, empty = from the oldest on.
        limit: How many, at most (count).
        dry_run: Whether they are counted, and stay.

    Raises:
        ChatError: ``unavailable``.
    """
    with reading() if dry_run else transaction() as database:
        values = [cursor, _id_of(before), database.moment(before), limit]
        found = [_Old(*row) for row in database.rows(_OLD, values)]
        last_seqs = _last_seqs(database, {each.conversation for each in found}, hold=not dry_run)
        going = [each for each in found if each.seq != last_seqs.get(each.conversation)]
        last = [each for each in found if each.seq == last_seqs.get(each.conversation) and each.deleted_at is None]
        count = len(going)
        if not dry_run:
            count = _remove(database, going)
            _empty(database, last)
    return Removed(count, len(last), found[-1].id if len(found) == limit else None)


def remove_deliveries(
    before: datetime.datetime, *, cursor: str = "", limit: int = 500, dry_run: bool = False
) -> Removed:
    """Remove some of the tries to send something to agents that were made before a moment.

    Arguments and errors are those of ``remove_messages``.
    """
    with reading() if dry_run else transaction() as database:
        log = DeliveryLog.objects.using(database.alias)
        found = list(log.filter(id__gt=int(cursor or 0)).order_by("id").values_list("id", "created_at")[:limit])
        old = [id for id, at in found if rows.moment(at) < before]
        if old and not dry_run:
            log.filter(id__in=old).delete()
    return Removed(len(old), 0, str(found[-1][0]) if old and len(found) == limit else None)


def _last_seqs(database: Database, conversations: set[str], *, hold: bool) -> dict[str, int]:
    """Return the places of the last messages; ``hold`` holds the conversations until the transaction ends."""
    lock = "FOR NO KEY UPDATE" if hold and database.locks else ""
    statement = _LAST.format(ends=_ENDS[database.engine], lock=lock)
    return dict(database.rows(statement, _json([{"id": id} for id in conversations])))


def _remove(database: Database, going: Sequence[_Old]) -> int:
    ends: dict[tuple[str, int], int] = {}
    for each in going:
        place = each.conversation, each.shard
        ends[place] = max(each.seq, ends.get(place, 0))
    upto = _json([{"id": id, "shard": shard, "seq": seq} for (id, shard), seq in ends.items()])
    database.write(_MARK.format(ends=_ENDS[database.engine]), upto)
    return database.write(_REMOVE[database.engine].format(ends=_ENDS[database.engine]), upto)


def _empty(database: Database, last: Sequence[_Old]) -> None:
    at = database.moment(now())
    for each in last:
        database.write(_EMPTY, [at, each.shard, each.id])


def _id_of(moment: datetime.datetime) -> str:
    """Return what the ids that are made from a moment on are not less than."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return "".join(_DIGITS[milliseconds >> shift & 31] for shift in range(45, -5, -5))


def _json(objects: list[dict[str, Any]]) -> list[Any]:
    return [msgspec.json.encode(objects).decode(), len(objects)]
