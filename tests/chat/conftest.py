"""Databases of our own for the chat: SQLite in a file, and PostgreSQL, both from a fresh ``migrate``."""

import os
import shutil
from types import SimpleNamespace

import pytest
from conftest import require
from django.core.management import call_command
from django.db import connections

from phoenix_sessions.contrib.chat import agents, conf, live, readers, storage
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.writer import Writer

psycopg = pytest.importorskip("psycopg")

SERVER = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}
TABLES = ("delivery", "agent", "message", "membership", "conversation", "participant")


@pytest.fixture(autouse=True)
def no_agent_at_work(settings):
    """The first request and the first socket begin the agents' loop, whose thread knows the test's settings."""
    yield
    agents.stop(20)


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory, django_db_blocker):
    """A file with empty tables."""
    path = tmp_path_factory.mktemp("chat") / "empty.sqlite3"
    connections.settings["chat-empty"] = {**connections.settings["default"], "NAME": str(path)}
    with django_db_blocker.unblock():
        call_command("migrate", "phoenix_sessions_chat", database="chat-empty", verbosity=0)
        connections["chat-empty"].close()
    del connections["chat-empty"], connections.settings["chat-empty"]
    return path


@pytest.fixture(scope="session")
def server_database(django_db_blocker):
    """The alias of a database on the server."""
    name = f"phoenix_chat_{os.getpid()}"
    try:
        postgres = psycopg.connect(**SERVER, dbname="postgres", autocommit=True, connect_timeout=2)
    except psycopg.OperationalError as error:
        require(False, f"PostgreSQL does not answer on 127.0.0.1:5432 as postgres: {error}")
    postgres.execute(f"CREATE DATABASE {name}")
    connections.settings["chat-postgresql"] = {
        **connections.settings["default"],
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "HOST": SERVER["host"],
        "PORT": str(SERVER["port"]),
        "USER": SERVER["user"],
        "OPTIONS": {"options": "-c synchronous_commit=off"},
    }
    with django_db_blocker.unblock():
        call_command("migrate", "phoenix_sessions_chat", database="chat-postgresql", verbosity=0)
        connections["chat-postgresql"].close()
    yield "chat-postgresql"
    del connections["chat-postgresql"], connections.settings["chat-postgresql"]
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
    postgres.close()


@pytest.fixture
def sqlite(empty_file, tmp_path, django_db_blocker):
    """The alias of a file with empty tables."""
    path = shutil.copy(empty_file, tmp_path / "chat.sqlite3")
    options = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"}
    connections.settings["chat-sqlite"] = {**connections.settings["default"], "NAME": str(path), "OPTIONS": options}
    with django_db_blocker.unblock():
        yield "chat-sqlite"
        agents.stop(20)  # its threads know the file, and so do the readers
        readers.shut_down()
        connections["chat-sqlite"].close()
    del connections["chat-sqlite"], connections.settings["chat-sqlite"]


@pytest.fixture
def postgresql(server_database, django_db_blocker):
    """The alias of a database on the server with empty tables."""
    with django_db_blocker.unblock():
        with connections[server_database].cursor() as cursor:
            cursor.execute("; ".join(f"DELETE FROM phoenix_chat_{table}" for table in TABLES))
        yield server_database
        agents.stop(20)
        readers.shut_down()
        connections[server_database].close()


@pytest.fixture(params=["sqlite", "postgresql"])
def alias(request):
    """The alias of each engine."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def chat(alias, settings):
    """The chat on that database, with Alice, Bob, Carol and a robot in it."""
    yield begin(alias, settings)
    end()


@pytest.fixture
def chat_on_server(postgresql, settings):
    """The same, on the server."""
    yield begin(postgresql, settings)
    end()


def begin(alias, settings):
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": alias}
    for name in ("alice", "bob", "carol"):
        storage.create_participant(f"user:{name}", display_name=name.title())
    storage.create_participant("agent:robot", "agent")
    return SimpleNamespace(alias=alias, alice="user:alice", bob="user:bob", carol="user:carol", robot="agent:robot")


def end():
    """Have nothing at work that the test began, while its database is there still."""
    agents.stop(20)
    assert gateway.drain(20), "what was committed is not told yet"
    live._inboxes.flush()  # else the next test is told of this one's conversations
    gateway.begin_again()
    readers.shut_down()


@pytest.fixture
def dm(chat):
    """Alice's conversation with Bob."""
    return storage.create_conversation(chat.alice, [chat.bob]).conversation.id


@pytest.fixture
def group(chat):
    """Alice's group with Bob and Carol."""
    return storage.create_conversation(chat.alice, [chat.bob, chat.carol], title="three").conversation.id


@pytest.fixture
def make_writer(django_db_blocker):
    """Makes writers of the settings, and drains them."""
    made = []

    def make(database=None):
        conf.get_config.cache_clear()
        made.append(Writer(database))
        return made[-1]

    with django_db_blocker.unblock():
        yield make
        for writer in made:
            writer.drain(20)
