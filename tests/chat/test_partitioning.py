"""The SQL of the operations page makes partitions of the messages, and the chat is as before."""

import datetime
import json
import os
import re
from pathlib import Path

import psycopg
import pytest
from chat.conftest import SERVER
from chat.test_plans import statements_of
from django.core.management import call_command
from django.db import IntegrityError, connections
from django.db.transaction import atomic, set_rollback

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.ids import shard_of
from phoenix_sessions.contrib.chat.models import MessageRow
from phoenix_sessions.contrib.chat.storage.connection import now
from phoenix_sessions.contrib.chat.storage.retention import remove_messages
from phoenix_sessions.contrib.chat.types import Draft

PAGE = Path(__file__).resolve().parents[2] / "docs/chat/operations.md"


@pytest.fixture
def server_database(django_db_blocker):
    """The alias of a database of its own, which is to be partitioned."""
    name = f"phoenix_chat_partitions_{os.getpid()}"
    with psycopg.connect(**SERVER, dbname="postgres", autocommit=True) as postgres:
        postgres.execute(f"CREATE DATABASE {name}")
        connections.settings["chat-partitions"] = {
            **connections.settings["default"],
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "HOST": SERVER["host"],
            "PORT": str(SERVER["port"]),
            "USER": SERVER["user"],
        }
        with django_db_blocker.unblock():
            call_command("migrate", "phoenix_sessions_chat", database="chat-partitions", verbosity=0)
            yield "chat-partitions"
            connections["chat-partitions"].close()
        del connections["chat-partitions"], connections.settings["chat-partitions"]
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


def partition(alias):
    [sql] = re.findall(r"^```postgresql\n(BEGIN.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    connection = connections[alias]
    connection.ensure_connection()
    connection.connection.execute(sql)


def send(conversation, sender, *client_ids):
    drafts = [Draft(conversation, sender, {"text": each}, client_id=each) for each in client_ids]
    return storage.append_batch(drafts)


def test_a_partitioned_chat_is_as_before(chat_on_server):
    chat = chat_on_server
    groups = [storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id for _ in range(8)]
    before = [send(group, chat.alice, "1", "2")[1].message for group in groups]
    partition(chat.alias)
    for group, last in zip(groups, before, strict=True):
        again, new = send(group, chat.alice, "2", "3")
        assert (again.message, again.repeat, new.message.seq) == (last, True, 3)
        assert [message.seq for message in storage.history(group, chat.bob).messages] == [1, 2, 3]
        storage.edit_message(group, chat.alice, last.id, {"text": "edited"})
        assert storage.delete_message(group, chat.alice, last.id).content == {}
    assert {item.unread for item in storage.inbox(chat.bob).items} == {3}
    with connections[chat.alias].cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT tableoid) FROM phoenix_chat_message")
        assert cursor.fetchone()[0] > 1


def test_what_must_be_unique_is_so_over_all_partitions(chat_on_server):
    chat = chat_on_server
    partition(chat.alias)
    group = storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id
    [stored] = send(group, chat.alice, "1")
    row = MessageRow.objects.using(chat.alias).get(pk=stored.message.id)
    for changes in ({"id": "0" * 26, "client_id": "2"}, {"id": "0" * 26, "seq": 2}, {"seq": 2, "client_id": "2"}):
        twin = MessageRow.objects.using(chat.alias).get(pk=row.pk)
        for name, value in changes.items():
            setattr(twin, name, value)
        with pytest.raises(IntegrityError):
            twin.save(using=chat.alias, force_insert=True)


def touched(connection, sql, params):
    """Run a statement once more, undo it, and return which parts of the table the server has looked into."""
    with atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
        (found,) = cursor.fetchone()
        set_rollback(True, using=connection.alias)
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return {name for name in relations(plan) if name.startswith("phoenix_chat_message_")}


def relations(plan):
    if plan["Actual Loops"]:
        yield plan.get("Relation Name") or ""
    for below in plan.get("Plans", ()):
        yield from relations(below)


def parts(alias, verb, *args, **kwargs):
    connection = connections[alias]
    said = statements_of(connection, verb, *args, **kwargs)
    reads = [each for each in said if "INSERT INTO" not in each[0]]  # which PostgreSQL puts where it belongs
    assert any("phoenix_chat_message" in sql for sql, _ in reads)
    return set().union(*(touched(connection, *each) for each in reads))


def test_a_verb_looks_into_the_one_part_that_its_conversation_is_in(chat_on_server):
    chat = chat_on_server
    partition(chat.alias)
    group = storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id
    first, last = send(group, chat.alice, "1", "2")
    expected = {f"phoenix_chat_message_{shard_of(group) // 64:02}"}
    drafts = [Draft(group, chat.alice, {}, client_id="2"), Draft(group, chat.alice, {}, client_id="3")]
    unnamed = [Draft(group, chat.alice, {})]
    found = {
        "append": parts(chat.alias, storage.append_batch, drafts),
        "append without client_id": parts(chat.alias, storage.append_batch, unnamed),
        "newest": parts(chat.alias, storage.history, group, chat.bob, limit=1),
        "missing": parts(chat.alias, storage.history, group, chat.bob, after_seq=1),
        "hot": parts(chat.alias, storage.read_newest, group, None, 100),
        "gap": parts(chat.alias, storage.read_after, group, None, 1, 100),
        "find": parts(chat.alias, storage.find_message, group, chat.bob, first.message.id),
        "edit": parts(chat.alias, storage.edit_message, group, chat.alice, last.message.id, {}),
        "inbox": parts(chat.alias, storage.inbox, chat.bob),
        "item": parts(chat.alias, storage.inbox_items, chat.bob, [group]),
        "delete": parts(chat.alias, storage.delete_message, group, chat.alice, last.message.id),
    }
    assert found == dict.fromkeys(found, expected)


def test_an_inbox_looks_into_the_parts_of_its_conversations(chat_on_server):
    chat = chat_on_server
    partition(chat.alias)
    groups = [storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id for _ in range(3)]
    for group in groups:
        send(group, chat.alice, "1")
    expected = {f"phoenix_chat_message_{shard_of(group) // 64:02}" for group in groups}
    assert parts(chat.alias, storage.inbox, chat.bob) == expected


def test_retention_goes_on_with_partitions(chat_on_server):
    chat = chat_on_server
    partition(chat.alias)
    groups = [storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id for _ in range(5)]
    for group in groups:
        send(group, chat.alice, "1", "2", "3")
    later = now() + datetime.timedelta(seconds=10)
    first = remove_messages(later, limit=10)
    then = remove_messages(later, cursor=first.cursor, limit=10)
    assert (first.removed + then.removed, first.emptied + then.emptied, then.cursor) == (10, 5, None)
    assert {len(storage.history(group, None).messages) for group in groups} == {1}
    assert {item.unread for item in storage.inbox(chat.bob).items} == {1}
