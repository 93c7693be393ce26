"""Snapshots: what is in them, whom they fit, and what a session does with one."""

import contextlib
import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions import (
    CallFailed,
    InvalidSnapshot,
    NotSerializable,
    Reducer,
    Restart,
    SessionProcess,
    on,
    sessions,
)
from phoenix_sessions.core.mounts import Mounts
from phoenix_sessions.snapshot import FORMAT, Snapshot, restore, take


class Struct(msgspec.Struct, frozen=True):
    when: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    price: Decimal = Decimal("1.10")
    tags: tuple[str, ...] = ("a", "b")
    seen: frozenset[int] = frozenset({1, 2})


class Wider(Struct, frozen=True):
    more: int = 1


@dataclasses.dataclass(frozen=True)
class Data:
    items: tuple[Struct, ...] = (Struct(),)


class Typed(TypedDict):
    first: Struct
    count: int


def mounted(name, kind=None, first=()):
    """Return a reducer class of a slice that any action sets to its payload."""

    class Box(Reducer, abstract=True):
        def init_state(self):
            return first

        @on("set")
        def set(self, action, state):
            return action.payload

    return type(name, (Box,), {"name": name, "state_type": kind})


def process(*reducers, **attributes):
    return type("Room", (SessionProcess,), {"reducers": list(reducers), **attributes})


def start(*reducers, state=None, **attributes):
    """Return a session whose slices are set to the state."""
    ref = sessions.start_session("first", process(*reducers, **attributes))
    for name, value in (state or {}).items():
        ref.dispatch(f"{name}.set", value)
    return ref


# -- declared types ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Struct, Struct(tags=())),
        (Data, Data((Struct(), Struct(seen=frozenset())))),
        (Typed, {"first": Struct(), "count": 3}),
        (dict[str, Struct], {"one": Struct()}),
        (dict[int, tuple[int, ...]], {1: (2, 3)}),
        (tuple[Struct, ...], (Struct(),)),
        (Struct | int, 5),
        (Struct | int, Struct()),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_a_declared_type_comes_back_as_it_was(kind, value):
    box = mounted("box", kind, value)
    ref = start(box)
    restored = sessions.start_session("second", process(box), snapshot=ref.snapshot())
    assert restored.state.box == value
    assert type(restored.state.box) is type(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Struct, {"when": 1}),
        (Struct, {"price": "1.10"}),
        (Struct, Wider()),
        (Struct, object()),
        (Struct, 5),
        (list[int], (1, 2)),
        (Any, 2**80),
        (dict[str, Any], {"big": 2**80}),
        (dict[str, Any], {"half": "\ud800"}),
        (object, Struct()),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_what_does_not_go_with_its_declared_type_is_refused(kind, value):
    ref = start(mounted("box", kind), state={"box": value})
    with pytest.raises(NotSerializable, match="state_type") as caught:
        ref.snapshot()
    assert (caught.value.slice, caught.value.path) == ("box", "box")
    assert ref.started()


@pytest.mark.parametrize("kind", [Struct, Data, int, type("Own", (), {})], ids=repr)
def test_a_snapshot_that_does_not_fit_a_declared_type_is_refused(kind):
    data = start(mounted("box"), state={"box": {"price": [], "items": 1}}).snapshot()
    with pytest.raises(InvalidSnapshot, match="'box'"):
        sessions.start_session("second", process(mounted("box", kind)), snapshot=data)
    assert not sessions.started("second")


# -- plain data --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"items": [{"price": object()}]}, "box.items.0.price"),
        (Struct(), "box"),
        (["\ud800"], "box"),
    ],
)
def test_what_is_no_plain_data_is_named_by_its_path(value, path):
    ref = start(mounted("box"), state={"box": value})
    with pytest.raises(NotSerializable) as caught:
        ref.snapshot()
    assert (caught.value.slice, caught.value.path) == ("box", path)
    assert path in str(caught.value)


@pytest.mark.parametrize("key", ["title", "\ud800"])
def test_an_own_key_with_what_is_no_plain_data_is_named(key):
    ref = start(mounted("box"))
    ref.cast(("put", key, object()))
    with pytest.raises(NotSerializable) as caught:
        ref.snapshot()
    assert caught.value.slice == key


def test_an_own_key_that_is_no_text_is_refused():
    ref = start(mounted("box"))
    ref.cast(("put", "\ud800", 1))
    with pytest.raises(NotSerializable):
        ref.snapshot()


# -- the shape of the state --------------------------------------------------------------------------------------------


def test_own_keys_go_along_and_what_the_snapshot_has_goes_before_init_state():
    class Room(SessionProcess):
        reducers = [mounted("box")]

        def init_state(self, args):
            return {"title": args, "fresh": args}

    ref = sessions.start_session("first", Room, "one")
    ref.cast(("delete", "fresh"))
    ref.cast(("put", "extra", (1, {2})))
    restored = sessions.start_session("second", Room, "two", snapshot=ref.snapshot())
    assert restored.state == {"box": (), "title": "one", "fresh": "two", "extra": (1, {2})}


def test_a_new_slice_begins_as_it_does_and_one_that_is_gone_stays_as_an_own_key():
    data = start(mounted("old"), mounted("kept"), state={"old": 1, "kept": 2}).snapshot()
    restored = sessions.start_session("second", process(mounted("kept"), mounted("new", first=3)), snapshot=data)
    assert restored.state == {"kept": 2, "new": 3, "old": 1}
    assert restored.call(("get", "old")) == 1
    restored.cast(("delete", "old"))
    assert "old" not in restored.state


def test_a_restart_begins_from_the_snapshot_again():
    class Fragile(SessionProcess):
        reducers = [mounted("box")]
        restart = Restart.PERMANENT

        def handle_call(self, request, state):
            raise ValueError("as asked")

    data = start(mounted("box"), state={"box": 7}).snapshot()
    restored = sessions.start_session("second", Fragile, snapshot=data)
    restored.dispatch("box.set", 8)
    with pytest.raises(CallFailed):
        restored.call("crash")
    assert restored.state.box == 7
    assert restored.version == 0


def test_the_restored_state_is_version_0_of_its_history():
    data = start(mounted("box"), state={"box": 7}).snapshot()
    restored = sessions.start_session("second", process(mounted("box")), snapshot=data)
    restored.dispatch("box.set", 8)
    restored.undo()
    assert restored.state.box == 7


async def test_the_async_twins():
    room = process(mounted("box"))
    ref = await sessions.astart_session("first", room)
    await ref.adispatch("box.set", (1, 2))
    data = await ref.asnapshot()
    for start_session in (sessions.astart_session, sessions.aget_or_start):
        restored = await start_session(f"{start_session.__name__}", room, snapshot=data)
        assert restored.state.box == (1, 2)
    await ref.adispatch("box.set", object())
    with pytest.raises(NotSerializable):
        await ref.asnapshot()


# -- versions ----------------------------------------------------------------------------------------------------------


def test_migrate_gets_plain_data_and_the_version_and_what_it_returns_is_restored():
    seen = []

    class Today(SessionProcess):
        reducers = [mounted("box", Struct, Struct())]
        schema_version = 3

        @classmethod
        def migrate(cls, state, version):
            seen.append((state, version))
            return {"box": {"price": state["crate"]}, "title": "migrated"}

    data = start(mounted("crate"), state={"crate": Decimal("2.50")}, schema_version=2).snapshot()
    restored = sessions.start_session("second", Today, snapshot=data)
    assert seen == [({"crate": Decimal("2.50")}, 2)]
    assert restored.state == {"box": Struct(price=Decimal("2.50")), "title": "migrated"}


def test_todays_version_is_not_migrated_and_another_without_migrate_is_refused():
    box = mounted("box")
    data = start(box, state={"box": 1}, schema_version=2).snapshot()
    assert sessions.start_session("second", process(box, schema_version=2), snapshot=data).state.box == 1
    for number in (1, 3):
        with pytest.raises(InvalidSnapshot, match="schema version 2"):
            sessions.start_session("third", process(box, schema_version=number), snapshot=data)


@pytest.mark.parametrize("migrated", [None, 5, [("box", 1)], {"box": None}, {1: 2}], ids=repr)
def test_a_migration_to_what_is_no_state_is_refused(migrated):
    box = mounted("box")
    data = start(box, schema_version=2).snapshot()
    today = process(box, migrate=classmethod(lambda cls, state, version: migrated))
    with pytest.raises(InvalidSnapshot):
        sessions.start_session("second", today, snapshot=data)
    assert not sessions.started("second")


def test_what_migrate_raises_reaches_who_starts():
    data = start(mounted("box"), schema_version=2).snapshot()

    def migrate(cls, state, version):
        raise LookupError("as asked")

    with pytest.raises(LookupError, match="as asked"):
        sessions.start_session("second", process(mounted("box"), migrate=classmethod(migrate)), snapshot=data)
    assert not sessions.started("second")


# -- bytes that are no snapshot ----------------------------------------------------------------------------------------

ROOM = process(mounted("box"))
MOUNTS = Mounts(ROOM.reducers)
GOOD = take(ROOM, MOUNTS, {"box": {"a": (1, {2})}})


@given(st.binary(max_size=100))
def test_random_bytes_are_an_invalid_snapshot(data):
    with pytest.raises(InvalidSnapshot):
        restore(ROOM, MOUNTS, data)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_one_wrong_byte_is_a_snapshot_or_an_invalid_one(at, byte):
    with contextlib.suppress(InvalidSnapshot):
        assert restore(ROOM, MOUNTS, GOOD[:at] + bytes([byte]) + GOOD[at + 1 :])


@pytest.mark.parametrize("cut", range(len(GOOD)))
def test_a_part_is_an_invalid_snapshot(cut):
    with pytest.raises(InvalidSnapshot):
        restore(ROOM, MOUNTS, GOOD[:cut])


@pytest.mark.parametrize("data", [GOOD + b"\0", "text", 5, memoryview(b"")], ids=repr)
def test_something_else_is_an_invalid_snapshot(data):
    with pytest.raises(InvalidSnapshot):
        sessions.start_session("second", ROOM, snapshot=data)


@pytest.mark.parametrize("snapshot", [Snapshot(FORMAT + 1, 1, {}), Snapshot(0, 1, {}), Snapshot(FORMAT, "1", {})])
def test_another_format_is_an_invalid_snapshot(snapshot):
    with pytest.raises(InvalidSnapshot):
        restore(ROOM, MOUNTS, msgspec.msgpack.encode(snapshot))


def test_a_slice_that_is_none_is_an_invalid_snapshot():
    data = take(ROOM, MOUNTS, {"box": None})
    with pytest.raises(InvalidSnapshot, match="box"):
        sessions.start_session("second", ROOM, snapshot=data)
