"""Sign up, log in and log out: what becomes of the session and its cart."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from shop.processes import GuestSession, UserSession

from phoenix_sessions import SessionManager, SessionRef

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]

ADA = {"username": "ada", "password": "a-long-password"}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user(**ADA)


def only(sessions: SessionManager) -> SessionRef:
    """Return the one session that runs."""
    (ref,) = sessions.list_sessions()
    return ref


@pytest.mark.parametrize("existing", [True, False], ids=["log in", "sign up"])
def test_the_guests_state_comes_along(client: Client, own_sessions: SessionManager, existing: bool) -> None:
    client.post("/do/counter.increment/")
    client.post("/do/cart.add/", {"sku": "mug"})
    guest = only(own_sessions)
    if existing:
        User.objects.create_user(**ADA)
        answer = client.post("/account/log-in/", ADA)
    else:
        twice = {"username": "ada", "password1": ADA["password"], "password2": ADA["password"]}
        answer = client.post("/account/sign-up/", twice)
    customer = only(own_sessions)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/cart/")
    assert own_sessions.list_sessions_by_process(UserSession) == [customer]
    state = customer.get_state()
    assert {name: state[name] for name in ("counter", "cart", "wishes", "customer")} == {
        "counter": {"count": 1},
        "cart": {"items": {"mug": 1}},
        "wishes": {"items": {}},
        "customer": "ada",
    }
    assert guest.id != customer.id


def test_the_old_id_is_dead_after_logging_in(client: Client, own_sessions: SessionManager, ada: User) -> None:
    client.post("/do/cart.add/", {"sku": "mug"})
    guest = only(own_sessions)
    client.post("/account/log-in/", ADA)
    assert not guest.started()


def test_who_logs_in_without_having_looked_around_has_a_session_too(
    client: Client, own_sessions: SessionManager, ada: User
) -> None:
    client.post("/account/log-in/", ADA)
    assert only(own_sessions).get_state("cart.items") == {}


def test_logging_in_again_keeps_the_cart(client: Client, own_sessions: SessionManager, ada: User) -> None:
    client.post("/account/log-in/", ADA)
    client.post("/do/cart.add/", {"sku": "lamp"})
    client.post("/account/log-in/", ADA)
    assert only(own_sessions).get_state("cart.items") == {"lamp": 1}


def test_logging_in_as_somebody_else_does_not_take_the_cart(
    client: Client, own_sessions: SessionManager, ada: User
) -> None:
    User.objects.create_user("bob", password="another-password")
    client.post("/account/log-in/", ADA)
    client.post("/do/cart.add/", {"sku": "lamp"})
    client.post("/account/log-in/", {"username": "bob", "password": "another-password"})
    customer = only(own_sessions)
    assert (customer.get_state("cart.items"), customer.get_state("customer")) == ({}, "bob")


def test_logging_out_ends_the_session(client: Client, own_sessions: SessionManager, ada: User) -> None:
    client.post("/account/log-in/", ADA)
    client.post("/do/cart.add/", {"sku": "lamp"})
    customer = only(own_sessions)
    page = client.post("/account/log-out/", follow=True)
    assert not customer.started()
    assert own_sessions.list_sessions_by_process(GuestSession) == [only(own_sessions)]
    assert b'data-live="size">0<' in page.content


@pytest.mark.parametrize(
    ("wanted", "page"),
    [
        ("/staff/", "/staff/"),
        ("foo", "foo"),
        ("//elsewhere.example/", "/cart/"),
        ("https://elsewhere.example/", "/cart/"),
        ("", "/cart/"),
    ],
)
def test_who_was_sent_to_the_login_comes_back(client: Client, ada: User, wanted: str, page: str) -> None:
    answer = client.post(f"/account/log-in/?next={wanted}", ADA)
    assert (answer.status_code, answer.headers["Location"]) == (302, page)


@pytest.mark.parametrize(
    ("path", "form"),
    [("/account/log-in/", {**ADA, "password": "wrong"}), ("/account/sign-up/", {"username": "ada"})],
)
def test_a_wrong_form_is_shown_again_and_changes_nothing(
    client: Client, own_sessions: SessionManager, ada: User, path: str, form: dict[str, str]
) -> None:
    client.post("/do/cart.add/", {"sku": "mug"})
    guest = only(own_sessions)
    answer = client.post(path, form)
    assert b"errorlist" in answer.content
    assert guest.get_state("cart.items") == {"mug": 1}


def test_logging_out_takes_a_form(client: Client, ada: User) -> None:
    assert client.get("/account/log-out/").status_code == 405


@pytest.mark.usefixtures("auto_start_off")
def test_without_auto_start_one_customer_after_another_can_log_in(
    client: Client, own_sessions: SessionManager, ada: User
) -> None:
    User.objects.create_user("bob", password=ADA["password"])
    for name in ("ada", "bob"):
        assert client.post("/account/log-in/", {**ADA, "username": name}).status_code == 302
        assert only(own_sessions).get_state()["customer"] == name


@pytest.mark.usefixtures("auto_start_off")
def test_without_auto_start_the_staff_page_starts_a_session(client: Client, own_sessions: SessionManager) -> None:
    client.force_login(User.objects.create_user("eve", is_staff=True))
    assert client.get("/staff/").status_code == 200
    assert only(own_sessions).started()
