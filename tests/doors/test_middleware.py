"""The middleware: lazy, one session for each visitor, another id at login, the end at logout."""

import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from racing import until

from phoenix_sessions import SessionNotFound, SessionProcess, sessions
from phoenix_sessions.identity import get_id, rotate_id
from phoenix_sessions.middleware import SessionProcessMiddleware

KINDS = pytest.mark.parametrize("kind", ["", "async-"], ids=["sync view", "async view"])


def configure(settings, **values):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, **values}


def test_a_request_that_touches_nothing_costs_nothing(local, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert local.get("untouched") == (200, "ok")

    assert local.cookies == {}
    assert sessions.list_sessions() == []


@KINDS
def test_a_visitor_with_a_session_pays_nothing_where_it_is_not_touched(local, kind, django_assert_num_queries):
    local.get(f"{kind}add")
    version = sessions.list_sessions()[0].version

    with django_assert_num_queries(0):
        local.get("untouched")

    assert sessions.list_sessions()[0].version == version


@KINDS
def test_a_visitor_keeps_one_session_under_an_id_of_32_url_safe_characters(visitor, kind):
    answers = [visitor.get(f"{kind}add") for _ in range(3)]

    ids = {body["id"] for _, body in answers}
    assert len(ids) == 1
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", *ids)
    assert [body["version"] for _, body in answers] == [1, 2, 3]


@KINDS
def test_two_visitors_have_two_sessions(users, kind):
    ids = {Client().get(f"/{kind}add").json()["id"] for _ in range(2)}

    assert len(ids) == 2


@KINDS
def test_login_moves_the_session_to_another_id_and_the_old_one_is_dead(visitor, kind):
    old = visitor.get(f"{kind}add")[1]["id"]

    status, after = visitor.get(f"{kind}log-in?name=ann")

    assert status == 200
    assert after["count"] == 1
    assert after["id"] != old
    assert visitor.get(f"started/{old}")[1] == {"started": False}
    assert visitor.get(f"started/{after['id']}")[1] == {"started": True}
    assert visitor.get(f"{kind}add")[1] == {"version": 2, "id": after["id"]}


def test_login_goes_on_when_the_session_ends_at_the_same_moment():
    saying_goodbye, leave = threading.Event(), threading.Event()

    class Slow(SessionProcess):
        reducers = []

        def on_terminate(self, reason, state):
            saying_goodbye.set()
            leave.wait(10)

    request = RequestFactory().get("/")
    request.session = SessionStore()
    ref = sessions.start_session(get_id(request.session), Slow)
    session = ref._session()
    with ThreadPoolExecutor(2) as pool:
        end = pool.submit(ref.terminate)
        assert saying_goodbye.wait(10)
        login = pool.submit(rotate_id, request)
        until(lambda: session.depth == 1)
        leave.set()
        end.result(10)
        login.result(10)

    assert get_id(request.session) != ref.id
    assert sessions.list_sessions() == []


@KINDS
def test_an_id_planted_before_login_leads_nowhere(local, kind):
    local.get(f"{kind}add")
    planted = local.cookies
    local.get(f"{kind}log-in?name=ann")
    attacker = Client(headers={"Cookie": f"sessionid={planted['sessionid']}"})

    body = attacker.get("/add").json()

    assert body["version"] == 1  # a session of the attacker's own
    assert len(sessions.list_sessions()) == 2


@KINDS
def test_login_without_a_session_starts_one(visitor, kind):
    status, body = visitor.get(f"{kind}log-in?name=ann")

    assert (status, body["count"]) == (200, 0)


@KINDS
def test_the_same_user_again_keeps_the_session(visitor, kind):
    visitor.get(f"{kind}log-in?name=ann")
    visitor.get(f"{kind}add")

    assert visitor.get(f"{kind}log-in?name=ann")[1]["count"] == 1


@KINDS
def test_logout_ends_the_session(visitor, kind):
    visitor.get(f"{kind}log-in?name=ann")
    id = visitor.get(f"{kind}add")[1]["id"]

    assert visitor.get(f"{kind}log-out") == (200, "bye")

    assert visitor.get(f"started/{id}")[1] == {"started": False}
    after = visitor.get(f"{kind}add")[1]
    assert after["version"] == 1
    assert after["id"] != id


@KINDS
def test_flushing_without_a_login_ends_the_session(visitor, kind):
    id = visitor.get(f"{kind}add")[1]["id"]

    visitor.get(f"{kind}log-out")

    assert visitor.get(f"started/{id}")[1] == {"started": False}


@KINDS
def test_login_as_another_user_ends_the_first_ones_session(visitor, kind):
    visitor.get(f"{kind}log-in?name=ann")
    id = visitor.get(f"{kind}add")[1]["id"]

    after = visitor.get(f"{kind}log-in?name=bob")[1]

    assert after["count"] == 0
    assert after["id"] != id
    assert visitor.get(f"started/{id}")[1] == {"started": False}


@KINDS
def test_at_max_sessions_the_answer_is_503_with_retry_after(users, settings, kind):
    configure(settings, MAX_SESSIONS=1)
    Client().get(f"/{kind}add")

    response = Client().get(f"/{kind}add")

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0


@KINDS
def test_over_the_rate_limit_the_answer_tells_when_to_come_back(users, settings, kind, clock):
    configure(settings, RATE_LIMIT="1/m")
    Client().get(f"/{kind}add")
    clock.advance(20.5)

    response = Client().get(f"/{kind}add")

    assert (response.status_code, response["Retry-After"]) == (503, "40")


@KINDS
def test_limits_answer_503_in_the_async_stack_too(async_visitor, settings, kind):
    configure(settings, MAX_SESSIONS=1)
    sessions.start_session("another")

    assert async_visitor.get(f"{kind}add")[0] == 503


@KINDS
def test_a_session_that_runs_goes_on_at_the_limit(local, settings, kind):
    local.get(f"{kind}add")
    configure(settings, MAX_SESSIONS=1)

    assert local.get(f"{kind}add")[0] == 200


@KINDS
def test_without_auto_start_a_session_has_to_be_started(local, settings, kind):
    configure(settings, AUTO_START=False)

    with pytest.raises(SessionNotFound):
        local.get(f"{kind}add")
    assert sessions.list_sessions() == []


def test_without_sessions_before_it_says_what_is_missing():
    middleware = SessionProcessMiddleware(lambda request: None)

    with pytest.raises(ImproperlyConfigured, match=r"put it after 'django\.contrib\.sessions"):
        middleware(RequestFactory().get("/"))


def test_misplaced_it_says_so_at_the_first_request(settings, users):
    settings.MIDDLEWARE = list(reversed(settings.MIDDLEWARE))

    with pytest.raises(ImproperlyConfigured, match="SessionMiddleware"):
        Client().get("/untouched")


def test_missing_it_leaves_requests_alone(settings, users):
    settings.MIDDLEWARE = settings.MIDDLEWARE[:-1]

    assert Client().get("/untouched").status_code == 200
    with pytest.raises(AttributeError, match="session_process"):
        Client().get("/add")


def attached(session):
    request = RequestFactory().get("/")
    request.session = session
    SessionProcessMiddleware(lambda request: None)(request)
    return request


def test_what_others_have_put_around_flush_goes_on_and_the_session_ends():
    flushed, session = [], SessionStore()
    session.flush = lambda: flushed.append(type(session).flush(session))
    request = attached(attached(session).session)  # two middlewares in a row are one
    sessions.get_or_start(str(request.session_id))

    session.flush()

    assert flushed == [None]
    assert sessions.list_sessions() == []


async def test_what_others_have_put_around_aflush_goes_on_and_the_session_ends():
    flushed, session = [], SessionStore()

    async def aflush():
        flushed.append(await type(session).aflush(session))

    session.flush, session.aflush = lambda: None, aflush
    request = attached(session)
    await sessions.aget_or_start(str(request.session_id))

    await session.aflush()

    assert flushed == [None]
    assert await sessions.alist_sessions() == []


def test_a_requests_django_session_can_be_pickled():
    session = attached(SessionStore()).session
    session["color"] = "red"

    assert pickle.loads(pickle.dumps(session))["color"] == "red"


def test_a_lazy_id_is_shown_as_djangos_own():
    assert repr(attached(SessionStore()).session_id).startswith("<SimpleLazyObject: ")
