"""What was left undone goes out as soon as somebody comes to a worker, though nobody sends anything."""

import signal
import threading

import pytest
from chat.scripted import wait_until
from chat.talking import joined
from django.core.management import call_command
from django.db import connections
from django.test import Client
from doors.servers import Guest, Server, environment
from websockets.sync.client import connect

from phoenix_sessions.contrib.chat import agents, storage
from phoenix_sessions.contrib.chat.agents.service import service
from phoenix_sessions.contrib.chat.types import Draft

pytestmark = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)


@pytest.fixture
def start(chat, tmp_path):
    """Starts servers of the site, whose robot shouts; none is left behind."""
    file = connections.settings[chat.alias]["NAME"]
    env = environment(file, tmp_path) | {"DJANGO_SETTINGS_MODULE": "chat.served"}
    started = []

    def start():
        started.append(Server("daphne", env, tmp_path / "log"))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def talk(chat):
    """Alice's conversation with the robot."""
    return storage.create_conversation(chat.alice, [chat.robot]).conversation.id


def stored(talk, text):
    """Store a message of which no worker hears."""
    storage.append_batch([Draft(talk, "user:alice", {"text": text})])


def said(talk):
    return [each.content["text"] for each in storage.history(talk, None).messages]


def test_what_was_left_undone_goes_out_after_a_restart_with_the_first_request_or_socket(start, talk):
    stored(talk, "one")
    server = start()
    assert Guest(server).get("chat/health/live")[0] == 200
    wait_until(lambda: said(talk) == ["one", "ONE"])
    server.signal(signal.SIGKILL)
    server.exit_code()
    stored(talk, "two")
    with connect(
        start().url.replace("http", "ws", 1) + "/chat/inbox/user:alice", origin="http://localhost", proxy=None
    ):
        wait_until(lambda: said(talk) == ["one", "ONE", "two", "TWO"])


def at_work():
    return [each for each in threading.enumerate() if each.name == "phoenix_chat-agents"]


def test_a_command_starts_nothing_a_request_does_and_who_comes_later_finds_it(chat, settings):
    settings.ROOT_URLCONF = "phoenix_sessions.contrib.chat.urls"
    call_command("check")
    before = at_work()
    for _ in range(2):
        Client().get("/health/live")
    first = service.start()
    agents.start()
    assert (before, at_work()) == ([], [first])
    agents.stop(20)
    assert at_work() == []


async def test_a_socket_starts_it_too(chat, dm, settings):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "JWT_KEY": "the-key-of-the-tests-" + "x" * 40}
    async with joined(dm, chat.alice):
        assert len(at_work()) == 1
