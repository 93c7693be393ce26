"""Health and metrics."""

import asyncio
import contextlib
import re
import socket

import pytest
from chat.calling import Http, admin_token, come_to_rest, refusal, use_tokens
from django.db import connections
from django.test import AsyncClient

from phoenix_sessions.contrib.chat import health, readers
from phoenix_sessions.contrib.chat.gateway import gateway


@pytest.fixture
def http(chat, settings):
    use_tokens(settings)
    yield Http()
    come_to_rest()


def numbers(http):
    response = http.get("/metrics", bearer=admin_token())
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = response.content.decode().splitlines()
    return {line.split()[0]: int(line.split()[1]) for line in lines if not line.startswith("#")}


def test_what_is_stored_repeated_and_refused_is_counted(http, dm):
    before = numbers(http)
    path = f"/conversations/{dm}/messages"
    for _ in range(3):
        http.post(path, {"content": {}, "client_id": "c"}, by="user:alice")
    http.post(path, {"content": {}}, by="user:alice")
    http.post(path, {"content": {}}, by="user:carol")
    http.post(path, {}, by="user:alice")
    after = numbers(http)
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name)}
    assert grown == {
        "phoenix_chat_appends_total": 2,
        "phoenix_chat_repeats_total": 2,
        'phoenix_chat_refusals_total{code="unauthorized"}': 1,
        'phoenix_chat_refusals_total{code="invalid"}': 1,
    }


NAME, LABELS = r"phoenix_chat_[a-z_]+", r'\{[a-z_]+="[a-z_]+"\}'
"""Of labels only those that need no escaping are given."""


def test_every_number_says_what_it_is(http):
    text = http.get("/metrics", bearer=admin_token()).content.decode()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert names == {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    assert {name.split("{")[0] for name in numbers(http)} <= names
    assert re.fullmatch(rf"(# HELP {NAME} .+\n# TYPE {NAME} (counter|gauge)\n({NAME}({LABELS})? -?[0-9]+\n)*)+", text)


def test_a_worker_that_is_well_is_ready(http):
    response = http.get("/health/ready")
    assert (response.status_code, response.json()["status"]) == (200, "ready")


def test_a_worker_that_stops_lives_and_is_not_ready(http):
    gateway.drain(20)
    try:
        response = http.get("/health/ready")
        assert response.status_code == 503
        assert response.json() == {"status": "not ready", "database": True, "draining": True}
        assert response["Retry-After"] == "1"
        assert http.get("/health/live").status_code == 200
        assert numbers(http)["phoenix_chat_draining"] == 1
    finally:
        gateway.begin_again()


def test_a_worker_without_a_database_lives_and_is_not_ready(sqlite, settings, tmp_path):
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": sqlite}
    connections[sqlite].close()
    connections.settings[sqlite]["NAME"] = str(tmp_path / "nowhere" / "x.sqlite3")
    del connections[sqlite]
    response = Http().get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "database": False, "draining": False}
    assert Http().get("/health/live").json() == {"status": "live"}


@pytest.fixture
def silent_database(settings):
    """A server that takes connections and says nothing; gives what listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": listener.getsockname()[1]}
        connections.settings["chat-silent"] = {**connections.settings["default"], **where, "NAME": "x", "USER": "x"}
        settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": "chat-silent"}
        yield listener
    readers.shut_down()
    del connections.settings["chat-silent"]


def connections_to(listener):
    listener.settimeout(0)
    found = []
    with contextlib.ExitStack() as stack, contextlib.suppress(BlockingIOError):
        while True:
            found.append(stack.enter_context(listener.accept()[0]))
    return found


async def test_a_database_that_says_nothing_is_asked_once_and_waited_for_by_nobody(
    silent_database, monkeypatch, django_db_blocker
):
    monkeypatch.setattr(health, "PATIENCE", 0.5)
    probes = Http(AsyncClient())
    with django_db_blocker.unblock():
        answers = await asyncio.gather(*(probes.get("/health/ready") for _ in range(20)))
    assert [answer.status_code for answer in answers] == [503] * 20
    assert len(connections_to(silent_database)) <= 2  # the agents, whom the first request begins, ask for theirs


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_they_are_asked_and_not_told(http, path):
    assert refusal(http.post(path, {})) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_balancers_may_ask_for_the_head_only(http, path):
    response = http.ask("HEAD", path)
    assert (response.status_code, response.content) == (200, b"")
