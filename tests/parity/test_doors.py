"""Live pages and views: where a session is started, and the other ways to its values."""

import json

import pytest
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.urls import path

from phoenix_sessions import sessions
from phoenix_sessions.decorators import ensure_session_process
from phoenix_sessions.identity import KEY
from phoenix_sessions.views import SessionEventStream


@ensure_session_process
def chosen(request):
    return JsonResponse({"version": request.session_process.dispatch("counter.add")})


@ensure_session_process
async def async_chosen(request):
    ref = await request.asession_process()
    return JsonResponse({"version": await ref.adispatch("counter.add")})


@ensure_session_process(redirect_to="/login")
def members(request):
    return JsonResponse({"version": request.session_process.version})


def other(request):
    return JsonResponse({"started": request.session_process.started()})


def page(request):
    template = engines["django"].from_string(
        "{% load phoenix_sessions %}{% session_process as session %}count: {{ session.state.counter.count }}"
    )
    return HttpResponse(template.render({}, request))


urlpatterns = [
    path("chosen", chosen), path("async-chosen", async_chosen), path("members", members), path("other", other),
    path("page", page),
]  # fmt: skip


class CountEvents(SessionEventStream):
    subscriptions = {"count_changed": "counter.count"}


@pytest.fixture
def site(db, settings):
    settings.ROOT_URLCONF = __name__
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "AUTO_START": False}


def test_without_auto_start_a_chosen_view_starts_the_session(site, client):
    assert client.get("/other").json() == {"started": False}
    assert [client.get("/chosen").json()["version"] for _ in range(2)] == [1, 2]
    assert client.get("/other").json() == {"started": True}
    assert len(sessions.list_sessions()) == 1


def test_a_page_sends_visitors_without_a_session_to_the_login(site, client):
    assert client.get("/members").url.startswith("/login")
    assert sessions.list_sessions() == []
    client.get("/chosen")
    assert client.get("/members").json() == {"version": 1}


async def test_a_chosen_view_may_be_a_coroutine(site, async_client):
    response = await async_client.get("/async-chosen")
    assert response.json() == {"version": 1}


def test_a_chosen_view_answers_503_when_a_limit_is_reached(site, client, settings):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "RATE_LIMIT": "1/m"}
    sessions.start_session("first")
    response = client.get("/chosen")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) == 60


def test_a_template_shows_the_first_values(site, client):
    client.get("/chosen")
    assert client.get("/page").content == b"count: 1"


async def test_a_page_without_a_socket_gets_the_values_as_server_sent_events(async_rf):
    ref = await sessions.astart_session("v" * 32)
    request = async_rf.get("/events")
    request.session = SessionStore()
    request.session[KEY] = ref.id
    response = await CountEvents.as_view()(request)
    events = aiter(response)
    assert await anext(events) == b"retry: 1000\n\n"

    async def changes():
        _, data = (await anext(events)).decode().split("data: ")
        return json.loads(data)["changes"]

    assert await changes() == {"count_changed": 0}
    for _ in range(3):
        await ref.adispatch("counter.add")
    assert await changes() == {"count_changed": 3}
    response.close()
    assert ref.facts.subscribers == 0
