"""The shop's pages and forms, under WSGI and under ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

from phoenix_sessions import SessionManager, sessions
from phoenix_sessions.testing import FakeClock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shop")]

Send = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["wsgi", "asgi"])
def visitor(request: pytest.FixtureRequest) -> Client | AsyncClient:
    """A browser without scripts, at a WSGI or an ASGI server."""
    return Client() if request.param == "wsgi" else AsyncClient()


async def get(visitor: Client | AsyncClient, path: str) -> Any:
    """Get a page, as the visitor's kind of server is asked."""
    return await visitor.get(path) if isinstance(visitor, AsyncClient) else await sync_to_async(visitor.get)(path)


async def post(visitor: Client | AsyncClient, path: str, **fields: str) -> Any:
    """Post a form and follow where it leads."""
    if isinstance(visitor, AsyncClient):
        return await visitor.post(path, fields, follow=True)
    return await sync_to_async(visitor.post)(path, fields, follow=True)


async def test_the_first_paint_has_the_state(visitor: Client | AsyncClient) -> None:
    for _ in range(3):
        await post(visitor, "/do/counter.increment/")
    page = await post(visitor, "/do/counter.decrement/")
    assert b'data-live="count">2</output>' in page.content


async def test_the_cart_is_rendered_with_lines_size_and_total(visitor: Client | AsyncClient) -> None:
    await post(visitor, "/do/cart.add/", sku="mug")
    await post(visitor, "/do/cart.add/", sku="lamp")
    page = (await post(visitor, "/do/cart.add/", sku="mug")).content.decode()
    assert page.count('<li class="line"') == 3  # two, and the one that new lines are made of
    assert 'data-live="total">€83.00<' in page
    assert 'data-live="size">3<' in page


async def test_a_form_that_no_page_has_is_not_found(visitor: Client | AsyncClient) -> None:
    page = await post(visitor, "/do/cart.restore/", mug="1000")
    assert page.status_code == 404


@pytest.mark.parametrize("fields", [{}, {"sku": ""}, {"sku": "x" * 33}])
async def test_a_form_of_the_wrong_shape_is_refused(visitor: Client | AsyncClient, fields: dict[str, str]) -> None:
    page = await post(visitor, "/do/cart.add/", **fields)
    assert (page.status_code, page.content.startswith(b"The form is wrong: ")) == (400, True)


async def test_what_a_form_has_beside_its_shape_reaches_no_reducer(visitor: Client | AsyncClient) -> None:
    await post(visitor, "/do/cart.add/", sku="mug", price="0")
    (ref,) = await sessions.alist_sessions()
    assert [entry.action.payload for entry in await ref.ahistory() if entry.action] == [{"sku": "mug"}]


async def test_an_action_that_fails_is_explained_on_the_page(visitor: Client | AsyncClient) -> None:
    page = await post(visitor, "/do/cart.add/", sku="yacht")
    assert "there is no product &#x27;yacht&#x27;" in page.content.decode()


async def test_facts_are_told_without_the_whole_id(visitor: Client | AsyncClient, clock: FakeClock) -> None:
    await post(visitor, "/do/counter.increment/")
    clock.advance(75)
    facts = (await get(visitor, "/session/facts/")).json()
    (ref,) = await sessions.alist_sessions()
    assert (facts["kind"], facts["version"], facts["subscribers"]) == ("GuestSession", 1, 0)
    assert facts["expires"] == "in 58 min 45 s"
    assert ref.id not in str(facts)


async def test_the_session_page_shows_the_facts(visitor: Client | AsyncClient) -> None:
    page = await get(visitor, "/session/")
    assert '<code data-fact="kind">GuestSession</code>' in page.content.decode()


async def test_pages_allow_no_inline_scripts_and_no_other_hosts(visitor: Client | AsyncClient) -> None:
    page = await get(visitor, "/cart/")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert b" style=" not in page.content
    assert b"onclick" not in page.content


async def test_a_session_ends_when_idle_and_the_next_page_has_a_new_one(
    visitor: Client | AsyncClient, clock: FakeClock, own_sessions: SessionManager
) -> None:
    await post(visitor, "/do/counter.increment/")
    clock.advance(3602)
    page = await get(visitor, "/")
    assert b'data-live="count">0</output>' in page.content


PAGES = ["", "cart", "search", "delivery", "htmx", "events", "session", "account/log-in", "account/sign-up"]
PARTS = ["history", "search/found", "delivery/quote", "delivery/board", "session/facts"]


@pytest.mark.usefixtures("auto_start_off")
@pytest.mark.parametrize("path", PAGES + PARTS)
async def test_without_auto_start_every_page_starts_the_visitors_session(
    visitor: Client | AsyncClient, path: str
) -> None:
    page = await get(visitor, f"/{path}/" if path else "/")
    assert (page.status_code, len(await sessions.alist_sessions())) == (200, 1)


FORMS = {
    "do/cart.add": {"sku": "mug"},
    "delivery/ask": {"town": "Lisbon"},
    "delivery/cancel": {},
    "travel": {"to": "undo"},
}


@pytest.mark.usefixtures("auto_start_off")
@pytest.mark.parametrize("path", FORMS)
async def test_without_auto_start_every_form_starts_the_visitors_session(
    visitor: Client | AsyncClient, path: str
) -> None:
    page = await post(visitor, f"/{path}/", **FORMS[path])
    assert (page.status_code, len(await sessions.alist_sessions())) == (200, 1)
