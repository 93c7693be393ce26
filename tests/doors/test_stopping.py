"""Real servers that stop: what their sessions, sockets and streams are told, and when the process is gone."""

import asyncio
import contextlib
import http.client
import json
import signal
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import require
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.test import AsyncRequestFactory
from testsite.consumers import CounterConsumer
from websockets.exceptions import ConnectionClosed

from doors.servers import PATIENCE, Guest
from doors.sockets import ID, close_code, connected, plug
from phoenix_sessions import SessionStopped, ShuttingDown, sessions
from phoenix_sessions.backends.memory import MemoryBackend
from phoenix_sessions.identity import KEY
from phoenix_sessions.middleware import SessionProcessMiddleware
from phoenix_sessions.pages import Pages
from phoenix_sessions.testing import receive_change
from phoenix_sessions.views import SessionEventStream

EXIT_CODES = {"daphne": 0, "uvicorn": -signal.SIGTERM}


@pytest.fixture
def goodbyes(tmp_path, monkeypatch):
    """Where a real server's sessions note their end."""
    path = tmp_path / "goodbyes"
    monkeypatch.setenv("TESTSITE_GOODBYES", str(path))
    return path


@pytest.fixture(params=EXIT_CODES)
def kind(request):
    require(find_spec(request.param), f"{request.param} is not installed")
    return request.param


@pytest.fixture
def server(serve, goodbyes, kind):
    return serve(kind)


@pytest.fixture
def guest(server):
    """A visitor who has a session."""
    guest = Guest(server)
    guest.get("add")
    return guest


def code_and_seconds(socket):
    """Return the code that the server closes with, and how long that took."""
    begin = time.monotonic()
    with contextlib.suppress(ConnectionClosed):
        while True:
            socket.recv(PATIENCE)
    return socket.close_code, time.monotonic() - begin


def test_sigterm_sends_pages_away_and_ends_the_sessions_before_the_server_goes_down(server, guest, goodbyes, kind):
    with guest.socket() as socket:
        socket.recv(PATIENCE)

        server.signal(signal.SIGTERM)

        code, seconds = code_and_seconds(socket)
        assert (code, server.exit_code()) == (4012, EXIT_CODES[kind])
        assert seconds < 2  # it takes milliseconds, but the machine may be busy
    assert goodbyes.read_text() == "shutdown 1\n"
    assert server.log() == ""


def test_what_was_acknowledged_had_been_applied(server, guest, goodbyes):
    with guest.socket() as socket:
        frame = json.dumps({"type": "dispatch", "ref": 1, "action": "counter.add"})
        acknowledged = 0
        with contextlib.suppress(ConnectionClosed):
            for number in range(10_000):
                socket.send(frame)
                if number == 20:
                    server.signal(signal.SIGTERM)
                while (reply := json.loads(socket.recv(PATIENCE)))["type"] == "state":
                    pass
                acknowledged += reply["type"] == "ok"
                socket.send(json.dumps({"type": "ack", "seq": reply["seq"]}))
        assert socket.close_code == 4012
    server.exit_code()

    reason, count = goodbyes.read_text().split()
    assert reason == "shutdown"
    assert 20 <= acknowledged <= int(count) - 1  # the first was the guest's


def test_sigterm_ends_streams_without_an_end(server, guest):
    address = urlsplit(server.url)
    cookie = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    with contextlib.closing(http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/events", headers={"Cookie": cookie})
        response = connection.getresponse()
        seen = response.readline()

        server.signal(signal.SIGTERM)

        seen += response.read()
    assert b"data:" in seen
    assert b"event: end" not in seen


def test_a_page_whose_session_is_busy_is_sent_away_too(serve, goodbyes):
    server = serve("daphne")
    guest = Guest(server)
    guest.get("add")
    with guest.socket() as socket:
        socket.recv(PATIENCE)
        guest.get("hang")

        server.signal(signal.SIGTERM)

        code, seconds = code_and_seconds(socket)
    assert code == 4012
    assert seconds < 3  # of the 5 for which the handler may run on


def test_who_sends_a_second_signal_does_not_wait_for_the_stop(serve, goodbyes):
    server = serve("daphne")
    guest = Guest(server)
    guest.get("add")
    with guest.socket() as socket:
        socket.recv(PATIENCE)
        guest.get("hang")
        server.signal(signal.SIGTERM)
        assert code_and_seconds(socket)[0] == 4012  # the stop is under way

        begin = time.monotonic()
        server.signal(signal.SIGTERM)

        assert server.exit_code() == 0
    assert time.monotonic() - begin < 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_server_that_nobody_has_asked_yet_goes_down_as_ever(serve, goodbyes, number):
    server = serve("daphne")
    assert Guest(server).get("untouched")[0] == 200

    server.signal(number)

    assert server.exit_code() == 0
    assert not Path(goodbyes).exists()


# -- without a server ----------------------------------------------------------------------------------------------


async def test_the_stop_waits_until_sockets_have_closed():
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)

        stop = asyncio.create_task(sessions.astop())

        assert await close_code(socket) == 4012
        assert not stop.done()
    assert await stop


@pytest.mark.parametrize("auto_start", [True, False])
async def test_a_socket_that_comes_while_the_process_stops_is_sent_elsewhere(settings, auto_start):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "AUTO_START": auto_start}
    await sessions.astop()
    socket = plug(CounterConsumer)
    await socket.connect()

    assert await close_code(socket) == 4012
    await socket.disconnect()


class Holding(MemoryBackend):
    """A backend that is slow to begin a session."""

    asked, go_on = None, None

    async def acreate(self, *args):
        Holding.asked.set()
        await Holding.go_on.wait()
        await super().acreate(*args)


async def test_a_socket_that_waits_for_its_session_when_the_stop_begins_is_sent_elsewhere(settings, monkeypatch):
    monkeypatch.setattr(Holding, "asked", asyncio.Event())
    monkeypatch.setattr(Holding, "go_on", asyncio.Event())
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "BACKEND": Holding, "DURABILITY": "write_through"}
    socket = plug(CounterConsumer)
    await socket.connect()
    await Holding.asked.wait()
    await sessions.astop()

    Holding.go_on.set()

    assert await close_code(socket) == 4012
    await socket.disconnect()


class Counts(SessionEventStream):
    subscriptions = {"count_changed": "counter.count"}


async def test_a_stream_that_comes_while_the_process_stops_comes_again():
    request = AsyncRequestFactory().get("/events")
    request.session = SessionStore()
    request.session[KEY] = ID
    await sessions.astop()

    response = await Counts.as_view()(request)

    assert (response.status_code, response.content) == (200, b"retry: 1000\n\n")


@pytest.mark.django_db
def test_a_page_that_needs_a_session_is_answered_503(local):
    sessions.stop()

    assert local.get("add")[0] == 503


@pytest.mark.parametrize("error", [ShuttingDown(), SessionStopped("visitor", "shutdown")])
def test_who_is_refused_for_the_stop_is_told_when_to_come_back(error):
    answer = SessionProcessMiddleware(lambda request: None).process_exception(None, error)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


async def test_a_page_whose_connection_is_over_is_not_open_any_more(monkeypatch):
    monkeypatch.setattr(sessions, "pages", Pages())  # those of other tests may be open still
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        assert len(sessions.pages) == 1

    assert len(sessions.pages) == 0
