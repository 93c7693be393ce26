"""Sockets of two workers that share an engine: what happens on one is live on the other, and one may be killed."""

import json
import os
import signal
import subprocess
import sys

import pytest
from chat.talking import KEY, token
from chat.test_sockets_servers import ALICE, BOB, open_socket, say, until
from conftest import require
from django.db import connections
from doors.servers import Server, environment

from phoenix_sessions.contrib.chat import storage

redis = pytest.importorskip("redis")

URL = "redis://127.0.0.1:6379/0"
PREFIX = f"chat-sockets-{os.getpid()}"


@pytest.fixture
def workers(tmp_path):
    """Two servers, and the file of their database."""
    with redis.Redis.from_url(URL) as client:
        try:
            client.ping()
        except redis.ConnectionError as error:
            require(False, f"Redis does not answer on 127.0.0.1:6379: {error}")
    path = tmp_path / "db.sqlite3"
    shared = {
        "BACKEND": "phoenix_sessions.backends.redis.RedisBackend",
        "OPTIONS": {"url": URL, "prefix": PREFIX},
    }
    env = environment(path, tmp_path) | {
        "DJANGO_SETTINGS_MODULE": "chat.served",
        "PHOENIX_SESSIONS_TEST_SETTINGS": json.dumps(shared),
    }
    subprocess.run([sys.executable, "-m", "testsite.prepare"], env=env, check=True, timeout=120)
    servers = [Server("daphne", env, tmp_path / f"{number}.log") for number in range(2)]
    yield [(server, path) for server in servers]
    for server in servers:
        server.stop()
    with redis.Redis.from_url(URL) as client:
        for key in client.scan_iter(f"{PREFIX}*"):
            client.delete(key)


@pytest.fixture
def dm(workers, settings, django_db_blocker):
    """A conversation of Alice and Bob."""
    connections.settings["chat-served"] = {**connections.settings["default"], "NAME": str(workers[0][1])}
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": "chat-served", "JWT_KEY": KEY}
    with django_db_blocker.unblock():
        for participant in (ALICE, BOB):
            storage.create_participant(participant)
        yield storage.create_conversation(ALICE, [BOB]).conversation.id
        connections["chat-served"].close()
    del connections["chat-served"], connections.settings["chat-served"]


def test_what_happens_on_one_worker_is_live_on_the_other_and_one_may_be_killed(workers, dm):
    here, there = workers
    path = f"conversation/{dm}"
    with open_socket(here, path, token(ALICE)) as alice:
        say(alice, "join")
        until(alice, "joined")
        with open_socket(there, path, token(BOB)) as bob, open_socket(there, f"inbox/{BOB}", token(BOB)) as inbox:
            until(inbox, "snapshot")
            say(bob, "join")
            until(bob, "joined")
            assert until(alice, "presence")["participant"] == BOB
            assert until(bob, "presence")["participant"] == ALICE
            say(alice, "typing")
            assert until(bob, "typing")["participant"] == ALICE
            say(alice, "send", client_id="a", content={"text": "hello"})
            told = until(bob, "message")["message"]
            assert (told["seq"], told["content"]) == (1, {"text": "hello"})
            while until(inbox, "delta")["items"][0]["unread"] != 1:
                pass
            say(bob, "read")
            assert until(alice, "read")["last_read_seq"] == 1
            there[0].signal(signal.SIGKILL)
        say(alice, "send", client_id="b", content={"text": "are you there?"})
        until(alice, "ack")
        with open_socket(here, path, token(BOB)) as bob:
            say(bob, "join", after_seq=1)
            assert [message["seq"] for message in until(bob, "joined")["messages"]] == [2]
