"""What is said to the database in its own words: appends, history and inboxes.

Rules:
    1. PostgreSQL and SQLite are told the same, but for the words that hold rows and that read JSON.
    2. A list is one value, JSON, which the database takes apart: it costs a client less than a place for each value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from .rows import MESSAGE

LOCK_TIMEOUT: Final = "SELECT set_config('lock_timeout', %s, true)"

_LOCKS: Final = ("", "FOR NO KEY UPDATE", "FOR NO KEY UPDATE SKIP LOCKED")

_PAIR: Final = {"conversation": "text", "sender": "text"}
_NEW: Final = {
    "id": "text",
    "conversation_id": "text",
    "seq": "bigint",
    "sender_id": "text",
    "kind": "text",
    "content": "jsonb",
    "metadata": "jsonb",
    "client_id": "text",
    "created_at": "timestamptz",
    "shard_key": "smallint",
}


class Appending(NamedTuple):
    """The statements of an append, for one engine; its values are a list of objects as JSON, and how many they are.

    Attributes:
        hold: Holds conversations, ``id``; waits for those that others hold.
        hold_free: Holds those that nobody else holds.
        senders: Finds memberships, ``conversation`` and ``sender``.
        named: Finds messages, ``conversation``, ``sender`` and ``client_id``.
        unnamed: Finds messages, ``id``.
        insert: Stores messages.
        advance: Moves conversations on, ``id``, ``seq`` and ``at``.
    """

    hold: str
    hold_free: str
    senders: str
    named: str
    unnamed: str
    insert: str
    advance: str


def _list(columns: Mapping[str, str], *, postgresql: bool) -> str:
    """Return the words that make a table ``v`` of a list of objects; LIMIT tells PostgreSQL how many to plan for."""
    if postgresql:
        kinds = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"(SELECT * FROM json_to_recordset(%s) AS each({kinds}) LIMIT %s) AS v"
    parts = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
    return f"(SELECT {parts} FROM json_each(%s) LIMIT %s) AS v"


def _appending(*, postgresql: bool) -> Appending:
    def given(**columns: str) -> str:
        return _list(columns, postgresql=postgresql)

    conversations = "SELECT id, status, last_seq, last_message_at FROM phoenix_chat_conversation"
    held = f"{conversations} WHERE id IN (SELECT v.id FROM {given(id='text')}) ORDER BY id"
    messages = f"SELECT {', '.join(f'm.{name}' for name in MESSAGE.split(', '))} FROM"
    return Appending(
        hold=f"{held} {_LOCKS[postgresql]}",
        hold_free=f"{held} {_LOCKS[2 * postgresql]}",
        senders=f"SELECT m.conversation_id, m.participant_id, p.status, p.kind FROM {given(**_PAIR)} "
        "JOIN phoenix_chat_membership m ON m.conversation_id = v.conversation AND m.participant_id = v.sender "
        "JOIN phoenix_chat_participant p ON p.id = m.participant_id",
        named=f"{messages} {given(**_PAIR, client_id='text')} JOIN phoenix_chat_message m "
        "ON m.conversation_id = v.conversation AND m.sender_id = v.sender AND m.client_id = v.client_id",
        unnamed=f"{messages} {given(id='text')} JOIN phoenix_chat_message m ON m.id = v.id",
        insert=f"INSERT INTO phoenix_chat_message ({', '.join(_NEW)}) "
        f"SELECT {', '.join(f'v.{name}' for name in _NEW)} FROM {given(**_NEW)}",
        advance="UPDATE phoenix_chat_conversation SET last_seq = v.seq, last_message_at = v.at "
        f"FROM {given(id='text', seq='bigint', at='timestamptz')} WHERE phoenix_chat_conversation.id = v.id",
    )


APPENDING: Final = {engine: _appending(postgresql=engine == "postgresql") for engine in ("postgresql", "sqlite")}

NEWEST: Final = f"""
SELECT {MESSAGE} FROM phoenix_chat_message
WHERE conversation_id = %s AND seq > %s AND seq < %s ORDER BY seq DESC LIMIT %s
"""

OLDEST: Final = f"""
SELECT {MESSAGE} FROM phoenix_chat_message
WHERE conversation_id = %s AND seq > %s AND seq < %s ORDER BY seq LIMIT %s
"""

EARLIER: Final = "SELECT 1 FROM phoenix_chat_message WHERE conversation_id = %s AND seq < %s LIMIT 1"

ONE: Final = f"SELECT {MESSAGE} FROM phoenix_chat_message WHERE id = %s AND conversation_id = %s"

EDIT: Final = "UPDATE phoenix_chat_message SET content = %s, metadata = %s, edited_at = %s WHERE id = %s"

DELETE: Final = "UPDATE phoenix_chat_message SET content = '{}', metadata = '{}', deleted_at = %s WHERE id = %s"

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
    preview = "left(last.content ->> 'text', 200)"
    if not postgresql:
        text = "json_extract(last.content, '$.text')"
        preview = f"CASE json_type(last.content, '$.text') WHEN 'text' THEN substr({text}, 1, 200) END"
    begin = "AND (coalesce(c.last_message_at, c.created_at), c.id) < (%s, %s)" if after else ""
    ids = f"AND c.id IN (SELECT value FROM json_{'array_elements_text' if postgresql else 'each'}(%s))" if named else ""
    return f"""
WITH page AS (
    SELECT c.id, c.kind, c.status, c.title, c.metadata, c.last_seq, c.last_message_at, c.created_at,
           coalesce(c.last_message_at, c.created_at) AS active_at, m.last_read_seq, m.participant_id
    FROM phoenix_chat_membership m JOIN phoenix_chat_conversation c ON c.id = m.conversation_id
    WHERE m.participant_id = %s AND (c.status <> 'archived' OR %s = 1) {begin} {ids}
    ORDER BY active_at DESC, c.id DESC LIMIT %s
)
SELECT page.id, page.kind, page.status, page.title, page.metadata, page.last_seq, page.last_message_at,
       page.created_at, page.active_at, page.last_read_seq,
       page.last_seq - page.last_read_seq - (
           SELECT count(*) FROM phoenix_chat_message own
           WHERE own.conversation_id = page.id AND own.sender_id = page.participant_id
               AND own.seq > page.last_read_seq AND own.seq <= page.last_seq),
       last.sender_id, last.kind, {preview}, last.created_at, last.deleted_at
FROM page LEFT JOIN phoenix_chat_message last ON last.conversation_id = page.id AND last.seq = page.last_seq
ORDER BY page.active_at DESC, page.id DESC
"""
