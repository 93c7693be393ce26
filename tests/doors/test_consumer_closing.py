"""How a connection ends: the close codes, each from its cause."""

import asyncio

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from testsite.consumers import CounterConsumer

from doors.sockets import ID, acknowledge, close_code, connected, dispatch, plug
from phoenix_sessions import SessionProcess, sessions
from phoenix_sessions.consumers import MAX_BAD_FRAMES, SessionConsumerMixin
from phoenix_sessions.pages import Pages
from phoenix_sessions.testing import receive_change


class PatientConsumer(CounterConsumer):
    auto_start = False


class KeenConsumer(CounterConsumer):
    auto_start = True


def configure(settings, **values):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, **values}


async def test_4401_for_a_visitor_without_an_id():
    async with connected(CounterConsumer, id=None) as socket:
        assert await close_code(socket) == 4401


async def test_4404_where_nothing_runs_and_nothing_may_be_started():
    async with connected(PatientConsumer) as socket:
        assert await close_code(socket) == 4404


async def test_4404_where_the_setting_says_so(settings):
    configure(settings, AUTO_START=False)

    async with connected(CounterConsumer) as socket:
        assert await close_code(socket) == 4404


async def test_the_consumer_decides_before_the_setting(settings):
    configure(settings, AUTO_START=False)

    async with connected(KeenConsumer) as socket:
        assert (await receive_change(socket))["resume"] == "new"


@pytest.mark.parametrize(("reason", "code"), [("logout", 4401), ("normal", 4404), ("shutdown", 4404)])
async def test_the_end_of_the_session_closes_its_sockets(reason, code):
    async with connected(CounterConsumer) as one, connected(CounterConsumer) as two:
        await receive_change(one)

        await sessions.aterminate(ID, reason)

        assert await close_code(one) == await close_code(two) == code


async def test_the_end_closes_also_who_does_not_acknowledge():
    async with connected(CounterConsumer) as socket:
        for _ in range(100):
            await (await sessions.aget_or_start(ID)).adispatch("counter.add")

        await sessions.aterminate(ID)

        assert await close_code(socket) == 4404


async def test_1012_when_the_session_moves_to_another_id():
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)

        await sessions.amove(ID, "w" * 32)

        assert await close_code(socket) == 4012
    assert (await sessions.asession_stats()).subscribers == 0


async def test_who_reconnects_after_the_move_resumes():
    async with connected(CounterConsumer) as socket:
        seen = await receive_change(socket)
        await sessions.amove(ID, "w" * 32)

    async with connected(CounterConsumer, "w" * 32, f"?epoch={seen['epoch']}&version={seen['version']}") as socket:
        assert (await receive_change(socket))["resume"] == "recovered"


async def test_4404_when_the_session_expires(settings, clock):
    configure(settings, KEEP_ALIVE_WHILE_SUBSCRIBED=False)

    async with connected(CounterConsumer) as socket:
        await receive_change(socket)

        clock.advance(3601)

        assert await close_code(socket) == 4404


async def test_a_session_with_a_socket_does_not_expire(clock):
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)

        clock.advance(36_000)

        assert await sessions.astarted(ID)


async def test_1013_at_max_sessions(settings):
    configure(settings, MAX_SESSIONS=1)
    await sessions.astart_session("another")

    async with connected(CounterConsumer) as socket:
        assert await close_code(socket) == 4013


async def test_1013_over_the_rate_limit(settings):
    configure(settings, RATE_LIMIT="1/m")
    await sessions.astart_session("another")

    async with connected(CounterConsumer) as socket:
        assert await close_code(socket) == 4013


async def test_4011_for_a_session_whose_init_state_fails(settings, caplog):
    class Failing(SessionProcess):
        def init_state(self, args):
            raise LookupError("as asked")

    configure(settings, SESSION_PROCESS=Failing)

    async with connected(CounterConsumer) as socket:
        assert await close_code(socket) == 4011
    assert "LookupError: as asked" in caplog.text


@pytest.mark.parametrize(
    "frame",
    [
        {"text_data": "x" * (64 * 1024 + 1)},
        {"bytes_data": b"x" * (64 * 1024 + 1)},
        {"text_data": "\N{SNOWMAN}" * (32 * 1024)},
    ],
    ids=["text", "binary", "many bytes in few characters"],
)
async def test_1009_for_a_frame_that_is_too_large(frame):
    async with connected(CounterConsumer) as socket:
        await socket.send_to(**frame)

        assert await close_code(socket) == 4009


async def test_1008_after_too_many_bad_frames():
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        for _ in range(MAX_BAD_FRAMES):
            await socket.send_to(text_data="bad")
            frame = await socket.receive_json_from()
            assert (frame["type"], frame["code"], frame["ref"]) == ("error", "bad_frame", None)
            await acknowledge(socket, frame["seq"])

        await socket.send_to(text_data="bad")

        assert await close_code(socket) == 4008


async def test_1008_for_a_client_that_asks_on_and_on_and_reads_nothing():
    class Unlimited(CounterConsumer):
        frame_burst = frames_per_second = 10_000

    async with connected(Unlimited) as socket:
        for ref in range(100):
            await socket.send_json_to({"type": "dispatch", "ref": ref, "action": "cart.add"})

        assert await close_code(socket) == 4008


async def test_what_comes_behind_the_close_is_not_taken():
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        await socket.send_to(text_data="x" * 100_000)
        await dispatch(socket, "counter.add")
        assert await close_code(socket) == 4009

    assert (await sessions.afind_session(ID)).version == 0


async def test_nothing_is_sent_behind_the_close():
    """Some servers raise on a send after close, and a closed connection keeps no session alive."""
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        await socket.send_to(text_data="x" * 100_000)
        assert await close_code(socket) == 4009
        ref = await sessions.afind_session(ID)
        await ref.adispatch("counter.add")

        assert await socket.receive_nothing()
        assert ref.facts.subscribers == 0


async def test_a_client_that_goes_while_it_is_told_something_is_no_failure(caplog, monkeypatch):
    monkeypatch.setattr(sessions, "pages", Pages())  # those of other tests may be open still
    gone, messages = asyncio.Event(), iter([{"type": "websocket.connect"}])

    async def receive():
        for message in messages:
            return message
        await gone.wait()
        return {"type": "websocket.disconnect", "code": 1001}

    async def send(message):
        if message["type"] != "websocket.accept":
            gone.set()
            raise ConnectionResetError("the client has gone")  # as ASGI has it

    await CounterConsumer.as_asgi()(plug(CounterConsumer).scope, receive, send)

    assert caplog.text == ""
    assert len(sessions.pages) == 0


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"null", b"http://testserver.evil.example", b"http://[", b""]
)
async def test_a_handshake_from_another_site_is_refused(origin):
    socket = plug(CounterConsumer, headers=[(b"origin", origin)])

    accepted, _ = await socket.connect()

    assert not accepted
    assert not await sessions.astarted(ID)
    await socket.disconnect()


@pytest.mark.parametrize("origin", [b"http://testserver", b"https://testserver:8443", b"http://localhost:8000"])
async def test_a_handshake_from_this_site_is_accepted(origin):
    async with connected(CounterConsumer, headers=[(b"origin", origin)]) as socket:
        assert (await receive_change(socket))["resume"] == "new"


def test_allowed_actions_must_be_a_list():
    with pytest.raises(TypeError, match="must be a list of patterns"):

        class Wrong(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
            allowed_actions = "counter.*"
