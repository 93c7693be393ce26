"""What is said to the database in its own words: appends, history and inboxes.

Rules:
    1. PostgreSQL and SQLite are told the same, but for the words that hold rows and that read JSON.
    2. A list is one value, JSON, which the database takes apart: it costs a client less than a place for each value.
    3. ``seq > 0`` and ``sender_id > ''`` are true of every message: they are said where the index of the order, or of
       what somebody has sent, is to be used, and nowhere else. ``models.messages`` says why.
    4. Whatever is asked of messages names their ``shard_key``, which is their conversation's: if they are partitioned
       by it, one partition is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

_MESSAGE: Final = (
    "m.id, m.conversation_id, m.seq, m.sender_id, m.kind, CAST(m.content AS text), CAST(m.metadata AS text), "
    "m.client_id, m.created_at, m.edited_at, m.deleted_at"
)
"""What ``rows.message`` reads."""

_ASKED: Final = {"conversation": "text", "shard": "smallint", "sender": "text", "client_id": "text", "id": "text"}
_ENDS: Final = {"id": "text", "seq": "bigint", "at": "timestamptz"}
_NEW: Final = {
    "id": "text",
    "conversation_id": "text",
    "seq": "bigint",
    "sender_id": "text",
    "kind": "text",
    "content": "json",
    "metadata": "json",
    "client_id": "text",
    "created_at": "timestamptz",
    "shard_key": "smallint",
}


class Appending(NamedTuple):
    """The statements of an append, for one engine; its values are a list of objects as JSON, and how many they are.

    Attributes:
        hold: Holds conversations, ``id``; waits for those that others hold. On PostgreSQL its first value says for how
            long, such as ``1000ms``, None = as long as the database would.
        hold_free: Holds those that nobody else holds.
        ask: Finds who the senders are, and the id of what is stored already: ``conversation``, ``shard``, ``sender``,
            and ``client_id`` or ``id``.
        stored: Finds messages, ``id`` and ``shard``.
        advance: Moves conversations on, ``id``, ``seq`` and ``at``; empty if ``insert`` does both.
        insert: Stores messages; on PostgreSQL it takes the values of ``advance`` first.
    """

    hold: str
    hold_free: str
    ask: str
    stored: str
    advance: str
    insert: str


def listed(columns: Mapping[str, str], *, postgresql: bool) -> str:
    """Return the words that make a table ``v`` of a list of objects; LIMIT tells PostgreSQL how many to plan for."""
    if postgresql:
        kinds = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"(SELECT * FROM json_to_recordset(%s) AS each({kinds}) LIMIT %s) AS v"
    parts = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
    return f"(SELECT {parts} FROM json_each(%s) LIMIT %s) AS v"


def _hold(*, postgresql: bool, skip: bool) -> str:
    """Return the words that hold conversations; the lock's timeout is set on the way, as a trip of its own costs."""
    patience = lock = ""
    if postgresql:
        patience = (
            "(SELECT set_config('lock_timeout', coalesce(%s, current_setting('lock_timeout')), true)) AS patience,"
        )
        lock = "FOR NO KEY UPDATE OF c SKIP LOCKED" if skip else "FOR NO KEY UPDATE OF c"
    return f"""
SELECT c.id, c.status, c.last_seq, c.last_message_at FROM {patience} phoenix_chat_conversation c
WHERE c.id IN (SELECT v.id FROM {listed({"id": "text"}, postgresql=postgresql)}) ORDER BY c.id {lock}
"""


def _ask(*, postgresql: bool) -> str:
    """Return the words that ask about drafts; as they are, each is looked for by itself, in one index."""
    return f"""
SELECT v.conversation, v.sender, p.status, p.kind, CASE WHEN v.client_id IS NULL
    THEN (SELECT m.id FROM phoenix_chat_message m WHERE m.shard_key = v.shard AND m.id = v.id)
    ELSE (SELECT m.id FROM phoenix_chat_message m WHERE m.shard_key = v.shard AND m.conversation_id = v.conversation
        AND m.sender_id = v.sender AND m.client_id = v.client_id) END
FROM {listed(_ASKED, postgresql=postgresql)}
LEFT JOIN phoenix_chat_membership s ON s.conversation_id = v.conversation AND s.participant_id = v.sender
LEFT JOIN phoenix_chat_participant p ON p.id = s.participant_id
"""


def _stored(*, postgresql: bool) -> str:
    given = listed({"id": "text", "shard": "smallint"}, postgresql=postgresql)
    one = "phoenix_chat_message m WHERE m.shard_key = v.shard AND m.id = v.id"
    if postgresql:
        return f"SELECT m.* FROM {given} CROSS JOIN LATERAL (SELECT {_MESSAGE} FROM {one} LIMIT 1) AS m"
    return f"SELECT {_MESSAGE} FROM {given} CROSS JOIN {one}"


def _appending(*, postgresql: bool) -> Appending:
    advance = f"""
UPDATE phoenix_chat_conversation SET last_seq = v.seq, last_message_at = v.at
FROM {listed(_ENDS, postgresql=postgresql)} WHERE phoenix_chat_conversation.id = v.id
"""
    insert = f"""
INSERT INTO phoenix_chat_message ({", ".join(_NEW)})
SELECT {", ".join(f"v.{name}" for name in _NEW)} FROM {listed(_NEW, postgresql=postgresql)}
"""
    return Appending(
        hold=_hold(postgresql=postgresql, skip=False),
        hold_free=_hold(postgresql=postgresql, skip=True),
        ask=_ask(postgresql=postgresql),
        stored=_stored(postgresql=postgresql),
        advance="" if postgresql else advance,
        insert=f"WITH moved AS ({advance}) {insert}" if postgresql else insert,
    )


APPENDING: Final = {engine: _appending(postgresql=engine == "postgresql") for engine in ("postgresql", "sqlite")}

_IN: Final = "m.shard_key = %s AND m.conversation_id = %s AND m.seq > 0"

NEWEST: Final = f"""
SELECT {_MESSAGE} FROM phoenix_chat_message m
WHERE {_IN} AND m.seq > %s AND m.seq < %s ORDER BY m.seq DESC LIMIT %s
"""

OLDEST: Final = f"""
SELECT {_MESSAGE} FROM phoenix_chat_message m
WHERE {_IN} AND m.seq > %s AND m.seq < %s ORDER BY m.seq LIMIT %s
"""

EARLIER: Final = f"SELECT 1 FROM phoenix_chat_message m WHERE {_IN} AND m.seq < %s ORDER BY m.seq DESC LIMIT 1"

ONE: Final = f"""
SELECT {_MESSAGE} FROM phoenix_chat_message m WHERE m.shard_key = %s AND m.id = %s AND m.conversation_id = %s
"""

EDIT: Final = """
UPDATE phoenix_chat_message SET content = %s, metadata = coalesce(%s, metadata), edited_at = %s
WHERE shard_key = %s AND id = %s
"""

DELETE: Final = """
UPDATE phoenix_chat_message SET content = '{}', metadata = '{}', deleted_at = %s WHERE shard_key = %s AND id = %s
"""

MARK: Final = """
UPDATE phoenix_chat_membership SET last_read_seq = %s
WHERE conversation_id = %s AND participant_id = %s AND last_read_seq < %s
"""

MARK_DELIVERED: Final = """
UPDATE phoenix_chat_membership SET delivered_seq = %s
WHERE conversation_id = %s AND participant_id = %s AND delivered_seq < %s
"""


def inbox(*, postgresql: bool, after: bool = False, named: bool = False) -> str:
    """Return the statement for a page of an inbox.

    The page is found first; what each of its conversations costs is one look for its last message and one for how many
    messages of the owner's are later than its mark, each in an index.

    Args:
        postgresql: Whether it is for PostgreSQL.
        after: Whether the page begins after a moment and an id.
        named: Whether it is only of some conversations, a list of ids as JSON.
    """
    if postgresql:
        kind, text = "json_typeof(last.content -> 'text')", "last.content ->> 'text'"
    else:
        kind, text = "json_type(last.content, '$.text')", "json_extract(last.content, '$.text')"
    preview = f"CASE WHEN {kind} IN ('string', 'text') THEN substr({text}, 1, 200) END"
    begin = "AND (coalesce(c.last_message_at, c.created_at), c.id) < (%s, %s)" if after else ""
    ids = f"AND c.id IN (SELECT value FROM json_{'array_elements_text' if postgresql else 'each'}(%s))" if named else ""
    return f"""
WITH page AS (
    SELECT c.id, c.shard_key, c.kind, c.status, c.title, CAST(c.metadata AS text) AS metadata, c.last_seq,
           c.last_message_at, c.created_at, coalesce(c.last_message_at, c.created_at) AS active_at,
           m.last_read_seq, m.participant_id
    FROM phoenix_chat_membership m JOIN phoenix_chat_conversation c ON c.id = m.conversation_id
    WHERE m.participant_id = %s AND (c.status <> 'archived' OR %s = 1) {begin} {ids}
    ORDER BY active_at DESC, c.id DESC LIMIT %s
)
SELECT page.id, page.kind, page.status, page.title, page.metadata, page.last_seq, page.last_message_at,
       page.created_at, page.active_at, page.last_read_seq,
       page.last_seq - page.last_read_seq - (
           SELECT count(*) FROM phoenix_chat_message own
           WHERE own.shard_key = page.shard_key AND own.conversation_id = page.id
               AND own.sender_id = page.participant_id AND own.sender_id > ''
               AND own.seq > page.last_read_seq AND own.seq <= page.last_seq),
       last.sender_id, last.kind, {preview}, last.created_at, last.deleted_at
FROM page LEFT JOIN phoenix_chat_message last
    ON last.shard_key = page.shard_key AND last.conversation_id = page.id AND last.seq = page.last_seq AND last.seq > 0
ORDER BY page.active_at DESC, page.id DESC
"""
