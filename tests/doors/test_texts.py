"""A frame that many sockets are told is encoded once; what differs between them does not get mixed up."""

import asyncio
import contextlib
import gc
import json
import weakref
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from doors.sockets import ID, acknowledge, connected
from phoenix_sessions import Reducer, SessionProcess, on, sessions, texts
from phoenix_sessions.consumers import SessionConsumerMixin
from phoenix_sessions.frames import StateFrame
from phoenix_sessions.testing import receive_change
from phoenix_sessions.texts import MAX_TEXTS

SOCKETS = 30


class CountingZone(tzinfo):
    """UTC; counts how often a time in it is encoded."""

    def __init__(self):
        self.encoded = 0

    def utcoffset(self, when):
        self.encoded += 1
        return timedelta(0)


class Clock(Reducer):
    name = "clock"

    def init_state(self):
        return {"at": None, "other": 0}

    @on("set")
    def set(self, action, state):
        return {**state, "at": action.payload}

    @on("other")
    def change_other(self, action, state):
        return {**state, "other": state["other"] + 1}


class ClockSession(SessionProcess):
    reducers = [Clock]


class ClockConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"at_changed": "clock.at", "other_changed": "clock.other"}


class OtherNamesConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"time_changed": "clock.at"}


class OwnMethodConsumer(ClockConsumer):
    async def other_changed(self, value):
        pass


@pytest.fixture
def zone():
    return CountingZone()


@pytest.fixture
async def clock_session(own_sessions):
    return await sessions.astart_session(ID, ClockSession)


@contextlib.asynccontextmanager
async def many(*consumers, count=SOCKETS):
    """Connect as many sockets, of these consumers by turns; their first frames have come."""
    async with contextlib.AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(connected(consumers[number % len(consumers)])) for number in range(count)
        ]
        for socket in sockets:
            await receive_change(socket)
        yield sockets


def told(zone, second=0):
    return datetime(2026, 1, 1, 0, 0, second, tzinfo=zone)


async def test_one_commit_is_encoded_once_for_all_sockets(clock_session, zone):
    async with many(ClockConsumer) as sockets:
        await clock_session.adispatch("clock.set", told(zone))
        frames = [await receive_change(socket) for socket in sockets]

    assert zone.encoded == 1
    assert {json.dumps(frame["changes"]) for frame in frames} == {'{"at_changed": "2026-01-01T00:00:00Z"}'}


async def test_a_commit_of_another_thread_too(clock_session, zone):
    async with many(ClockConsumer) as sockets:
        await asyncio.to_thread(clock_session.dispatch, "clock.set", told(zone))
        frames = [await receive_change(socket) for socket in sockets]

    assert zone.encoded == 1
    assert {frame["version"] for frame in frames} == {1}


async def test_each_commit_is_encoded_anew(clock_session, zone):
    async with many(ClockConsumer, count=3) as sockets:
        for second in range(5):
            await clock_session.adispatch("clock.set", told(zone, second))
            frames = [await receive_change(socket) for socket in sockets]
            assert {frame["changes"]["at_changed"] for frame in frames} == {f"2026-01-01T00:00:0{second}Z"}

    assert zone.encoded == 5


async def test_consumers_that_differ_share_among_their_like(clock_session, zone):
    async with many(ClockConsumer, OtherNamesConsumer) as sockets:
        await clock_session.adispatch("clock.set", told(zone))
        frames = [await receive_change(socket) for socket in sockets]

    assert zone.encoded == 2
    assert [list(frame["changes"]) for frame in frames] == [["at_changed"], ["time_changed"]] * (SOCKETS // 2)


async def test_what_a_consumer_takes_itself_stays_out_of_its_frames_only(clock_session, zone):
    async with many(ClockConsumer, OwnMethodConsumer, count=4) as sockets:
        await clock_session.adispatch("clock.other")
        await clock_session.adispatch("clock.set", told(zone))
        last = [(await receive_until_at(socket))["changes"] for socket in sockets]

    assert [set(changes) for changes in last[1::2]] == [{"at_changed"}, {"at_changed"}]


async def receive_until_at(socket):
    while "at_changed" not in (frame := await receive_change(socket))["changes"]:
        pass
    return frame


async def test_every_socket_keeps_its_own_numbers(clock_session, zone):
    async with connected(ClockConsumer) as early:
        await early.receive_json_from()
        await clock_session.adispatch("clock.other")
        await early.receive_json_from()
        async with connected(ClockConsumer) as late:
            await late.receive_json_from()
            await clock_session.adispatch("clock.set", told(zone))
            numbers = [(await socket.receive_json_from())["seq"] for socket in (early, late)]

    assert (numbers, zone.encoded) == ([3, 2], 1)


async def test_a_socket_that_missed_a_commit_is_told_more_than_the_others(clock_session, zone):
    async with connected(ClockConsumer) as slow, connected(ClockConsumer) as quick:
        await receive_change(quick)
        frame = await slow.receive_json_from()
        while frame["seq"] < 16:  # its window is full now
            await clock_session.adispatch("clock.other")
            await receive_change(quick)
            frame = await slow.receive_json_from()
        await clock_session.adispatch("clock.other")
        await receive_change(quick)

        await clock_session.adispatch("clock.set", told(zone))
        await acknowledge(slow, 16)

        assert list((await receive_change(quick))["changes"]) == ["at_changed"]
        assert set((await receive_change(slow))["changes"]) == {"at_changed", "other_changed"}


async def test_two_sessions_at_one_version_are_told_their_own(own_sessions, zone):
    first, second = [await sessions.astart_session(letter * 32, ClockSession) for letter in "ab"]
    async with connected(ClockConsumer, id="a" * 32) as one, connected(ClockConsumer, id="b" * 32) as other:
        seen = [(await receive_change(socket))["epoch"] for socket in (one, other)]
        at = told(zone)
        await first.adispatch("clock.set", at)
        await second.adispatch("clock.set", at)
        frames = [await receive_change(socket) for socket in (one, other)]

    assert [frame["epoch"] for frame in frames] == seen == [first.epoch, second.epoch]


async def test_equal_values_that_are_other_objects_are_encoded_as_what_they_are():
    shared = texts.texts()

    said = [shared.encode(StateFrame(1, 7, 7, {"value": value})) for value in (1, True, 1.0)]

    assert [json.dumps(json.loads(text)["changes"]["value"]) for text in said] == ["1", "true", "1.0"]


class Large(dict):
    """A value whose life can be followed."""


def followed(value):
    """Return whether the value still lives, as a question."""
    return weakref.ref(value)


async def test_the_next_commit_lets_go_of_the_values_of_the_last_one():
    shared = texts.texts()
    value = Large(number=1)
    alive = followed(value)
    shared.encode(StateFrame(1, 7, 7, {"value": value}))
    del value
    gc.collect()
    assert alive() is not None

    shared.encode(StateFrame(1, 7, 8, {"value": None}))

    gc.collect()
    assert alive() is None


async def test_only_a_few_values_are_kept():
    shared = texts.texts()
    values = [Large(number=number) for number in range(MAX_TEXTS + 3)]
    alive = [followed(value) for value in values]
    for value in values:
        shared.encode(StateFrame(1, 7, 7, {"value": value}))

    del values, value
    gc.collect()

    assert [each() is not None for each in alive] == [True] * MAX_TEXTS + [False] * 3


async def test_and_not_for_long(monkeypatch):
    monkeypatch.setattr(texts, "KEPT_FOR", 0)
    shared = texts.texts()
    value = Large(number=1)
    alive = followed(value)
    shared.encode(StateFrame(1, 7, 7, {"value": value}))
    del value

    for _ in range(3):  # turns of the loop
        await asyncio.sleep(0)

    assert alive() is None


async def test_a_value_that_cannot_be_encoded_leaves_nothing_behind():
    shared = texts.texts()

    for _ in range(2):
        with pytest.raises(TypeError):
            shared.encode(StateFrame(1, 7, 7, {"value": object()}))

    assert json.loads(shared.encode(StateFrame(1, 7, 7, {"value": datetime(2026, 1, 1, tzinfo=UTC)})))["version"] == 7
