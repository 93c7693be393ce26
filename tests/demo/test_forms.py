"""Forms and pages beside the shop's: travel, search, the courier, the staff's page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from shop import selectors
from shop.actions import Parcel
from shop.past import moments
from shop.processes import AdminSession

from phoenix_sessions import SessionManager, SessionRef
from phoenix_sessions.testing import FakeClock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]

SCRIPT = {"accept": "text/plain"}


def only(sessions: SessionManager) -> SessionRef:
    """Return the one session that runs."""
    (ref,) = sessions.list_sessions()
    return ref


@pytest.fixture
def visited(client: Client) -> Client:
    """A visitor who has clicked three times."""
    for _ in range(3):
        client.post("/do/counter.increment/")
    return client


@pytest.mark.parametrize(("to", "count"), [("undo", 2), ("1", 1), ("0", 0)])
def test_one_can_travel(visited: Client, own_sessions: SessionManager, to: str, count: int) -> None:
    assert visited.post("/travel/", {"to": to}).headers["Location"] == "/"
    assert only(own_sessions).get_state("counter.count") == count


def test_redo_takes_back_an_undo(visited: Client, own_sessions: SessionManager) -> None:
    visited.post("/travel/", {"to": "undo"})
    visited.post("/travel/", {"to": "redo"})
    assert only(own_sessions).get_state("counter.count") == 3


@pytest.mark.parametrize("to", ["", "back", "-1", "1.5", "²", "9" * 10])
def test_there_are_no_other_ways_to_travel(visited: Client, own_sessions: SessionManager, to: str) -> None:
    assert visited.post("/travel/", {"to": to}).status_code == 400
    assert only(own_sessions).version == 3


def test_nobody_travels_in_the_session_of_another(visited: Client, own_sessions: SessionManager) -> None:
    visitor, other = only(own_sessions), Client()
    other.post("/travel/", {"to": "undo", "id": visitor.id, "session": visitor.id})
    assert visitor.get_state("counter.count") == 3


@pytest.mark.parametrize(
    ("to", "why"), [("redo", "There is nothing to redo."), ("7", "Version 7 is not kept any more.")]
)
def test_why_one_cannot_travel_is_said(visited: Client, to: str, why: str) -> None:
    assert why in visited.post("/travel/", {"to": to}, follow=True).content.decode()
    answer = visited.post("/travel/", {"to": to}, headers=SCRIPT)
    assert (answer.status_code, answer.content.decode()) == (409, why)


def test_the_page_and_its_part_show_the_history(visited: Client) -> None:
    visited.post("/travel/", {"to": "undo"})
    for path in ("/", "/history/"):
        page = visited.get(path).content.decode()
        assert page.count('<li class="moment') == 5
        assert page.count("One more</span>") == 3
        assert page.count("Undone") == page.count('class="here"') == 1


def test_what_changed_nothing_is_no_moment(client: Client, own_sessions: SessionManager) -> None:
    client.post("/do/cart.add/", {"sku": "mug"})
    client.post("/do/cart.take/", {"sku": "lamp"})
    found = moments(only(own_sessions).history())
    assert [(moment.version, moment.what) for moment in found] == [(1, "Clay mug into the cart"), (0, "The beginning")]


def test_a_form_searches_at_once(client: Client) -> None:
    page = client.post("/do/search.now/", {"text": "WARM thought"}, follow=True).content.decode()
    assert "1 found for “WARM thought”" in page
    assert "Clay mug" in page


def test_what_is_typed_is_searched_for_after_a_pause(
    client: Client, own_sessions: SessionManager, clock: FakeClock
) -> None:
    for end in range(1, 11):
        client.post("/do/search.typed/", {"text": "light bulb"[:end]}, headers=SCRIPT)
        clock.advance(0.2)
    ref = only(own_sessions)
    assert (ref.get_state("typing.keystrokes"), ref.get_state("search.searches")) == (10, 0)
    clock.advance(0.3)
    assert ref.get_state("search") == {"query": "light bulb", "found": (), "searches": 1}


@pytest.mark.parametrize("town", ["", "x" * 33])
def test_the_courier_is_asked_about_towns_only(client: Client, own_sessions: SessionManager, town: str) -> None:
    assert client.post("/delivery/ask/", {"town": town}).status_code == 400
    assert only(own_sessions).get_state("delivery.status") == "idle"


def test_a_question_is_taken_back(client: Client, own_sessions: SessionManager) -> None:
    client.post("/delivery/ask/", {"town": "the Moon"})
    assert b"Asking about the Moon" in client.get("/delivery/quote/").content
    assert client.post("/delivery/cancel/", headers=SCRIPT).status_code == 204
    assert b"You took the question back" in client.get("/delivery/quote/").content


def test_a_town_that_nobody_knows_is_refused_by_the_courier(client: Client, own_sessions: SessionManager) -> None:
    client.post("/delivery/ask/", {"town": "Nowhere"})
    only(own_sessions).dispatch_async("delivery.ask", Parcel(town="Nowhere")).result(20)
    assert b"no van goes to Nowhere" in client.get("/delivery/").content


def test_who_logs_in_waits_for_the_courier_no_more(client: Client, own_sessions: SessionManager) -> None:
    User.objects.create_user("ada", password="a-long-password")
    client.post("/delivery/ask/", {"town": "the Moon"})
    client.post("/account/log-in/", {"username": "ada", "password": "a-long-password"})
    assert only(own_sessions).get_state("delivery.status") == "dropped"
    assert b"The question about the Moon was dropped" in client.get("/delivery/").content


def test_who_travels_back_to_a_question_waits_for_nobody(client: Client, own_sessions: SessionManager) -> None:
    client.post("/delivery/ask/", {"town": "the Moon"})
    client.post("/delivery/cancel/")
    client.post("/travel/", {"to": "undo"})
    assert only(own_sessions).get_state("delivery.status") == "dropped"
    client.post("/travel/", {"to": "0"})
    assert only(own_sessions).get_state("delivery.status") == "idle"


def test_a_form_that_is_sent_before_the_pause_is_over_searches_once(
    client: Client, own_sessions: SessionManager, clock: FakeClock
) -> None:
    client.post("/do/search.typed/", {"text": "mug"}, headers=SCRIPT)
    client.post("/do/search.now/", {"text": "mug"})
    clock.advance(1)
    assert only(own_sessions).get_state("search.searches") == 1


def test_the_total_is_computed_only_when_the_cart_changes(client: Client) -> None:
    client.post("/do/cart.add/", {"sku": "mug"})
    client.get("/cart/")
    before = selectors.total.recomputations
    for _ in range(3):
        client.post("/do/counter.increment/")
        client.get("/cart/")
    assert selectors.total.recomputations == before
    client.post("/do/cart.add/", {"sku": "mug"})
    assert b"29.00" in client.get("/cart/").content
    assert selectors.total.recomputations == before + 1
    assert client.get("/session/facts/").json()["totals"] == before + 1


@pytest.fixture
def staff(client: Client) -> Client:
    """A member of the staff who has logged in."""
    User.objects.create_user("ada", password="a-long-password", is_staff=True)
    client.post("/account/log-in/", {"username": "ada", "password": "a-long-password"})
    return client


def test_the_staff_has_a_session_of_its_own_kind(staff: Client, own_sessions: SessionManager) -> None:
    ref = only(own_sessions)
    assert own_sessions.list_sessions_by_process(AdminSession) == [ref]
    assert (ref.get_state("staff"), ref.get_state("customer"), ref.get_state("wishes.items")) == (True, "ada", {})


def test_the_staff_sees_who_is_there(staff: Client, own_sessions: SessionManager) -> None:
    admin = only(own_sessions)
    own_sessions.start_session("guest-7")
    page = staff.get("/staff/", {"pattern": "^guest-"}).content.decode()
    assert "1 found" in page
    assert "GuestSession" in page
    assert admin.id not in page
    assert "2 of 10000" in page


def test_a_wrong_pattern_is_said(staff: Client) -> None:
    assert b"This is no regular expression." in staff.get("/staff/", {"pattern": "("}).content


def test_nobody_else_sees_who_is_there(client: Client) -> None:
    assert client.get("/staff/").headers["Location"] == "/account/log-in/?next=/staff/"
    User.objects.create_user("bob", password="a-long-password")
    client.post("/account/log-in/", {"username": "bob", "password": "a-long-password"})
    assert client.get("/staff/").status_code == 403


@pytest.mark.parametrize(("path", "page"), [("/htmx/", "/htmx/"), ("/events/", "/events/")])
def test_forms_of_the_other_doors_lead_back_there(client: Client, path: str, page: str) -> None:
    answer: Any = client.post(f"{path}do/counter.increment/")
    assert answer.headers["Location"] == page
    assert b'data-live="count">1<' in client.get("/events/").content
