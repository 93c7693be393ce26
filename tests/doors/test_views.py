"""Server-sent events: state frames, resume, the end, and nothing left behind."""

import asyncio
import gc
import http.client
import json
import threading
from urllib.parse import urlsplit

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncRequestFactory, RequestFactory

from doors.servers import PATIENCE, Guest, wait_until
from phoenix_sessions import Reply, SelectorError, SessionProcess, sessions
from phoenix_sessions.identity import KEY
from phoenix_sessions.runtime import mailbox
from phoenix_sessions.views import SessionEventStream

ID = "visitor"


class Counts(SessionEventStream):
    subscriptions = {"count_changed": "counter.count"}


class Impatient(Counts):
    heartbeat = 0.001


class Unsendable(SessionEventStream):
    subscriptions = {"unsendable": lambda state: object()}


class Fragile(SessionEventStream):
    subscriptions = {"inverse": lambda state: 1 / (3 - state["counter"]["count"])}


class Short(Counts):
    max_stream_bytes = 1


async def visit(view=Counts, id=ID, query="", factory=AsyncRequestFactory, **headers):
    request = factory().get("/events" + query, headers=headers)
    request.session = SessionStore()
    if id is not None:
        request.session[KEY] = id
    return await view.as_view()(request)


async def event(stream):
    """Return the fields of the next event that is no comment and no retry."""
    async for chunk in stream:
        fields = dict(line.split(": ", 1) for line in chunk.decode().splitlines() if ": " in line)
        if "data" in fields:
            return {**fields, "data": json.loads(fields["data"])}
    return None


async def test_state_frames_and_headers():
    ref = await sessions.astart_session(ID)
    response = await visit()
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    stream = aiter(response)
    assert await anext(stream) == b"retry: 1000\n\n"
    first = await event(stream)
    assert first["id"] == f"{ref.epoch}-0"
    assert first["data"]["resume"] == "new"
    for _ in range(3):
        await ref.adispatch("counter.add")
    latest = await event(stream)
    assert (latest["id"], latest["data"]["changes"]) == (f"{ref.epoch}-3", {"count_changed": 3})
    response.close()
    assert (await sessions.asession_stats()).subscribers == 0


@pytest.mark.parametrize("way", ["header", "query"])
@pytest.mark.parametrize(("version", "changes"), [(0, {"count_changed": 1}), (1, {})], ids=["behind", "up to date"])
async def test_resume(way, version, changes):
    ref = await sessions.astart_session(ID)
    await ref.adispatch("counter.add")
    if way == "header":
        response = await visit(**{"Last-Event-ID": f"{ref.epoch}-{version}"})
    else:
        response = await visit(query=f"?epoch={ref.epoch}&version={version}")
    stream = aiter(response)
    frame = (await event(stream))["data"]
    assert (frame["resume"], frame["changes"]) == ("recovered", changes)
    await stream.aclose()


@pytest.mark.parametrize("point", ["1-7", "nonsense", "-1--1", "1-" + "9" * 40])
async def test_a_point_that_no_life_knows_gets_everything(point):
    await sessions.astart_session(ID)
    stream = aiter(await visit(**{"Last-Event-ID": point}))
    frame = (await event(stream))["data"]
    assert (frame["resume"], frame["changes"]) == ("not_found", {"count_changed": 0})
    await stream.aclose()


async def test_what_the_browser_has_seen_is_newer_than_what_the_page_was_painted_with():
    ref = await sessions.astart_session(ID)
    await ref.adispatch("counter.add")
    stream = aiter(await visit(query=f"?epoch={ref.epoch}&version=0", **{"Last-Event-ID": f"{ref.epoch}-1"}))
    assert (await event(stream))["data"]["changes"] == {}
    await stream.aclose()


async def test_when_too_many_messages_wait_the_browser_is_asked_to_come_back(monkeypatch):
    monkeypatch.setattr(mailbox, "MAILBOX_LIMIT", 0)
    entered, leave = threading.Event(), threading.Event()

    class Busy(SessionProcess):
        reducers = []

        def handle_call(self, request, state):
            entered.set()
            leave.wait(10)
            return Reply(None)

    ref = await sessions.astart_session(ID, Busy)
    call = asyncio.create_task(asyncio.to_thread(ref.call, "wait", 10))
    assert await asyncio.to_thread(entered.wait, 10)
    response = await visit()
    leave.set()
    await call
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(("reason", "code"), [("normal", 4404), ("logout", 4401)])
async def test_the_end_is_told_and_who_comes_back_is_stopped(reason, code):
    ref = await sessions.astart_session(ID)
    stream = aiter(await visit())
    await event(stream)
    await ref.aterminate(reason)
    last = await event(stream)
    assert last == {"event": "end", "id": "end", "data": {"code": code, "reason": reason}}
    assert await event(stream) is None
    assert (await visit(**{"Last-Event-ID": "end"})).status_code == 204
    assert not await sessions.astarted(ID)


async def test_a_session_that_moves_ends_the_stream_without_a_last_event():
    await sessions.astart_session(ID)
    stream = aiter(await visit())
    await event(stream)
    await sync_to_async(sessions.move)(ID, "elsewhere")
    assert await event(stream) is None


async def test_without_a_session():
    assert (await visit(id=None)).status_code == 204


async def test_without_auto_start(settings):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "AUTO_START": False}
    assert (await visit()).status_code == 204


async def test_heartbeats():
    stream = aiter(await visit(Impatient))
    await event(stream)
    assert await anext(stream) == b":\n\n"
    await stream.aclose()


async def test_a_stream_that_has_sent_enough_ends():
    stream = aiter(await visit(Short))
    assert await event(stream) is not None
    assert await event(stream) is None
    assert (await sessions.asession_stats()).subscribers == 0


async def test_a_response_that_is_never_read_leaves_nothing():
    response = await visit()
    assert (await sessions.asession_stats()).subscribers == 1
    response.close()
    assert (await sessions.asession_stats()).subscribers == 0


async def test_a_response_that_gets_lost_leaves_nothing():
    response = await visit()
    del response
    gc.collect()
    assert (await sessions.asession_stats()).subscribers == 0


async def test_after_a_value_that_is_no_plain_data_the_browser_comes_back_late(caplog):
    stream = aiter(await visit(Unsendable))
    assert [chunk async for chunk in stream] == [b"retry: 1000\n\n", b"retry: 30000\n\n"]
    assert "Unsendable cannot push" in caplog.text
    assert (await sessions.asession_stats()).subscribers == 0


async def test_after_a_selector_that_raises_the_browser_comes_back_late(caplog):
    ref = await sessions.astart_session(ID)
    stream = aiter(await visit(Fragile))
    await event(stream)
    for _ in range(3):
        await ref.adispatch("counter.add")
    assert [chunk async for chunk in stream][-1] == b"retry: 30000\n\n"
    assert "division by zero" in caplog.text
    with pytest.raises(SelectorError):  # 500, which stops an EventSource
        await visit(Fragile)


async def test_wsgi_is_refused():
    with pytest.raises(ImproperlyConfigured, match="needs ASGI"):
        await visit(factory=RequestFactory)


def open_stream(guest, path):
    """Return the connection and the response of a stream, nothing of it read."""
    line = http.client.HTTPConnection(urlsplit(guest._server.url).netloc, timeout=PATIENCE)
    cookie = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    line.request("GET", path, headers={"Cookie": cookie})
    response = line.getresponse()
    assert response.status == 200
    return line, response


def test_a_client_that_leaves_daphne_leaves_nothing_behind(serve):
    guest = Guest(serve("daphne"))
    guest.get("add")
    line, response = open_stream(guest, "/events")
    while not response.readline().startswith(b"data: "):
        pass
    assert guest.get("subscribers") == (200, {"subscribers": 1})
    response.close()
    line.close()
    wait_until(lambda: guest.get("subscribers") == (200, {"subscribers": 0}))


def test_a_client_that_does_not_read_is_sent_a_bounded_stream(serve):
    guest = Guest(serve("daphne"))
    guest.get("add")
    line, response = open_stream(guest, "/wide-events")
    wait_until(lambda: guest.get("async-dispatch/50") and guest.get("subscribers") == (200, {"subscribers": 0}))
    assert 200_000 < len(response.read()) < 250_000
    line.close()
