"""What a socket is told: all values at once, then what changed, then only what it missed."""

import asyncio

import msgspec
import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from testsite.consumers import CounterConsumer

from doors.sockets import ID, acknowledge, close_code, connected, dispatch, plug
from phoenix_sessions import CastFailed, Reducer, Restart, SessionProcess, on, sessions
from phoenix_sessions.consumers import SessionConsumerMixin
from phoenix_sessions.outbox import WINDOW
from phoenix_sessions.testing import receive_change


class Pair(Reducer):
    name = "pair"

    def init_state(self):
        return {"left": 0, "right": 0}

    @on("both")
    def both(self, action, state):
        return {"left": state["left"] + 1, "right": state["right"] + 1}

    @on("left")
    def only_left(self, action, state):
        return {**state, "left": state["left"] + 1}


class PairSession(SessionProcess):
    reducers = [Pair]
    restart = Restart.PERMANENT

    def handle_cast(self, request, state):
        raise ZeroDivisionError(request)


class PairConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"left_changed": "pair.left", "right_changed": "pair.right"}
    allowed_actions = ["pair.*"]


class BadSelectorConsumer(PairConsumer):
    subscriptions = {"lost": "pair.nowhere.at_all"}


class OwnMethodConsumer(PairConsumer):
    async def left_changed(self, value):
        await self.send_json({"own": value})


class ImpatientConsumer(CounterConsumer):
    ack_timeout = 0.01


@pytest.fixture
async def pair(own_sessions):
    return await sessions.astart_session(ID, PairSession)


@pytest.fixture
async def counter(own_sessions):
    return await sessions.astart_session(ID)


async def fill_window(socket, ref):
    """Have as many frames sent as may be unacknowledged; returns the last one."""
    frame = await socket.receive_json_from()
    while frame["seq"] < WINDOW:
        await ref.adispatch("counter.add")
        frame = await socket.receive_json_from()
    return frame


async def test_the_first_values_come_at_once(pair):
    await pair.adispatch("pair.left")

    async with connected(PairConsumer) as socket:
        assert await socket.receive_json_from() == {
            "type": "state",
            "seq": 1,
            "epoch": pair.epoch,
            "version": 1,
            "resume": "new",
            "changes": {"left_changed": 1, "right_changed": 0},
        }


async def test_a_socket_starts_the_session_of_a_visitor_who_has_an_id():
    async with connected(CounterConsumer) as socket:
        assert (await receive_change(socket))["changes"] == {"count_changed": 0}
        assert await sessions.astarted(ID)


async def test_all_keys_of_one_commit_come_in_one_frame(pair):
    async with connected(PairConsumer) as socket:
        await receive_change(socket)

        await pair.adispatch("pair.both")

        frame = await receive_change(socket)
        assert frame["changes"] == {"left_changed": 1, "right_changed": 1}
        assert "resume" not in frame


async def test_keys_that_did_not_change_stay_out(pair):
    async with connected(PairConsumer) as socket:
        await receive_change(socket)

        await pair.adispatch("pair.left")

        assert (await receive_change(socket))["changes"] == {"left_changed": 1}


async def test_who_comes_back_gets_only_what_was_missed(pair):
    async with connected(PairConsumer) as socket:
        seen = await receive_change(socket)
    await pair.adispatch("pair.left")

    async with connected(PairConsumer, query=f"?epoch={seen['epoch']}&version={seen['version']}") as socket:
        frame = await receive_change(socket)

    assert (frame["resume"], frame["changes"], frame["version"]) == ("recovered", {"left_changed": 1}, 1)


async def test_who_missed_nothing_is_told_so(pair):
    await pair.adispatch("pair.left")

    async with connected(PairConsumer, query=f"?epoch={pair.epoch}&version=1") as socket:
        frame = await receive_change(socket)

    assert (frame["resume"], frame["changes"]) == ("recovered", {})


@pytest.mark.parametrize(
    "query",
    [
        "?epoch={other}&version=0",
        "?epoch={epoch}&version=99",
        "?epoch={epoch}",
        "?version=0",
        "?epoch={epoch}&version=-1",
        "?epoch={epoch}&version=1e3",
        "?epoch={epoch}&version=%D9%A1",
        "?epoch=99999999999999999999999999&version=0",
    ],
)
async def test_who_names_another_life_or_an_unknown_point_gets_all_values(pair, query):
    query = query.format(epoch=pair.epoch, other=pair.epoch + 1)

    async with connected(PairConsumer, query=query) as socket:
        frame = await receive_change(socket)

    assert (frame["resume"], frame["changes"]) == ("not_found", {"left_changed": 0, "right_changed": 0})


async def test_a_restart_pushes_the_new_epoch_with_all_values(pair):
    async with connected(PairConsumer) as socket:
        before = await receive_change(socket)
        await pair.adispatch("pair.left")
        await receive_change(socket)

        with pytest.raises(CastFailed):
            pair.cast("crash")

        after = await receive_change(socket)
        assert after["epoch"] != before["epoch"]
        assert after["changes"] == {"left_changed": 0, "right_changed": 0}
        assert "resume" not in after


async def test_a_method_of_the_events_name_gets_the_value(pair):
    async with connected(OwnMethodConsumer) as socket:
        assert await socket.receive_json_from() == {"own": 0}
        assert (await receive_change(socket))["changes"] == {"right_changed": 0}

        await pair.adispatch("pair.both")

        assert await socket.receive_json_from() == {"own": 1}
        assert (await receive_change(socket))["changes"] == {"right_changed": 1}


async def test_a_method_that_raises_closes_its_own_connection_only(pair, caplog):
    class Raising(PairConsumer):
        async def left_changed(self, value):
            raise LookupError("as asked")

    async with connected(PairConsumer) as other, connected(Raising) as socket:
        assert await close_code(socket) == 4011
        await receive_change(other)
        await pair.adispatch("pair.left")
        assert (await receive_change(other))["changes"] == {"left_changed": 1}
    assert "Raising cannot push" in caplog.text


async def test_a_selector_that_leads_nowhere_is_a_server_error(pair, caplog):
    async with connected(BadSelectorConsumer) as socket:
        assert await close_code(socket) == 4011
    assert "BadSelectorConsumer cannot subscribe" in caplog.text


async def test_a_value_that_is_no_plain_data_is_a_server_error(caplog):
    class Odd(SessionProcess):
        def init_state(self, args):
            return {"odd": object()}

    class OddConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
        subscriptions = {"odd_changed": "odd"}

    await sessions.astart_session(ID, Odd)

    async with connected(OddConsumer) as socket:
        assert await close_code(socket) == 4011
    assert "OddConsumer cannot push" in caplog.text


async def test_structs_are_sent_as_plain_data():
    class Item(msgspec.Struct, frozen=True):
        name: str

    class Box(SessionProcess):
        def init_state(self, args):
            return {"item": Item("pen")}

    class BoxConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
        subscriptions = {"item_changed": "item"}

    await sessions.astart_session(ID, Box)

    async with connected(BoxConsumer) as socket:
        assert (await receive_change(socket))["changes"] == {"item_changed": {"name": "pen"}}


async def test_beyond_the_window_values_are_conflated_and_the_last_one_arrives(counter):
    async with connected(CounterConsumer) as socket:
        last = await fill_window(socket, counter)
        for _ in range(100):
            await counter.adispatch("counter.add")

        await acknowledge(socket, last["seq"])

        frame = await socket.receive_json_from()
        assert frame["seq"] == WINDOW + 1
        assert frame["version"] == counter.version
        assert frame["changes"] == {"count_changed": counter.version}


async def test_an_answer_waits_for_the_window_too(counter):
    async with connected(CounterConsumer) as socket:
        last = await fill_window(socket, counter)
        await dispatch(socket, "counter.add", ref=7)

        await acknowledge(socket, last["seq"])

        state, answer = await socket.receive_json_from(), await socket.receive_json_from()
        assert [(frame["type"], frame["seq"]) for frame in (state, answer)] == [
            ("state", WINDOW + 1),
            ("ok", WINDOW + 2),
        ]


async def test_a_client_that_does_not_keep_up_is_closed(counter):
    async with connected(ImpatientConsumer) as socket:
        await fill_window(socket, counter)

        assert await close_code(socket) == 4408


async def test_a_slow_client_does_not_slow_down_another(counter):
    async with connected(CounterConsumer) as slow, connected(CounterConsumer) as quick:
        await receive_change(quick)
        for expected in range(1, 3 * WINDOW):
            await counter.adispatch("counter.add")
            assert (await receive_change(quick))["changes"] == {"count_changed": expected}
        assert [(await slow.receive_json_from())["seq"] for _ in range(WINDOW)] == list(range(1, WINDOW + 1))


async def test_nothing_is_left_behind_when_the_server_cancels_the_application(counter):
    socket = plug(CounterConsumer)
    before = asyncio.all_tasks()
    await socket.connect()
    await receive_change(socket)
    assert (await sessions.asession_stats()).subscribers == 1

    ours = asyncio.all_tasks() - before
    socket.future.cancel()
    await asyncio.wait(ours)

    assert (await sessions.asession_stats()).subscribers == 0
    assert asyncio.all_tasks() == before


async def test_nothing_is_left_behind_after_a_disconnect(counter):
    before = asyncio.all_tasks()

    async with connected(CounterConsumer) as socket:
        await receive_change(socket)

    assert (await sessions.asession_stats()).subscribers == 0
    assert {task for task in asyncio.all_tasks() - before if not task.cancelling()} == set()


OF_THE_CLASS = ["close", "send", "groups", "receive_json", "allowed_actions", "_outbox", "__class__"]
OF_EACH = ["scope", "channel_layer", "channel_name", "channel_receive", "base_send", "session_process", "_allowance"]


@pytest.mark.parametrize("event", [*OF_THE_CLASS, *OF_EACH])
def test_an_event_may_not_be_called_as_something_that_a_consumer_has_already(event):
    with pytest.raises(TypeError, match=f"subscriptions has '{event}', which every consumer has: choose another name"):
        type("Wrong", (PairConsumer,), {"subscriptions": {event: "pair.left"}})
