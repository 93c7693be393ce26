"""What a browser may do: what is listed, with payloads that fit, and not too fast."""

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from testsite.consumers import AddMany, CounterConsumer

from doors.sockets import ID, acknowledge, connected, dispatch
from phoenix_sessions import Reducer, SessionProcess, effect, on, sessions
from phoenix_sessions.consumers import SessionConsumerMixin
from phoenix_sessions.testing import receive_change


class Adding(Reducer):
    name = "adding"

    def init_state(self):
        return 0

    @on("many")
    def many(self, action, state):
        assert isinstance(action.payload, AddMany)
        return state + action.payload.amount

    @on("dated")
    def dated(self, action, state):
        return state + action.payload["amount"]


class AddingSession(SessionProcess):
    reducers = [Adding]


class AddingConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"sum_changed": "adding"}
    allowed_actions = ["adding.*"]
    payload_schemas = {"adding.many": AddMany}


def allowing(*patterns):
    return type("Allowing", (CounterConsumer,), {"allowed_actions": list(patterns)})


async def answer(socket, action, payload=None, ref=1):
    """Dispatch, and return the answer; state frames before it are let by."""
    await dispatch(socket, action, payload, ref)
    while (frame := await socket.receive_json_from())["type"] == "state":
        pass
    assert frame["ref"] == ref
    return frame


async def count():
    return await (await sessions.afind_session(ID)).aget_state("counter.count")


async def test_the_answer_comes_after_the_state_that_the_action_caused():
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)

        await dispatch(socket, "counter.add", 5, ref=42)

        state, ok = await socket.receive_json_from(), await socket.receive_json_from()
        assert (state["type"], state["version"], state["changes"]) == ("state", 1, {"count_changed": 5})
        assert ok == {"type": "ok", "seq": state["seq"] + 1, "ref": 42, "version": 1}


async def test_other_sockets_of_the_session_see_it():
    async with connected(CounterConsumer) as socket, connected(CounterConsumer) as other:
        await receive_change(other)

        await dispatch(socket, "counter.add", 5)

        assert (await receive_change(other))["changes"] == {"count_changed": 5}


async def test_nothing_is_allowed_unless_listed():
    async with connected(allowing()) as socket:
        frame = await answer(socket, "counter.add")

        assert (frame["type"], frame["code"]) == ("error", "not_allowed")
        assert await count() == 0


@pytest.mark.parametrize(
    ("pattern", "action", "allowed"),
    [
        ("counter.*", "counter.add", True),
        ("*", "counter.add", True),
        ("counter.a*d", "counter.add", True),
        ("counter.add", "counter.add", True),
        ("counter.add", "counter.add.more", False),
        ("counter.add", "counter.add\n", False),
        ("counter.add", "Counter.add", False),
        ("counter.*", "counters.add", False),
        ("counter.*", "counter", False),
        ("counter.[a]dd", "counter.add", False),
        ("counter.ad?", "counter.add", False),
        ("counter|add", "counter", False),
        ("counter.", "counterx", False),
    ],
)
async def test_a_pattern_knows_the_star_and_no_other_magic(pattern, action, allowed):
    async with connected(allowing("other.*", pattern)) as socket:
        frame = await answer(socket, action)

    assert frame.get("code") == (None if allowed else "not_allowed")


async def test_the_reducer_gets_the_payload_as_its_schema():
    await sessions.astart_session(ID, AddingSession)

    async with connected(AddingConsumer) as socket:
        assert (await answer(socket, "adding.many", {"amount": 3}))["type"] == "ok"
        assert await (await sessions.afind_session(ID)).aget_state("adding") == 3


@pytest.mark.parametrize("payload", [None, 3, {}, {"amount": "3"}, {"amount": None}, [{"amount": 3}]])
async def test_a_payload_that_does_not_fit_its_schema_is_refused(payload):
    await sessions.astart_session(ID, AddingSession)

    async with connected(AddingConsumer) as socket:
        assert (await answer(socket, "adding.many", payload))["code"] == "invalid_payload"
        assert await (await sessions.afind_session(ID)).aget_state("adding") == 0


async def test_a_reducer_that_raises_changes_nothing_and_tells_no_secrets(settings, caplog):
    async with connected(CounterConsumer) as socket:
        frame = await answer(socket, "counter.fail")

        assert (frame["code"], frame["message"]) == ("action_failed", "the action failed")
        assert await count() == 0
    assert "a browser's action failed" in caplog.text


async def test_in_debug_the_failure_is_told(settings):
    settings.DEBUG = True

    async with connected(CounterConsumer) as socket:
        assert "as asked" in (await answer(socket, "counter.fail"))["message"]


async def test_an_action_that_nobody_knows_changes_nothing():
    async with connected(allowing("*")) as socket:
        frame = await answer(socket, "nobody.knows.this")

        assert (frame["type"], frame["version"]) == ("ok", 0)


async def test_too_many_frames_are_told_when_to_go_on():
    class Slow(CounterConsumer):
        frame_burst = 2
        frames_per_second = 0.01

    async with connected(Slow) as socket:
        answers = [await answer(socket, "counter.add", ref=ref) for ref in range(3)]

        assert [frame["type"] for frame in answers] == ["ok", "ok", "error"]
        assert answers[2]["code"] == "rate_limited"
        assert 0 < answers[2]["retry_after"] <= 100
        assert await count() == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type": "dispatch"}',
        '{"type": "state", "seq": 1}',
        '{"type": "dispatch", "ref": -1, "action": "counter.add"}',
        '{"type": "dispatch", "ref": 1.5, "action": "counter.add"}',
        '{"type": "dispatch", "ref": 1, "action": ""}',
        '{"type": "dispatch", "ref": 1, "action": "counter.add", "id": "of-another"}',
        '{"type": "dispatch", "ref": 1, "action": "' + "x" * 257 + '"}',
        '{"type": "ack"}',
        '{"type": "ack", "seq": 99}',
        '{"type": "ack", "seq": 0}',
        "[" * 5000,
        '{"type": "dispatch", "ref": 1, "action": "counter.add", "payload": ' + "[" * 5000 + "}",
        '"\ud800"',
    ],
)
async def test_what_is_no_frame_is_refused(text):
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)

        await socket.send_input({"type": "websocket.receive", "text": text})

        frame = await socket.receive_json_from()
        assert (frame["code"], frame["ref"]) == ("bad_frame", None)
        assert await count() == 0


async def test_a_payload_nested_too_deep_is_refused():
    payload = "[" * 20_000 + "]" * 20_000  # deeper than any supported Python decodes, smaller than a frame may be
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)

        await socket.send_to(text_data='{"type":"dispatch","ref":1,"action":"counter.add","payload":' + payload + "}")

        assert (await socket.receive_json_from())["code"] in ("bad_frame", "invalid_payload")


async def test_the_declared_kinds_may_be_anything_that_msgspec_knows():
    class Choosy(AddingConsumer):
        payload_schemas = {"adding.dated": dict[str, int]}

    await sessions.astart_session(ID, AddingSession)

    async with connected(Choosy) as socket:
        assert (await answer(socket, "adding.dated", {"amount": 2}))["type"] == "ok"
        assert (await answer(socket, "adding.dated", {"amount": "2"}))["code"] == "invalid_payload"


class Loading(Reducer):
    name = "loading"

    @on("load")
    def load(self, action, state):
        return {"loading": action.payload}

    @on("loaded")
    def loaded(self, action, state):
        return {"loaded": action.payload}

    @effect("load", "other")
    async def fetch(self, action, dispatch, state):
        await dispatch(".loaded", action.payload.upper())


class LoadingSession(SessionProcess):
    reducers = [Loading]


class LoadingConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"loading_changed": "loading"}
    allowed_actions = ["loading.load"]
    allowed_effects = ["loading.load"]


async def test_an_allowed_effect_is_dispatched_and_then_started():
    await sessions.astart_session(ID, LoadingSession)
    async with connected(LoadingConsumer) as socket:
        await receive_change(socket)
        await dispatch(socket, "loading.load", "abc")
        changes = {}
        while changes != {"loading_changed": {"loaded": "ABC"}}:
            frame = await socket.receive_json_from()
            changes = frame.get("changes", changes)


@pytest.mark.parametrize("action", ["loading.other", "loading.loaded"])
async def test_effects_that_are_not_listed_start_nothing(action):
    await sessions.astart_session(ID, LoadingSession)
    async with connected(LoadingConsumer) as socket:
        await receive_change(socket)
        assert (await answer(socket, action, "abc"))["code"] == "not_allowed"
        assert (await sessions.afind_session(ID)).version == 0


@pytest.mark.parametrize(
    ("action", "code", "version"), [("loading.load", "not_started", 1), ("loading.other", "busy", 0)]
)
async def test_an_effect_without_room_is_not_taken_for_an_action_that_was_not_applied(
    action, code, version, monkeypatch
):
    monkeypatch.setattr("phoenix_sessions.runtime.effects.WAITING_LIMIT", 0)
    consumer = type("Both", (LoadingConsumer,), {"allowed_effects": ["loading.load", "loading.other"]})
    ref = await sessions.astart_session(ID, LoadingSession)
    async with connected(consumer) as socket:
        await receive_change(socket)
        assert (await answer(socket, action, "abc"))["code"] == code
        assert ref.version == version


async def test_no_thread_looks_after_the_database_for_an_acknowledgement(monkeypatch):
    asked = []

    async def look():
        asked.append(1)

    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        monkeypatch.setattr("channels.consumer.aclose_old_connections", look)
        await dispatch(socket, "counter.add")
        await receive_change(socket)
        answer = await socket.receive_json_from()
        await acknowledge(socket, answer["seq"])
        await acknowledge(socket, answer["seq"])

        assert (await socket.receive_json_from())["code"] == "bad_frame"  # the second one is of no frame
        assert len(asked) == 2  # for the dispatch, and for the bad frame
