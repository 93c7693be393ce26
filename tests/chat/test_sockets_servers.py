"""Real sockets in real servers: members talk, strangers do not, who does not read costs little, all hear of the end."""

import contextlib
import json
import logging
import signal
import socket
import subprocess
import sys

import pytest
from chat.talking import KEY, token
from chat.test_socket_fuzz import CLOSES, ERRORS, Large, malformed_anywhere, slow, stored
from django.db import connections
from doors.servers import PATIENCE, Guest, Server, environment
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from phoenix_sessions.contrib.chat import storage

logger = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
ALICE, BOB = "user:1", "user:2"
"""The participants of the site's users ann and bob."""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The file of the servers' database, and their environment."""
    path = tmp_path_factory.mktemp("served") / "db.sqlite3"
    env = {**environment(path, path.parent), "DJANGO_SETTINGS_MODULE": "chat.served"}
    subprocess.run([sys.executable, "-m", "testsite.prepare"], env=env, check=True, timeout=120)
    return path, env


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def kind(request):
    """Which server."""
    return request.param


@pytest.fixture(scope="module")
def site(kind, database):
    """A server, and the file of its database."""
    path, env = database
    server = Server(kind, env, path.parent / f"{kind}.log")
    yield server, path
    server.stop()


@pytest.fixture
def dm(site, settings, django_db_blocker):
    """A conversation of the two, which the test may look into."""
    connections.settings["chat-served"] = {**connections.settings["default"], "NAME": str(site[1])}
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": "chat-served", "JWT_KEY": KEY}
    with django_db_blocker.unblock():
        for participant in (ALICE, BOB):
            with contextlib.suppress(Exception):  # of the test before
                storage.create_participant(participant)
        yield storage.create_conversation(ALICE, [BOB]).conversation.id
        connections["chat-served"].close()
    del connections["chat-served"], connections.settings["chat-served"]


def open_socket(site, path, bearer=None, **options):
    """Connect, as a page of the site does."""
    url = site[0].url.replace("http", "ws", 1) + f"/chat/{path}"
    protocols = ["phoenix-chat", *([] if bearer is None else [f"bearer.{bearer}"])]
    return connect(url, **{"subprotocols": protocols, "origin": "http://localhost", **PLAIN, **options})


PLAIN = {"proxy": None, "open_timeout": PATIENCE}


def say(client, type, **fields):
    client.send(json.dumps({"type": type, **fields}))


def until(client, *types):
    """Return the first frame of each type; all that come are acknowledged."""
    found = {}
    while len(found) < len(types):
        frame = json.loads(client.recv(PATIENCE))
        say(client, "ack", ack=frame["frame"])
        if frame["type"] in types:
            found.setdefault(frame["type"], frame)
    return found[types[0]] if len(types) == 1 else [found[type] for type in types]


def close_code(client):
    with contextlib.suppress(ConnectionClosed):
        while True:
            client.recv(PATIENCE)
    return client.close_code


def test_members_talk(site, dm):
    path = f"conversation/{dm}"
    with open_socket(site, path, token(ALICE)) as alice, open_socket(site, path, token(BOB)) as bob:
        assert alice.subprotocol == "phoenix-chat"
        for each in (alice, bob):
            say(each, "join")
            assert until(each, "joined")["messages"] == []
        say(alice, "send", client_id="a", content={"text": "hello"})
        acknowledged, told = until(alice, "ack", "message")
        assert (acknowledged["client_id"], acknowledged["seq"]) == ("a", 1)
        assert told["message"] == until(bob, "message")["message"]
        assert told["message"]["content"] == {"text": "hello"}


def test_who_is_logged_in_to_the_site_needs_no_token(site, dm):
    guest = Guest(site[0])
    guest.get("log-in?name=ann")
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in guest.cookies.items())}
    with open_socket(site, f"inbox/{ALICE}", additional_headers=cookie) as ann:
        assert dm in [item["conversation"]["id"] for item in until(ann, "snapshot")["items"]]
    with open_socket(site, f"inbox/{BOB}", additional_headers=cookie) as ann:
        assert close_code(ann) == 4403


def test_a_page_of_another_site_gets_no_socket(site, dm):
    with (
        pytest.raises(InvalidStatus) as caught,
        open_socket(site, f"conversation/{dm}", token(ALICE), origin="https://evil.example"),
    ):
        pass
    assert caught.value.response.status_code == 403


STRANGERS = {"late": (token(ALICE, seconds=-60), 4401), "nobody": (token("user:x"), 4403), "nonsense": ("x", 4401)}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_are_told_why_they_are_let_go(site, dm, stranger):
    bearer, code = STRANGERS[stranger]
    with open_socket(site, f"conversation/{dm}", bearer) as refused:
        with contextlib.suppress(ConnectionClosed):
            say(refused, "join")
        assert close_code(refused) == code


def test_frames_that_are_malformed_are_answered(site, dm):
    with open_socket(site, f"conversation/{dm}", token(ALICE)) as alice:
        for bad in (b"\x00", "x" * 1_000_000, "[" * 50_000, "{}"):
            alice.send(bad)
            assert until(alice, "error")["code"] in ("bad_frame", "too_large")
        say(alice, "join")
        until(alice, "joined")
    assert "Traceback" not in site[0].log()


def answered(client, frame):
    """Return the code of the error that answers a frame."""
    try:
        return until(client, "error")["code"]
    except TimeoutError as error:
        raise AssertionError(f"no answer to {frame!r}") from error


@settings(slow, max_examples=3)
@given(st.lists(malformed_anywhere, min_size=120, max_size=120))
def test_random_frames_are_answered_or_close_by_a_documented_code_and_change_nothing(site, dm, batch):
    before = stored("chat-served")
    with open_socket(site, f"conversation/{dm}", token(ALICE)) as alice:
        say(alice, "join")
        until(alice, "joined")
        with contextlib.suppress(ConnectionClosed):
            for frame in batch:
                data = frame.written() if isinstance(frame, Large) else frame
                if isinstance(data, bytes):
                    alice.send(data)
                else:
                    alice.send(data.encode(errors="replace").decode())
                assert answered(alice, frame) in ERRORS
        assert alice.protocol.close_code in {None, *CLOSES}
    assert stored("chat-served") == before
    assert "Traceback" not in site[0].log()


def test_who_does_not_read_costs_a_bounded_memory(site, dm):
    """Once as much waits as may, another ten megabytes cost nothing."""
    path = f"conversation/{dm}"
    with open_socket(site, path, token(ALICE)) as alice, open_socket(site, path, token(BOB), max_queue=1) as bob:
        for each in (alice, bob):
            say(each, "join")
            until(each, "joined")
        talk(alice, range(270))
        before = site[0].memory()
        talk(alice, range(270, 630))
        growth = site[0].memory() - before
    logger.info("the server grew by %.1f MB", growth / MEGABYTE)
    assert growth < 5 * MEGABYTE


def talk(client, numbers):
    """Send messages of 30 kB, some at a time, until all are stored."""
    for number in numbers:
        say(client, "send", client_id=str(number), content={"text": "x" * 30_000})
        if number % 30 == 29:
            while until(client, "ack")["client_id"] != str(number):
                pass


def test_a_client_that_has_gone_is_not_there_any_more(site, dm):
    path = f"conversation/{dm}"
    with open_socket(site, path, token(ALICE)) as alice:
        say(alice, "join")
        until(alice, "joined")
        with open_socket(site, path, token(BOB)) as bob:
            say(bob, "join")
            assert until(alice, "presence")["online"] is True
            bob.socket.shutdown(socket.SHUT_RDWR)
        assert until(alice, "presence")["online"] is False


def test_at_the_end_of_the_server_all_are_told_to_come_back(kind, site, database, dm):
    path, env = database
    doomed = Server(kind, env, path.parent / f"{kind}-doomed.log"), path
    conversation = f"conversation/{dm}"
    with (
        open_socket(doomed, conversation, token(ALICE)) as alice,
        open_socket(doomed, conversation, token(BOB)) as bob,
        open_socket(doomed, conversation) as nobody,
        open_socket(doomed, f"inbox/{ALICE}", token(ALICE)) as inbox,
    ):
        say(alice, "join")
        until(alice, "joined")
        until(inbox, "snapshot")
        doomed[0].signal(signal.SIGTERM)
        assert [close_code(each) for each in (alice, bob, nobody, inbox)] == [4012] * 4
    assert doomed[0].exit_code() is not None
