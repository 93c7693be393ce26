"""The SQL of the operations page makes partitions of the messages, and the chat is as before."""

import os
import re
from pathlib import Path

import psycopg
import pytest
from chat.conftest import SERVER
from chat.test_plans import explain
from django.core.management import call_command
from django.db import IntegrityError, connections

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.models import MessageRow
from phoenix_sessions.contrib.chat.storage import statements
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
    [sql] = re.findall(r"^```postgresql\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    connection = connections[alias]
    connection.ensure_connection()
    connection.connection.execute(sql)


def send(conversation, sender, *client_ids):
    drafts = [Draft(conversation, sender, {"text": each}, client_id=each) for each in client_ids]
    return storage.append_batch(drafts)


def test_a_partitioned_chat_is_as_before(chat_on_server):
    chat = chat_on_server
    groups = [storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id for _ in range(40)]
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


def test_history_is_found_by_an_index_of_each_partition(chat_on_server):
    partition(chat_on_server.alias)
    connection = connections[chat_on_server.alias]
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")  # the tables are empty
    steps = explain(connection, statements.NEWEST, ["c", 0, 9, 50])
    assert len([index for _, _, index in steps if index and "seq" in index]) == 16
