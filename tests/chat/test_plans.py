"""Every statement finds what it needs in an index, with 100,000 messages on PostgreSQL."""

import datetime
import json

import pytest
from django.db import connections

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.ids import shard_of
from phoenix_sessions.contrib.chat.storage.connection import now
from phoenix_sessions.contrib.chat.storage.retention import remove_messages
from phoenix_sessions.contrib.chat.types import Draft

CONVERSATIONS, MESSAGES = 20_000, 5
INDEXES = {f"phoenix_chat_{name}" for name in ("message_pkey", "order", "once", "sent")}

FILL = [
    """INSERT INTO phoenix_chat_participant (id, kind, display_name, status, metadata, created_at)
    SELECT 'user:' || n, 'user', '', 'active', '{}', now() FROM generate_series(1, %(conversations)s) n""",
    """INSERT INTO phoenix_chat_conversation
        (id, kind, status, title, metadata, last_seq, last_message_at, created_at, shard_key)
    SELECT lpad(n::text, 26, '0'), 'human_dm', 'open', '', '{}', %(messages)s, now(), now(),
        CASE n WHEN 7 THEN %(shard)s ELSE n %% 1024 END
    FROM generate_series(1, %(conversations)s) n""",
    """INSERT INTO phoenix_chat_membership
        (conversation_id, participant_id, role, last_read_seq, delivered_seq, joined_at)
    SELECT lpad(n::text, 26, '0'), sender, 'owner', 2, 0, now()
    FROM generate_series(1, %(conversations)s) n,
    LATERAL unnest(ARRAY['user:alice', 'user:' || n]) AS sender WHERE n <= 200 OR sender <> 'user:alice'""",
    """INSERT INTO phoenix_chat_message
        (id, conversation_id, seq, sender_id, kind, content, metadata, client_id, created_at, shard_key)
    SELECT lpad((n * 10 + seq)::text, 26, 'M'), lpad(n::text, 26, '0'), seq,
        CASE WHEN seq %% 2 = 0 AND n <= 200 THEN 'user:alice' ELSE 'user:' || n END,
        'text', '{"text": "hello"}', '{}', seq::text, now(),
        CASE n WHEN 7 THEN %(shard)s ELSE n %% 1024 END
    FROM generate_series(1, %(conversations)s) n, generate_series(1, %(messages)s) seq""",
    "VACUUM ANALYZE phoenix_chat_participant, phoenix_chat_conversation, phoenix_chat_membership, phoenix_chat_message",
]


@pytest.fixture
def full(chat_on_server):
    """A conversation among twenty thousand."""
    one = f"{7:026}"
    with connections[chat_on_server.alias].cursor() as cursor:
        for statement in FILL:
            values = {"conversations": CONVERSATIONS, "messages": MESSAGES, "shard": shard_of(one)}
            cursor.execute(statement, values)
    return one


def plans(alias, verb, *args, **kwargs):
    """Run a verb, and return how the server does its statements: the steps, each with its table and its index."""
    connection = connections[alias]
    return [step for each in statements_of(connection, verb, *args, **kwargs) for step in explain(connection, *each)]


def statements_of(connection, verb, *args, **kwargs):
    """Run a verb, and return its statements about the chat's tables, with their values."""
    seen = []

    def note(execute, sql, params, many, context):
        if "phoenix_chat_" in sql:
            seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        verb(*args, **kwargs)
    assert seen
    return seen


def explain(connection, sql, params):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        (found,) = cursor.fetchone()
    return list(steps((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))


def steps(plan):
    yield plan["Node Type"], plan.get("Relation Name"), plan.get("Index Name")
    for below in plan.get("Plans", ()):
        yield from steps(below)


def verbs(where, message):
    drafts = [Draft(where, "user:7", {}, client_id="1"), Draft(where, "user:7", {})]
    return {
        "append": (storage.append_batch, [drafts], {}),
        "newest": (storage.history, [where, "user:7"], {}),
        "older": (storage.history, [where, "user:7"], {"before_seq": 4}),
        "missing": (storage.history, [where, "user:7"], {"after_seq": 2}),
        "find": (storage.find_message, [where, "user:7", message], {}),
        "edit": (storage.edit_message, [where, "user:7", message, {}], {}),
        "delete": (storage.delete_message, [where, "user:7", message], {}),
        "mark": (storage.mark_read, [where, "user:7"], {}),
        "inbox": (storage.inbox, ["user:7"], {}),
        "large inbox": (storage.inbox, ["user:alice"], {}),
        "members": (storage.list_members, [where, "user:7"], {}),
        "pair": (storage.create_conversation, ["user:7", ["user:8"]], {"once": True}),
        "deliveries": (storage.list_deliveries, ["user:7"], {}),
        "retention": (remove_messages, [now() + datetime.timedelta(days=1)], {"limit": 3}),
    }


def test_no_statement_reads_all_messages_memberships_or_conversations(chat_on_server, full):
    found = {
        (name, step)
        for name, (verb, args, kwargs) in verbs(full, f"{71:M>26}").items()
        for step in plans(chat_on_server.alias, verb, *args, **kwargs)
    }
    large = {f"phoenix_chat_{table}" for table in ("message", "membership", "conversation")}
    scans = [(name, step) for name, step in found if step[0] == "Seq Scan" and step[1] in large]
    # two hundred of twenty thousand conversations are read faster in a row than one by one
    assert [each for each in scans if each != ("large inbox", ("Seq Scan", "phoenix_chat_conversation", None))] == []
    used = {(name, index) for name, (_, _, index) in found if index in INDEXES}
    assert used == {
        ("append", "phoenix_chat_once"),
        ("append", "phoenix_chat_message_pkey"),
        ("newest", "phoenix_chat_order"),
        ("older", "phoenix_chat_order"),
        ("missing", "phoenix_chat_order"),
        ("find", "phoenix_chat_message_pkey"),
        ("edit", "phoenix_chat_message_pkey"),
        ("delete", "phoenix_chat_message_pkey"),
        ("inbox", "phoenix_chat_order"),
        ("inbox", "phoenix_chat_sent"),
        ("large inbox", "phoenix_chat_order"),
        ("large inbox", "phoenix_chat_sent"),
        ("retention", "phoenix_chat_message_pkey"),
        ("retention", "phoenix_chat_order"),
    }  # no other, though most conversations are small: some are not
    unread = [item.unread for item in storage.inbox("user:alice", limit=200).items]
    assert unread == [3, *[2] * 199]  # one has got another message meanwhile
