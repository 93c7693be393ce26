"""Handlers that may run again, time travel, history and snapshots on shared state."""

import pytest
from shared.lab import Room, settle

from phoenix_sessions import (
    CallFailed,
    NoReply,
    Reducer,
    ReducerError,
    Reply,
    SessionProcess,
    VersionNotFound,
    effect,
    on,
)
from phoenix_sessions.shared.birth import path_of
from phoenix_sessions.shared.processes import _processes


@pytest.fixture
def ref(here):
    return here.start_session("room", Room)


@pytest.fixture
def far(ref, there):
    far = there.ref("room")
    far.get_state()
    return far


# -- handlers ----------------------------------------------------------------------------------------------------------


def test_a_handler_runs_again_on_the_newer_state(ref, far):
    far.call(("more",))
    assert ref.call(("more",)) == 2
    assert far.get_state("n") == 2


@pytest.mark.parametrize("verb", ["handle_call", "handle_cast"])
def test_an_async_handler_runs_again_on_the_newer_state(here, there, verb):
    class Async(Room):
        async def handle_call(self, request, state):
            return Reply(None, {**state, "n": state.get("n", 0) + 1})

        async def handle_cast(self, request, state):
            return NoReply({**state, "n": state.get("n", 0) + 1})

    here.start_session("room", Async)
    refs = [here.ref("room"), there.ref("room")]
    for _ in range(3):
        for ref in refs:
            ref.call("go") if verb == "handle_call" else ref.cast("go")
            settle(here, there)
    assert refs[0].get_state("n") == 6


def test_a_refusal_on_an_old_state_is_worked_out_on_the_newest(here, there):
    class Door(Room):
        def handle_call(self, request, state):
            if request == "open":
                return Reply(None, {**state, "open": True})
            if not state.get("open"):
                raise CallFailed(request, "it is closed")
            return Reply("in")

    here.start_session("room", Door)
    far = there.ref("room")
    far.get_state()
    here.ref("room").call("open")
    assert far.call("enter") == "in"


def test_a_crash_on_an_old_state_is_worked_out_on_the_newest(here, there):
    class Shelf(Room):
        def handle_call(self, request, state):
            if request == "put":
                return Reply(None, {**state, "book": 1})
            return Reply(state["book"])

    here.start_session("room", Shelf)
    far = there.ref("room")
    far.get_state()
    here.ref("room").call("put")
    assert far.call("take") == 1


def test_effects_of_an_answer_start_once_though_the_handler_ran_again(here, there):
    started = []

    class Work(Reducer):
        name = "work"

        def init_state(self):
            return 0

        @on("done")
        def done(self, action, state):
            return state + 1

        @effect("begin")
        def begin(self, action, dispatch, state):
            started.append(action.payload)
            dispatch("work.done")

    class Worker(SessionProcess):
        reducers = [Work]

        def handle_call(self, request, state):
            return Reply(None, {**state, "n": state.get("n", 0) + 1}, effects=[("work.begin", request)])

    here.start_session("room", Worker)
    there.ref("room").call("far")
    here.ref("room").call("near")
    settle(here, there)
    assert sorted(started) == ["far", "near"]
    assert here.ref("room").get_state("work") == 2


# -- time travel -------------------------------------------------------------------------------------------------------


def test_one_worker_takes_back_what_another_did(ref, far):
    ref.dispatch("tally.add", 1)
    far.dispatch("tally.add", 2)
    assert ref.undo() == 3
    assert far.get_state("tally") == (1,)
    assert far.redo() == 4
    assert ref.get_state("tally") == (1, 2)


def test_undo_by_turns_goes_back_step_by_step(ref, far):
    for each in range(3):
        ref.dispatch("tally.add", each)
    for ref_, left in [(far, (0, 1)), (ref, (0,)), (far, ())]:
        ref_.undo()
        assert ref_.get_state("tally") == left  # the other may hear of it a moment later
    with pytest.raises(VersionNotFound):
        ref.undo()


def test_a_worker_travels_to_a_version_that_it_has_not_seen(ref, far):
    for each in range(4):
        ref.dispatch("tally.add", each)
    assert far.travel_to(2) == 5
    assert ref.get_state("tally") == (0, 1)


def test_own_keys_travel_too(ref, far):
    ref.call(("put", "topic", "a"))
    far.undo()
    assert "topic" not in ref.get_state()
    ref.redo()
    assert far.get_state("topic") == "a"


def test_the_history_is_that_of_all_workers(ref, far):
    ref.dispatch("tally.add", 1, meta={"by": "near"})
    far.dispatch("tally.add", 2)
    far.call(("put", "topic", "a"))
    entries = far.history()
    assert entries == ref.history()
    assert [(entry.action and entry.action.payload, entry.version, entry.origin) for entry in entries] == [
        (1, 1, "dispatch"), (2, 2, "dispatch"), (None, 3, "call"),
    ]  # fmt: skip


def test_without_a_history_nothing_is_logged_and_nobody_travels(here, there, backend):
    class Forgetful(Room):
        history_limit = 0

    ref = here.start_session("room", Forgetful)
    ref.dispatch("tally.add", 1)
    there.ref("room").call(("put", "a", 1))
    assert (ref.history(), backend.sessions["room"].log) == ([], [])
    with pytest.raises(VersionNotFound):
        ref.undo()


def test_the_history_is_cut_to_its_limit(here, there):
    class Short(Room):
        history_limit = 2

    ref = here.start_session("room", Short)
    for each in range(5):
        (ref if each % 2 else there.ref("room")).dispatch("tally.add", each)
    assert [entry.version for entry in ref.history()] == [4, 5]
    assert ref.travel_to(3) == 6
    assert ref.get_state("tally") == (0, 1, 2)


def test_a_conflict_while_travelling_is_travelled_again(ref, far, backend):
    ref.dispatch("tally.add", 1)
    backend.after("log", lambda *_: far.dispatch("tally.add", 2))
    ref.undo()
    assert far.get_state("tally") == (1,)


# -- snapshots ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_of_the_newest_state_and_starts_another_session(ref, far, there):
    ref.dispatch("tally.add", 1)
    ref.call(("put", "topic", {"a": (1, 2)}))
    again = there.start_session("again", Room, snapshot=far.snapshot())
    assert again.get_state() == {"tally": (1,), "count": 0, "topic": {"a": (1, 2)}}


def test_every_life_begins_with_the_snapshot_at_every_worker(here, there):
    first = here.start_session("first", Room)
    first.dispatch("tally.add", "kept")
    ref = here.start_session("room", Room, snapshot=first.snapshot())
    ref.dispatch("tally.add", "lost")
    with pytest.raises(CallFailed):
        there.ref("room").call("crash")
    assert ref.get_state("tally") == ("kept",)


# -- reducers ----------------------------------------------------------------------------------------------------------


def test_middleware_that_raises_fails_the_action_only(here):
    def refuse(ref, action, next):
        if action.payload == "bad":
            raise PermissionError("as asked")
        return next(action)

    class Guarded(Room):
        store_middleware = [refuse]

    ref = here.start_session("room", Guarded)
    with pytest.raises(ReducerError):
        ref.dispatch("tally.add", "bad")
    assert ref.dispatch("tally.add", "good") == 1


def test_middleware_that_dispatches_twice_makes_one_version(here, there):
    def twice(ref, action, next):
        next(action)
        next(action)

    class Doubling(Room):
        store_middleware = [twice]

    ref = here.start_session("room", Doubling)
    assert ref.dispatch("tally.add", 1) == 1
    assert there.ref("room").get_state("tally") == (1, 1)
    there.ref("room").undo()
    assert ref.get_state("tally") == ()


# -- another shape -----------------------------------------------------------------------------------------------------


class Items(Reducer):
    """What is in it is counted since schema 2."""

    name = "items"
    state_type = dict[str, int]

    def init_state(self):
        return {}

    @on("add")
    def add(self, action, state):
        return {**state, action.payload: state.get(action.payload, 0) + 1}


class OldItems(Items):
    state_type = list[str]

    def init_state(self):
        return []

    @on("add")
    def add(self, action, state):
        return [*state, action.payload]


class Shelf(SessionProcess):
    reducers = [Items]
    schema_version = 2

    @classmethod
    def migrate(cls, state, version):
        return {**state, "items": {name: state["items"].count(name) for name in state["items"]}}


class OldShelf(SessionProcess):
    reducers = [OldItems]


@pytest.fixture
def migrated(backend, start_worker):
    """A session of which half the history is of an older shape."""
    OldShelf.__qualname__ = "Shelf"
    ref = start_worker(backend).start_session("shelf", OldShelf)
    ref.dispatch("items.add", "a")
    ref.dispatch("items.add", "a")
    _processes[path_of(Shelf)] = Shelf
    ref = start_worker(backend).ref("shelf")
    assert ref.get_state("items") == {"a": 2}
    ref.dispatch("items.add", "b")
    return ref


def test_a_change_since_the_new_shape_is_undone(migrated):
    migrated.undo()
    assert migrated.get_state("items") == {"a": 2}
    migrated.redo()
    assert migrated.get_state("items") == {"a": 2, "b": 1}


def test_what_was_before_the_new_shape_cannot_be_returned_to(migrated):
    migrated.undo()
    with pytest.raises(VersionNotFound):
        migrated.undo()
    with pytest.raises(VersionNotFound):
        migrated.travel_to(1)
    assert [entry.version for entry in migrated.history()] == [3, 4]
    assert migrated.dispatch("items.add", "c") == 5


def test_a_session_with_a_history_of_an_older_shape_moves(migrated):
    moved = migrated._manager.move("shelf", "board")
    assert moved.get_state("items") == {"a": 2, "b": 1}
    moved.undo()
    assert moved.get_state("items") == {"a": 2}
