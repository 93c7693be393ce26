"""What the engine holds may be corrupt, foreign, of another time or too large: an error of that session alone."""

import contextlib

import msgspec
import pytest
from shared.lab import Count, Room, Tally, replica

import phoenix_sessions
from phoenix_sessions import InvalidSnapshot, NotSerializable, Reducer, SessionProcess, StateTooLarge, on
from phoenix_sessions.backends import codec
from phoenix_sessions.backends.base import Point, Record
from phoenix_sessions.shared.birth import decode_birth
from phoenix_sessions.snapshot import Snapshot


def rewrite(backend, id="room", **changes):
    """Put something else into the engine in place of what it has of a session."""
    held = backend.sessions[id]
    held.record = msgspec.structs.replace(held.record, **changes)


def next_version(backend, id="room"):
    epoch, version = backend.sessions[id].record.at
    return Point(epoch, version + 1)


def state_of(slices, *, format=1, schema=1):
    return msgspec.msgpack.encode(
        Snapshot(format, schema, {name: codec.encode(value, name) for name, value in slices.items()})
    )


GOOD = {"tally": ("kept",), "count": 3}

BAD_STATES = {
    "no bytes": b"",
    "noise": b"\xc1\xff\x00",
    "another structure": msgspec.msgpack.encode({"slices": 1}),
    "a newer format": state_of(GOOD, format=9),
    "a newer schema": state_of(GOOD, schema=9),
    "a slice that is no data": msgspec.msgpack.encode(Snapshot(1, 1, {"tally": b"\xc1", "count": b"\x01"})),
    "a slice that is None": state_of({**GOOD, "tally": None}),
}


@pytest.mark.parametrize("state", BAD_STATES.values(), ids=BAD_STATES)
def test_a_state_that_cannot_be_read_is_an_error_of_that_session_only(here, there, backend, state):
    here.start_session("room", Room)
    here.start_session("other", Room)
    rewrite(backend, state=state)
    with pytest.raises(InvalidSnapshot):
        there.ref("room").get_state()
    assert there.ref("other").dispatch("tally.add", 1) == 1


@pytest.mark.parametrize("state", BAD_STATES.values(), ids=BAD_STATES)
def test_a_cached_session_whose_state_becomes_unreadable_says_so_at_every_use(here, backend, state):
    ref = here.start_session("room", Room)
    rewrite(backend, state=state, at=next_version(backend))
    for _ in range(3):
        with pytest.raises(InvalidSnapshot):
            ref.get_state()
    with pytest.raises(InvalidSnapshot):
        ref.dispatch("tally.add", 1)


BAD_BIRTHS = {
    "noise": b"\xc1",
    "another structure": msgspec.msgpack.encode([1, 2]),
    "a class that is not there": msgspec.msgpack.encode(
        ["testsite.gone.Room", codec.encode(None, "args"), 60.0, None, 0.0]
    ),
    "a class of no app": msgspec.msgpack.encode(["os.path.Room", codec.encode(None, "args"), 60.0, None, 0.0]),
    "no class": msgspec.msgpack.encode(["phoenix_sessions.sessions", codec.encode(None, "args"), 60.0, None, 0.0]),
}


@pytest.mark.parametrize("birth", BAD_BIRTHS.values(), ids=BAD_BIRTHS)
def test_a_session_of_an_unknown_birth_cannot_be_read_but_is_there_and_can_end(here, there, backend, birth):
    here.start_session("room", Room)
    rewrite(backend, birth=birth)
    with pytest.raises(InvalidSnapshot):
        there.ref("room").dispatch("tally.add", 1)
    assert there.started("room")
    there.terminate("room")
    assert not there.started("room")


def test_a_module_that_fails_to_import_is_an_error_of_the_session(here, there, backend, tmp_path, monkeypatch):
    monkeypatch.setattr(phoenix_sessions, "__path__", [*phoenix_sessions.__path__, str(tmp_path)])
    (tmp_path / "broken_rooms.py").write_text("raise RuntimeError('as asked')")
    here.start_session("room", Room)
    birth = decode_birth(backend.sessions["room"].record.birth)
    rewrite(
        backend,
        birth=msgspec.msgpack.encode(msgspec.structs.replace(birth, process="phoenix_sessions.broken_rooms.Room")),
    )
    with pytest.raises(InvalidSnapshot, match="broken_rooms"):
        there.ref("room").get_state()


def test_a_notice_that_cannot_be_read_has_the_session_look_again(here, there, backend, settled):
    ref = here.start_session("room", Room)
    ref.subscribe(receiver=lambda *_: None)
    settled()
    held = backend.sessions["room"]
    held.record = Record(next_version(backend), held.record.birth, state_of(GOOD))
    backend.tell("room", b"\xc1 what a newer release says")
    settled()
    assert ref.state["count"] == 3


def test_a_watched_session_whose_newest_state_is_unreadable_is_not_taken_for_fresh(here, backend, settled):
    ref = here.start_session("room", Room)
    ref.subscribe(receiver=lambda *_: None)
    settled()
    rewrite(backend, state=b"\xc1", at=next_version(backend))
    backend.tell("room", b"something")
    settled()
    with pytest.raises(InvalidSnapshot):
        ref.get_state()


def test_a_notice_with_a_piece_that_is_no_data_is_not_taken_for_fresh(here, backend, settled):
    from phoenix_sessions.shared.notices import Changed, encode

    ref = here.start_session("room", Room)
    ref.subscribe(receiver=lambda *_: None)
    settled()
    (epoch, version), last = backend.sessions["room"].record.at, backend.sessions["room"].record.last
    rewrite(backend, state=state_of(GOOD), at=next_version(backend))
    backend.tell("room", encode(Changed(epoch, version, last, version + 1, b"01234567", 1, {"tally": b"\xc1"})))
    settled()
    assert (ref.get_state("count"), ref.version) == (3, 1)


class Old(SessionProcess):
    reducers = [Tally, Count]
    schema_version = 1


def grown(old):
    """A later release of a process class: under the same name, with another schema and another slice."""

    class Extra(Reducer):
        name = "extra"

        def init_state(self):
            return "new"

        @on("set")
        def set(self, action, state):
            return action.payload

    class New(SessionProcess):
        reducers = [Tally, Count, Extra]
        schema_version = 2

        @classmethod
        def migrate(cls, state, version):
            return {**state, "tally": (*state["tally"], "migrated"), "extra": "grown"}

    New.__module__, New.__qualname__ = old.__module__, old.__qualname__
    return New


@pytest.fixture
def deploy(monkeypatch):
    from phoenix_sessions.shared import processes

    deployed = []  # which keeps the classes, as their modules would

    def deploy(old):
        new = grown(old)
        deployed.append(new)
        monkeypatch.setitem(processes._processes, f"{old.__module__}.{old.__qualname__}", new)
        return new

    return deploy


def test_a_state_of_an_older_schema_is_migrated_and_kept_whole(here, there, start_worker, backend, deploy):
    here.start_session("room", Old).dispatch("tally.add", "a")
    here.ref("room").dispatch("count.up")
    deploy(Old)
    assert there.ref("room").get_state() == {"tally": ("a", "migrated"), "count": 1, "extra": "grown"}
    there.ref("room").dispatch("count.up")
    third = start_worker(backend)
    assert third.ref("room").get_state() == {"tally": ("a", "migrated"), "count": 2, "extra": "grown"}


def test_a_worker_of_the_older_schema_refuses_the_newer_one(here, there, deploy, settled):
    ref = here.start_session("room", Old)
    ref.subscribe(receiver=lambda *_: None)
    settled()
    deploy(Old)
    there.ref("room").dispatch("tally.add", "new")
    settled()
    with pytest.raises(InvalidSnapshot, match="schema version 2"):
        ref.get_state()
    with pytest.raises(InvalidSnapshot):
        ref.dispatch("tally.add", "old")
    assert there.ref("room").get_state("tally") == ("migrated", "new")


def test_a_slice_that_is_mounted_later_begins_as_it_does_and_is_kept(here, there, start_worker, backend, deploy):
    here.start_session("room", Old).dispatch("count.up")
    deploy(Old).schema_version = 1
    assert there.ref("room").get_state("extra") == "new"
    there.ref("room").dispatch("extra.set", "set")
    assert start_worker(backend).ref("room").get_state() == {"tally": (), "count": 1, "extra": "set"}


class Point3(msgspec.Struct, frozen=True):
    x: int
    label: str = ""


class Typed(Reducer):
    name = "typed"
    state_type = Point3

    def init_state(self):
        return Point3(0)

    @on("move")
    def move(self, action, state):
        return Point3(state.x + action.payload, state.label)

    @on("spoil")
    def spoil(self, action, state):
        return {"x": 1}


class TypedRoom(SessionProcess):
    reducers = [Typed]


def test_a_declared_type_comes_back_as_it_was(here, there):
    here.start_session("room", TypedRoom).dispatch("typed.move", 2)
    assert there.ref("room").get_state("typed") == Point3(2)
    there.ref("room").dispatch("typed.move", 3)
    assert here.ref("room").get_state("typed") == Point3(5)


def test_what_is_not_of_the_declared_type_never_gets_into_the_engine(here):
    ref = here.start_session("room", TypedRoom)
    with pytest.raises(NotSerializable, match="typed"):
        ref.dispatch("typed.spoil")
    assert ref.get_state("typed") == Point3(0)


def test_a_slice_of_the_wrong_type_is_named(here, there, backend):
    here.start_session("room", TypedRoom)
    rewrite(backend, state=state_of({"typed": {"x": "no number"}}))
    with pytest.raises(InvalidSnapshot, match="typed"):
        there.ref("room").get_state()


def test_what_cannot_be_written_fails_alone(here):
    ref = here.start_session("room", Room)
    with pytest.raises(NotSerializable):
        ref.dispatch("tally.add", object())
    with pytest.raises(NotSerializable):
        ref.call(("put", "own", object()))
    assert ref.dispatch("tally.add", 1) == 1


def test_half_of_a_surrogate_pair_anywhere_fails_alone(here):
    ref = here.start_session("room", Room)
    for type, payload, meta in [("tally.add", "\ud800", None), ("tally.add", 1, {"\ud800": 1}), ("\ud800", 1, None)]:
        with pytest.raises(NotSerializable):
            ref.dispatch(type, payload, meta=meta)
    assert ref.dispatch("tally.add", 1) == 1


def test_args_that_are_no_plain_data_start_nothing(here):
    with pytest.raises(NotSerializable, match="args"):
        here.start_session("room", Room, args=object())
    assert not here.started("room")


# -- size --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(configure):
    configure(MAX_STATE_BYTES=200)


def test_a_state_that_is_too_large_is_refused_and_the_one_before_stays(small, here):
    ref = here.start_session("room", Room)
    with pytest.raises(StateTooLarge) as caught:
        ref.dispatch("tally.add", "x" * 300)
    assert (caught.value.session_id, caught.value.limit) == ("room", 200)
    assert ref.dispatch("tally.add", "y") == 1


def test_a_start_with_a_state_that_is_too_large_starts_nothing(small, here):
    class Large(SessionProcess):
        def init_state(self, args):
            return {"own": "x" * 300}

    with pytest.raises(StateTooLarge):
        here.start_session("room", Large)
    assert not here.started("room")


def test_the_limit_is_exact(configure, here, start_worker, backend):
    ref = here.start_session("room", Room)
    ref.dispatch("tally.add", "x" * 100)
    size = len(backend.sessions["room"].record.state)
    for limit, fits in [(size, True), (size - 1, False)]:
        configure(MAX_STATE_BYTES=limit)
        worker = start_worker(type(backend)({}, backend._clock))
        ref = worker.start_session("room", Room)
        if fits:
            assert ref.dispatch("tally.add", "x" * 100) == 1
        else:
            with pytest.raises(StateTooLarge) as caught:
                ref.dispatch("tally.add", "x" * 100)
            assert caught.value.size == size


@pytest.mark.parametrize("name", ["ä" * 40, "k" * 40])
def test_an_own_key_with_a_long_name_counts_with_all_its_bytes(configure, start_worker, backend, name):
    configure(MAX_STATE_BYTES=250)
    ref = start_worker(backend).start_session("room", Room)
    with contextlib.suppress(StateTooLarge):
        for each in range(10):
            ref.call(("put", f"{name}{each}", 1))
    assert len(backend.sessions["room"].record.state) <= 250
    ref.call(("drop", f"{name}0"))


def test_who_is_unreadable_leaves_no_trace_in_memory(here, there, backend):
    here.start_session("room", Room)
    rewrite(backend, state=b"\xc1")
    with pytest.raises(InvalidSnapshot):
        there.ref("room").get_state()
    assert replica(there) is None
