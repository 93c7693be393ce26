"""Real sockets in a real daphne: they follow the visitor, and a slow or dead client costs nothing."""

import contextlib
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from doors.servers import PATIENCE, Guest, wait_until

logger = logging.getLogger(__name__)

KINDS = pytest.mark.parametrize("kind", ["", "async-"], ids=["sync view", "async view"])
MEGABYTE = 1024 * 1024


@pytest.fixture
def server(serve):
    return serve("daphne")


@pytest.fixture
def guest(server):
    """A visitor who has a session, at version 1."""
    guest = Guest(server)
    guest.get("add")
    return guest


def receive(socket):
    """Return the next frame, acknowledged."""
    frame = json.loads(socket.recv(PATIENCE))
    socket.send(json.dumps({"type": "ack", "seq": frame["seq"]}))
    return frame


def close_code(socket):
    """Return the code that the server closes with."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            socket.recv(PATIENCE)
    return socket.close_code


def subscribers(guest):
    return guest.get("subscribers")[1]["subscribers"]


def test_a_page_and_its_socket_share_the_session(guest):
    with guest.socket() as socket:
        first = receive(socket)
        assert (first["resume"], first["changes"]) == ("new", {"count_changed": 1})

        guest.get("add")
        assert receive(socket)["changes"] == {"count_changed": 2}

        socket.send(json.dumps({"type": "dispatch", "ref": 1, "action": "counter.add", "payload": 5}))
        assert receive(socket)["changes"] == {"count_changed": 7}
        assert receive(socket)["type"] == "ok"


def test_a_visitor_without_a_session_is_told_4401(server):
    with Guest(server).socket() as socket:
        assert close_code(socket) == 4401


@KINDS
def test_logout_closes_the_socket_for_good(guest, kind):
    with guest.socket() as socket:
        receive(socket)

        guest.get(f"{kind}log-out")

        assert close_code(socket) == 4401


@KINDS
def test_after_login_the_socket_resumes_under_the_new_id(guest, kind):
    with guest.socket() as socket:
        seen = receive(socket)
        guest.get(f"{kind}log-in?name=ann")
        assert close_code(socket) == 4012

    with guest.socket(f"?epoch={seen['epoch']}&version={seen['version']}") as socket:
        assert receive(socket)["resume"] == "recovered"


def test_a_page_of_another_site_gets_no_socket(guest):
    with pytest.raises(InvalidStatus) as caught, guest.socket(origin="https://evil.example"):
        pass

    assert caught.value.response.status_code == 403


def test_too_large_a_frame_closes_with_1009(guest):
    with guest.socket() as socket:
        socket.send("x" * 100_000)

        assert close_code(socket) == 4009


def test_no_traceback_is_written_however_clients_leave(server, guest):
    for message in ("x" * 100_000, b"\x00", "[" * 5000):
        with guest.socket() as socket:
            receive(socket)
            socket.send(message)
    with guest.socket() as socket:
        receive(socket)
        guest.get("log-out")
        close_code(socket)

    wait_until(lambda: subscribers(guest) == 0)
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("view", ["dispatch", "async-dispatch"])
def test_100_000_changes_for_a_client_that_does_not_read_cost_no_memory(server, guest, view):
    with guest.socket("wide/", max_queue=1) as socket:
        guest.get(f"{view}/1000")
        before = server.memory()

        final = guest.get(f"{view}/100000")[1]["count"]

        growth = server.memory() - before
        logger.info("%s: the server grew by %.1f MB", view, growth / MEGABYTE)
        while int(receive(socket)["changes"]["wide_changed"]) != final:
            pass
    assert growth < 20 * MEGABYTE


def test_a_client_that_is_killed_leaves_no_subscriber(server, guest):
    cookie = f"sessionid={guest.cookies['sessionid']}"
    url = server.url.replace("http", "ws", 1) + "/ws/"
    client = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("client.py"), url, cookie], stdout=subprocess.PIPE
    )
    with client, client.stdout:
        assert client.stdout.readline() == b"open\n"
        assert subscribers(guest) == 1

        client.kill()

    wait_until(lambda: subscribers(guest) == 0)
