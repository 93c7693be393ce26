"""The same pages from a WSGI server and from daphne, as a browser without scripts asks for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest

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


def test_two_servers_have_the_same_sessions_where_a_backend_is_shared(
    tmp_path: Path, visitor: OpenerDirector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOENIX_SESSIONS_BACKEND", "database")
    database = tmp_path / "db.sqlite3"
    with DemoServer(database) as one, DemoServer(database) as other:
        page = read(visitor, one.url)  # cookies are no port's, so the visitor is the same at both
        read(visitor, f"{one.url}do/counter.increment/", csrfmiddlewaretoken=token(page))
        assert 'data-live="count">2</output>' in read(
            visitor, f"{other.url}do/counter.increment/", csrfmiddlewaretoken=token(page)
        )
        assert 'data-live="count">2</output>' in read(visitor, one.url)
