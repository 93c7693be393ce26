"""Snapshots: the state of a session as bytes, and a session that goes on from them."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from phoenix_sessions import InvalidSnapshot, NotSerializable, Reducer, SessionProcess, on, sessions


class Box(Reducer):
    name = "box"

    @on("put")
    def put(self, action, state):
        return {**state, **action.payload}


class Room(SessionProcess):
    reducers = [Box]

    def init_state(self, args):
        return {"title": args}


def filled(content, process=Room, id="first"):
    ref = sessions.start_session(id, process, "title")
    ref.dispatch("box.put", content)
    return ref


def test_a_session_goes_on_from_a_snapshot():
    data = filled({"tea": 3}).snapshot()
    assert isinstance(data, bytes)
    restored = sessions.start_session("second", Room, "another title", snapshot=data)
    assert restored.get_state() == {"box": {"tea": 3}, "title": "title"}
    assert restored.version == 0
    assert restored.dispatch("box.put", {"milk": 1}) == 1


async def test_snapshots_have_async_twins():
    ref = await sessions.astart_session("first", Room)
    await ref.adispatch("box.put", {"tea": 3})
    restored = await sessions.astart_session("second", Room, snapshot=await ref.asnapshot())
    assert await restored.aget_state("box") == {"tea": 3}


VALUES = [
    None, True, -1, 2**80, 1.5, "text", b"bytes", [1, [2]], {"a": {"b": 1}}, {1: "one", (2, 3): "pair"},
    (1, (2, "x")), {1, 2}, frozenset({1}), datetime(2026, 1, 2, 3, 4, 5, 6, UTC), datetime(2026, 1, 2),
    date(2026, 1, 2), time(1, 2, 3), timedelta(days=-1, seconds=3), Decimal("1.10"), UUID(int=7),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_data_keeps_its_type(value):
    data = filled({"value": value}).snapshot()
    restored = sessions.start_session("second", Room, snapshot=data).get_state("box")["value"]
    assert restored == value
    assert repr(restored) == repr(value)


class Money(msgspec.Struct, frozen=True):
    amount: int
    currency: str = "EUR"


class Purse(Reducer):
    name = "purse"
    state_type = Money

    def init_state(self):
        return Money(0)

    @on("fill")
    def fill(self, action, state):
        return Money(state.amount + action.payload)


def test_a_slice_of_a_declared_type_is_restored_as_that_type():
    process = type("Shopper", (SessionProcess,), {"reducers": [Purse]})
    ref = sessions.start_session("first", process)
    ref.dispatch("purse.fill", 5)
    restored = sessions.start_session("second", process, snapshot=ref.snapshot())
    assert restored.get_state("purse") == Money(5)


def test_what_cannot_be_kept_is_named_by_slice_and_path():
    # in memory it is found when the snapshot is made, on a shared backend when the state is to be kept
    with pytest.raises(NotSerializable) as caught:
        filled({"list": [1, {"here": object()}]}).snapshot()
    assert caught.value.slice == "box"
    assert caught.value.path == "box.list.1.here"
    assert isinstance(caught.value, TypeError)


def test_an_older_schema_goes_through_migrate():
    data = filled({"tea": 3}).snapshot()

    class Newer(Room):
        schema_version = 2

        @classmethod
        def migrate(cls, state, version):
            assert version == 1
            return {**state, "box": {f"new {name}": count for name, count in state["box"].items()}}

    assert sessions.start_session("second", Newer, snapshot=data).get_state("box") == {"new tea": 3}


def test_an_older_schema_without_a_way_is_refused():
    data = filled({}).snapshot()
    with pytest.raises(InvalidSnapshot):
        sessions.start_session("second", type("Newer", (Room,), {"schema_version": 2}), snapshot=data)
    assert "second" not in sessions


@pytest.mark.parametrize("wrong", [b"", b"nonsense", b"\xc1", b"\x80"])
def test_what_is_no_snapshot_is_refused_and_starts_nothing(wrong):
    with pytest.raises(InvalidSnapshot) as caught:
        sessions.start_session("second", Room, snapshot=wrong)
    assert isinstance(caught.value, ValueError)
    assert "second" not in sessions


def test_a_snapshot_cut_short_is_refused():
    data = filled({"tea": 3}).snapshot()
    for length in range(len(data)):
        with pytest.raises(InvalidSnapshot):
            sessions.start_session("second", Room, snapshot=data[:length])
