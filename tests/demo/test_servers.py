"""The same pages from a WSGI server and from daphne, as a browser without scripts asks for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

import pytest
from websockets.sync.client import connect

from demo.server import DemoServer


@pytest.fixture(scope="module", params=["daphne", "wsgi"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    """The demo under one server, then under the other."""
    options = ["--noasgi"] if request.param == "wsgi" else []
    with DemoServer(tmp_path_factory.mktemp("demo") / "db.sqlite3", *options) as running:
        yield running


@pytest.fixture
def visitor() -> OpenerDirector:
    return build_opener(HTTPCookieProcessor(CookieJar()))


def read(visitor: OpenerDirector, url: str, **form: str) -> str:
    """Return a page; a form is posted with the token that the page before it had."""
    data = urlencode(form).encode() if form else None
    with visitor.open(url, data, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def token(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    return found[1]


def test_buttons_change_the_page(either: DemoServer, visitor: OpenerDirector) -> None:
    page = read(visitor, either.url)
    for _ in range(2):
        page = read(visitor, f"{either.url}do/counter.increment/", csrfmiddlewaretoken=token(page))
    assert 'data-live="count">2</output>' in page


def test_an_async_view_sees_the_same_session(either: DemoServer, visitor: OpenerDirector) -> None:
    page = read(visitor, either.url)
    read(visitor, f"{either.url}do/cart.add/", csrfmiddlewaretoken=token(page), sku="mug")
    assert '"version": 1' in read(visitor, f"{either.url}session/facts/")


def test_scripts_and_styles_are_served(either: DemoServer, visitor: OpenerDirector) -> None:
    assert "export function connect" in read(visitor, f"{either.url}static/phoenix_sessions/session.js")
    assert "--accent" in read(visitor, f"{either.url}static/shop/shop.css")


@pytest.mark.parametrize(
    ("path", "action", "shown"), [("htmx/", "cart.add", "1 <span"), ("events/", "counter.increment", ">1<")]
)
def test_the_other_doors_work_by_forms_where_there_are_neither_sockets_nor_streams(
    either: DemoServer, visitor: OpenerDirector, path: str, action: str, shown: str
) -> None:
    page = read(visitor, either.url + path)
    assert ("<script" in page) is either.asgi
    fields = {"csrfmiddlewaretoken": token(page)} | ({"sku": "mug"} if action == "cart.add" else {})
    assert shown in read(visitor, f"{either.url}{path}do/{action}/", **fields)


def begin(page: str) -> dict[str, Any]:
    """Return what the chat's page tells its script."""
    found = re.search(r'<script id="start" type="application/json">(.*?)</script>', page)
    assert found
    start: dict[str, Any] = json.loads(found[1])
    return start


def be(visitor: OpenerDirector, url: str, name: str) -> str:
    """Become somebody whom anybody may be, and return the page of the chat."""
    who = read(visitor, f"{url}talk/who/")
    return read(visitor, f"{url}talk/be/", csrfmiddlewaretoken=token(who), name=name)


def test_the_chat_is_for_whom_anybody_may_be_and_says_where_it_cannot_be_live(
    either: DemoServer, visitor: OpenerDirector
) -> None:
    assert "Who are you?" in read(visitor, f"{either.url}talk/")
    page = be(visitor, either.url, "Alice")
    assert begin(page)["me"]["name"] == "Alice"
    assert [each["name"] for each in begin(page)["people"]][:5] == ["Echo", "Alice", "Bob", "Carol", "Dave"]
    assert ("The chat needs sockets" in page) is not either.asgi


def test_the_chat_is_for_accounts_too_and_nobody_else_becomes_them(either: DemoServer, visitor: OpenerDirector) -> None:
    form = token(read(visitor, f"{either.url}account/sign-up/"))
    read(
        visitor,
        f"{either.url}account/sign-up/?next=/talk/",
        csrfmiddlewaretoken=form,
        username="erin",
        password1="a-long-password",
        password2="a-long-password",
    )
    assert begin(read(visitor, f"{either.url}talk/"))["me"]["name"] == "erin"
    with pytest.raises(HTTPError, match="404"):
        be(visitor, either.url, "erin")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DemoServer, DemoServer]]:
    """Two servers on one database, which is the sessions' backend too."""
    database = tmp_path_factory.mktemp("two") / "db.sqlite3"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOENIX_SESSIONS_BACKEND", "database")
        with DemoServer(database) as one, DemoServer(database) as other:
            yield one, other


def test_two_servers_have_the_same_sessions_where_a_backend_is_shared(
    two: tuple[DemoServer, DemoServer], visitor: OpenerDirector
) -> None:
    one, other = two
    page = read(visitor, one.url)  # cookies are no port's, so the visitor is the same at both
    read(visitor, f"{one.url}do/counter.increment/", csrfmiddlewaretoken=token(page))
    assert 'data-live="count">2</output>' in read(
        visitor, f"{other.url}do/counter.increment/", csrfmiddlewaretoken=token(page)
    )
    assert 'data-live="count">2</output>' in read(visitor, one.url)


def test_the_chat_is_live_from_one_server_to_the_other(two: tuple[DemoServer, DemoServer]) -> None:
    one, other = two
    cookies = CookieJar()
    alice, bob = build_opener(HTTPCookieProcessor()), build_opener(HTTPCookieProcessor(cookies))
    page, me = be(alice, one.url, "Alice"), begin(be(bob, other.url, "Bob"))["me"]["id"]
    headers = {"Origin": other.url.rstrip("/"), "Cookie": "; ".join(f"{each.name}={each.value}" for each in cookies)}
    with connect(f"ws://127.0.0.1:{other.port}/chat/inbox/{me}", additional_headers=headers) as inbox:
        assert json.loads(inbox.recv(timeout=20))["type"] == "snapshot"
        made = _post(alice, f"{one.url}chat/conversations", page, {"members": [me], "once": True})
        _post(alice, f"{one.url}chat/conversations/{made['id']}/messages", page, {"content": {"text": "Hello"}})
        while (items := json.loads(inbox.recv(timeout=20))["items"])[0]["unread"] == 0:
            pass
    assert items[0]["last_message"]["text"] == "Hello"


def _post(visitor: OpenerDirector, url: str, page: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "X-CSRFToken": token(page)}
    with visitor.open(Request(url, json.dumps(body).encode(), headers), timeout=20) as response:
        answer: dict[str, Any] = json.load(response)
        return answer
