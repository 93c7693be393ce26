"""The verbs on a session's past, as its subscribers and callers see them."""

import pytest
from django.core.exceptions import SynchronousOnlyOperation

from phoenix_sessions import (
    CallFailed,
    NoReply,
    Reducer,
    Reply,
    Restart,
    SessionNotFound,
    SessionProcess,
    VersionNotFound,
    effect,
    on,
    sessions,
    telemetry,
)
from phoenix_sessions.testing import settle


class Count(Reducer):
    name = "count"

    def init_state(self):
        return 0

    @on("add")
    def add(self, action, state):
        return state + (action.payload or 1)

    @on("look")
    def look(self, action, state):
        return state

    @effect("later")
    def later(self, action, dispatch, state):
        return dispatch(".add")


class Room(SessionProcess):
    reducers = [Count]
    restart = Restart.PERMANENT

    def handle_call(self, request, state):
        if request == "crash":
            raise ValueError("as asked")
        return Reply(None, {**state, "called": request})

    def handle_info(self, message, state):
        return NoReply({**state, "informed": message})


@pytest.fixture
def ref():
    return sessions.start_session("room", Room)


@pytest.fixture
def told(ref):
    """What a subscriber to the count was told."""
    values = []
    ref.subscribe("count", receiver=lambda event, value: values.append(value))
    return values


def origins(ref):
    return [(entry.origin, entry.version) for entry in ref.history()]


# -- history -----------------------------------------------------------------------------------------------------------


def test_every_change_says_where_it_came_from(ref, clock):
    ref.dispatch("count.add")
    ref.dispatch_nowait("count.add")
    ref.dispatch("count.look")
    ref.call("x")
    ref.cast(("put", "own", 1))
    sessions.broadcast_all("hello")
    settle()
    ref.dispatch_async("count.later").result(10)
    ref.undo()
    ref.redo()
    ref.travel_to(0)
    assert origins(ref) == [
        ("dispatch", 1), ("dispatch", 2), ("dispatch", 2), ("call", 3), ("cast", 4), ("info", 5), ("effect", 6),
        ("undo", 7), ("redo", 8), ("travel", 9),
    ]  # fmt: skip
    actions = [entry.action and entry.action.type for entry in ref.history()]
    assert actions == ["count.add", "count.add", "count.look", None, None, None, "count.add", None, None, None]


def test_entries_have_the_time_and_the_list_is_the_callers_own(ref, clock):
    ref.dispatch("count.add")
    clock.advance(2.5)
    ref.dispatch("count.add")
    first, second = ref.history()
    assert second.time - first.time == pytest.approx(2.5)
    ref.history().clear()
    assert len(ref.history()) == 2


def test_what_fails_or_is_refused_is_not_in_it(ref, caplog):
    for verb in (lambda: ref.dispatch("count.add", "text"), ref.undo, ref.redo):
        with pytest.raises(Exception):  # noqa: B017, PT011
            verb()
    assert ref.history() == []


@pytest.mark.parametrize("by", ["setting", "attribute"])
def test_without_a_history_nothing_is_kept_and_nobody_travels(by, settings):
    if by == "setting":
        settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "HISTORY_LIMIT": 0}
    attributes = {"history_limit": 0} if by == "attribute" else {}
    ref = sessions.start_session("none", type("None", (Room,), attributes))
    ref.dispatch("count.add")
    assert sessions.supervisor.find("none").history is None
    assert ref.history() == []
    for travel in (ref.undo, ref.redo, lambda: ref.travel_to(1), lambda: ref.travel_to(0)):
        with pytest.raises(VersionNotFound):
            travel()
    assert (ref.version, ref.state.count) == (1, 1)


# -- travelling --------------------------------------------------------------------------------------------------------


def test_each_way_is_a_new_version_and_subscribers_are_told(ref, told):
    for _ in range(3):
        ref.dispatch("count.add")
    assert [ref.undo(), ref.undo(), ref.redo(), ref.travel_to(1), ref.travel_to(0)] == [4, 5, 6, 7, 8]
    assert told == [0, 1, 2, 3, 2, 1, 2, 1, 0]
    assert ref.version == 8


def test_travelling_to_the_present_is_a_version_of_which_nobody_is_told(ref, told):
    ref.dispatch("count.add")
    assert ref.travel_to(1) == 2
    assert told == [0, 1]


def test_keys_that_handlers_put_and_delete_come_and_go(ref):
    ref.cast(("put", "own", 1))
    ref.cast(("put", "own", 2))
    ref.cast(("delete", "own"))
    ref.undo()
    assert ref.state["own"] == 2
    ref.undo()
    assert ref.state["own"] == 1
    ref.undo()
    assert "own" not in ref.state
    ref.redo()
    assert ref.state["own"] == 1
    ref.travel_to(3)
    assert "own" not in ref.state


@pytest.mark.parametrize("version", [-1, 2, 99])
def test_a_version_that_never_was_is_refused_with_what_there_is(ref, version):
    ref.dispatch("count.add")
    with pytest.raises(VersionNotFound) as caught:
        ref.travel_to(version)
    error = caught.value
    assert (error.session_id, error.wanted, error.oldest, error.newest) == ("room", version, 0, 1)
    assert ref.version == 1


@pytest.mark.parametrize("version", ["1", None, 1.5, [1]], ids=repr)
def test_what_is_no_version_is_refused_and_harms_nobody(ref, version):
    ref.dispatch("count.add")
    with pytest.raises(TypeError, match="version"):
        ref.travel_to(version)
    assert ref.started()
    assert ref.version == 1


def test_a_version_that_is_kept_no_more_is_refused():
    ref = sessions.start_session("short", type("Short", (Room,), {"history_limit": 2}))
    for _ in range(4):
        ref.dispatch("count.add")
    with pytest.raises(VersionNotFound, match="keeps versions 2 to 4"):
        ref.travel_to(1)
    assert ref.travel_to(2) == 5
    assert ref.state.count == 2


def test_a_new_life_has_a_past_of_its_own(ref):
    ref.dispatch("count.add")
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert (ref.history(), ref.version) == ([], 0)
    with pytest.raises(VersionNotFound):
        ref.undo()


def test_who_comes_back_after_travelling_gets_what_it_missed_only(ref):
    ref.dispatch("count.add")
    session = sessions.supervisor.find("room")
    at = (session.epoch, session.version)
    ref.dispatch("count.add")
    ref.undo()

    class Receiver:
        seen = []

        def changed(self, values, epoch, version):
            self.seen.append((dict(values), epoch, version))

        def ended(self, event, reason):
            pass

    _, known = session.subscribe({"count": "count"}, Receiver(), at)
    assert known
    assert Receiver.seen[0][1:] == (at[0], 3)
    assert all(value == 1 for value in Receiver.seen[0][0].values())


def test_telemetry_tells_of_commits(ref):
    seen = []
    telemetry.attach("commits", "phoenix_sessions.commit", lambda event, _, facts, *rest: seen.append(facts["version"]))
    try:
        ref.dispatch("count.add")
        ref.undo()
    finally:
        telemetry.detach("commits")
    assert seen == [1, 2]


# -- async code, and sessions that are over ----------------------------------------------------------------------------


async def test_the_async_twins():
    ref = await sessions.astart_session("room", Room)
    for _ in range(2):
        await ref.adispatch("count.add")
    assert [await ref.aundo(), await ref.aredo(), await ref.atravel_to(0)] == [3, 4, 5]
    assert [entry.origin for entry in await ref.ahistory()] == ["dispatch", "dispatch", "undo", "redo", "travel"]
    with pytest.raises(VersionNotFound):
        await ref.atravel_to(9)
    with pytest.raises(VersionNotFound):
        await ref.aredo()


@pytest.mark.parametrize("verb", ["history", "undo", "redo", "travel_to", "snapshot"])
async def test_on_an_event_loop_the_others_are_refused(verb):
    ref = await sessions.astart_session("room", Room)
    with pytest.raises(SynchronousOnlyOperation, match=f"a{verb}"):
        getattr(ref, verb)(*[0] * (verb == "travel_to"))


@pytest.mark.parametrize("verb", ["history", "undo", "redo", "travel_to", "snapshot"])
def test_a_session_that_is_over_has_no_past(ref, verb):
    ref.terminate()
    with pytest.raises(SessionNotFound):
        getattr(ref, verb)(*[0] * (verb == "travel_to"))
