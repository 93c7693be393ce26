"""What the operations page says of units, checks, connections, backups and what to watch is so."""

import inspect
import os
import re
import shutil
import sqlite3
import subprocess

import msgspec
import psycopg
import pytest
from chat.conftest import SERVER, begin, end
from chat.test_chat_docs import DOCS, rows
from django.db import connections

from phoenix_sessions.contrib.chat import apps, conf, readers, storage
from phoenix_sessions.contrib.chat.types import Draft

PAGE = (DOCS / "operations.md").read_text()


def test_the_settings_are_listed_with_their_units():
    told = re.findall(r"^    (\w+): (.*?)(?=^    \w+:|\Z)", inspect.getdoc(conf.Config), re.MULTILINE | re.DOTALL)
    units = {name.upper(): "".join(re.findall(r"\((bytes|count|seconds)\)", text)[:1]) for name, text in told}
    listed = [row for row in rows("operations.md", "Settings")[2:] if len(row) == 4]
    assert {key.strip("`"): unit for key, _, unit, _ in listed} == units
    numbers = [
        field.encode_name for field in msgspec.structs.fields(conf.Config) if type(field.default) in (int, float)
    ]
    assert [name for name, unit in units.items() if unit] == numbers


def test_every_check_is_listed():
    there = re.findall(r'"(phoenix_sessions_chat\.E\d+)"', inspect.getsource(apps))
    assert [row[0].strip("`") for row in rows("operations.md", "Settings") if "_chat.E" in row[0]] == there


def test_how_many_connections_read_is_told():
    assert [row[0] for row in rows("operations.md", "Databases") if "read again" in row[1]] == [str(readers.THREADS)]


def test_what_is_to_be_watched_on_the_server_can_be_asked(postgresql):
    found = []
    for statement in re.findall(r"^```postgresql\n(SELECT.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        with connections[postgresql].cursor() as cursor:
            cursor.connection.execute(statement)  # as it is: a percent sign is one
            cursor.execute(statement.replace("%", "%%"), [])
            found.append([column.name for column in cursor.description])
    assert found == [["pid", "state", "since", "query"], ["relname", "n_live_tup", "n_dead_tup", "last_autovacuum"]]


def fill(chat):
    dm = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    storage.append_batch([Draft(dm, chat.alice, {"text": str(number)}) for number in range(3)])
    return dm, storage.history(dm, chat.bob)


@pytest.fixture
def another_database():
    """An empty database on the server, by its name."""
    name = f"phoenix_chat_restored_{os.getpid()}"
    with psycopg.connect(**SERVER, dbname="postgres", autocommit=True) as postgres:
        postgres.execute(f"CREATE DATABASE {name}")
        yield name
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not there")
def test_a_dump_is_restored(chat_on_server, another_database, settings, tmp_path):
    dm, before = fill(chat_on_server)
    there = connections.settings[chat_on_server.alias]
    dump, restore = [line for line in PAGE.splitlines() if line.startswith(("pg_dump", "pg_restore"))]
    for command, name in ((dump, there["NAME"]), (restore, another_database)):
        url = f"postgresql://{SERVER['user']}@{SERVER['host']}:{SERVER['port']}/{name}"
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, env={"DATABASE": url, "PATH": "/usr/bin:/bin"})
    connections.settings["chat-restored"] = {**there, "NAME": another_database}
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": "chat-restored"}
    try:
        must_go_on(dm, before, chat_on_server)
    finally:
        connections["chat-restored"].close()
        settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat_on_server.alias}
        del connections["chat-restored"], connections.settings["chat-restored"]


def test_a_copy_of_a_file_is_restored(sqlite, settings, tmp_path):
    chat = begin(sqlite, settings)
    dm, before = fill(chat)
    [statement] = re.findall(r'^sqlite3 chat.sqlite3 "(.+)"$', PAGE, re.MULTILINE)
    with sqlite3.connect(connections.settings[sqlite]["NAME"]) as connection:
        connection.execute(statement.replace("backup.sqlite3", str(tmp_path / "backup.sqlite3")))
    connection.close()
    storage.append_batch([Draft(dm, chat.alice, {"text": "since the backup"})])
    connections[sqlite].close()
    shutil.copy(tmp_path / "backup.sqlite3", connections.settings[sqlite]["NAME"])
    for ending in ("-wal", "-shm"):
        (tmp_path / f"chat.sqlite3{ending}").unlink(missing_ok=True)
    must_go_on(dm, before, chat)
    end()


def must_go_on(dm, before, chat):
    assert storage.history(dm, chat.bob) == before
    (stored,) = storage.append_batch([Draft(dm, chat.bob, {})])
    assert stored.message.seq == before.last_seq + 1
    storage.create_participant("user:after")
    group = storage.create_conversation(chat.alice, ["user:after"]).conversation  # whose rows have new numbers
    assert len(group.members) == 2
