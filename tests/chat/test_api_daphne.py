"""The HTTP API as a real daphne serves it: bodies in chunks, the site's sessions, and whatever comes over the wire."""

import contextlib
import http.client
import json
import subprocess
import sys

import pytest
from chat.calling import admin_token, token
from chat.talking import KEY
from doors.servers import PATIENCE, Guest, Server, environment

ALICE = "user:1"
"""The participant of the site's user ann."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server with two participants; nothing that it is asked is a fault of its own."""
    path = tmp_path_factory.mktemp("served") / "db.sqlite3"
    env = {**environment(path, path.parent), "DJANGO_SETTINGS_MODULE": "chat.served"}
    subprocess.run([sys.executable, "-m", "testsite.prepare"], env=env, check=True, timeout=120)
    server = Server("daphne", env, path.parent / "log")
    for participant in (ALICE, "user:2"):
        assert ask(server, "POST", "/participants", {"id": participant}, by="admin")[0] == 201
    yield server
    server.stop()
    assert "Traceback" not in server.log()
    assert "Internal Server Error" not in server.log()


def ask(site, method, path, body=None, *, by=None, **headers):
    """Return the status, and what the JSON of the answer says; a body that is no JSON yet is sent in chunks."""
    if by is not None:
        headers["Authorization"] = f"Bearer {admin_token(key=KEY) if by == 'admin' else token(by, key=KEY)}"
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    data = json.dumps(body) if isinstance(body, dict) else body
    with contextlib.closing(http.client.HTTPConnection(site.url[7:], timeout=PATIENCE)) as connection:
        connection.request(method, f"/chat{path}", data, sent)
        response = connection.getresponse()
        answer = response.read()
    return response.status, json.loads(answer) if answer else None


@pytest.fixture
def messages(site):
    """Where the two talk."""
    made = ask(site, "POST", "/conversations", {"members": ["user:2"], "once": True}, by=ALICE)
    return f"/conversations/{made[1]['id']}/messages"


def test_a_body_may_come_in_chunks(site, messages):
    status, message = ask(site, "POST", messages, iter([b'{"content": {"te', b'xt": "hello"}}']), by=ALICE)
    assert (status, message["content"]) == (201, {"text": "hello"})


def test_a_body_in_chunks_is_as_large_as_the_site_takes(site, messages):
    status, answer = ask(site, "POST", messages, iter([b"x" * 100_000] * 30), by=ALICE)
    assert (status, answer["error"]) == (413, "too_large")
    assert ask(site, "GET", messages, by=ALICE)[0] == 200


def test_whoever_is_logged_in_changes_things_with_the_csrf_token_only(site, messages):
    guest = Guest(site)
    guest.get("log-in?name=ann")
    session, body = f"sessionid={guest.cookies['sessionid']}", {"content": {"text": "by ann"}}
    assert ask(site, "GET", "/inbox", Cookie=session)[0] == 200
    status, answer = ask(site, "POST", messages, body, Cookie=session)
    assert (status, answer["error"]) == (403, "forbidden")
    csrf = "c" * 32
    status, message = ask(site, "POST", messages, body, Cookie=f"{session}; csrftoken={csrf}", X_CSRFToken=csrf)
    assert (status, message["sender"]) == (201, ALICE)


def test_a_token_needs_no_csrf_token_whatever_cookies_come_along(site, messages):
    guest = Guest(site)
    guest.get("log-in?name=ann")
    cookie = f"sessionid={guest.cookies['sessionid']}; csrftoken=nonsense"
    status, message = ask(site, "POST", messages, {"content": {}}, by="user:2", Cookie=cookie)
    assert (status, message["sender"]) == (201, "user:2")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/conversations/%00", 403),
        ("GET", "/conversations/%ff%fe", 403),
        ("GET", "/conversations/%ed%a0%80/messages?after_seq=%ff", 422),
        ("GET", "/participants/%F0%9F%A6%8A", 403),
        ("GET", "/inbox?cursor=%00", 422),
        ("GET", "//", 404),
        ("GET", "/..;/admin", 404),
        ("HEAD", "/inbox", 405),
        ("OPTIONS", "/inbox", 405),
        ("TRACE", "/inbox", 405),
        ("NONSENSE", "/inbox", 405),
        ("HEAD", "/health/live", 200),
        ("GET", "/health/ready", 200),
        ("GET", "/metrics", 403),
    ],
)
def test_whatever_is_asked_is_answered(site, messages, method, path, status):
    answer = ask(site, method, path, by=ALICE)
    assert answer[0] == status
    if status >= 400 and method != "HEAD":
        assert set(answer[1]) == {"error", "message", "fields"}
