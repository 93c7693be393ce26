"""Throttled and debounced actions: what counts, what waits, and that it ends with the life."""

import asyncio

import pytest

from phoenix_sessions import (
    CallFailed,
    Reducer,
    ReducerError,
    Reply,
    Restart,
    SessionProcess,
    debounce,
    effect,
    on,
    sessions,
    telemetry,
    throttle,
)
from phoenix_sessions.testing import settle


class Paced(Reducer):
    """Its slice is a tuple of (type, payload)."""

    name = "paced"

    def init_state(self):
        return ()

    @on("now")
    def now(self, action, state):
        return (*state, (action.type, action.payload))

    @on("seldom", "rarely")
    @throttle("3s")
    def seldom(self, action, state):
        if action.payload == "fail":
            raise ValueError("as asked")
        return self.now(action, state)

    @on("late", "later.still")
    @debounce("500ms")
    def late(self, action, state):
        if action.payload == "fail":
            raise ValueError("as asked")
        return self.now(action, state)


class Room(SessionProcess):
    reducers = [Paced]
    restart = Restart.PERMANENT

    def handle_call(self, request, state):
        if request == "crash":
            raise ValueError("as asked")
        return Reply(request())


@pytest.fixture
def ref():
    return sessions.start_session("room", Room)


def waiting():
    """How many timers wait, but for those of the expiry (count)."""
    return len(sessions.supervisor.timers)


def test_the_first_runs_and_the_interval_begins_with_it(ref, clock):
    for number in range(4):
        ref.dispatch("paced.seldom", number)
        clock.advance(1.5)
    assert ref.state.paced == (("seldom", 0), ("seldom", 2))


def test_the_last_runs_once_nothing_has_come_for_the_interval(ref, clock):
    for number in range(4):
        assert ref.dispatch("paced.late", number) == 0
        clock.advance(0.4)
    assert ref.state.paced == ()
    clock.advance(0.1)
    assert ref.state.paced == (("late", 3),)
    assert ref.version == 1
    clock.advance(10)
    assert ref.version == 1


@pytest.mark.parametrize(("first", "second"), [("seldom", "rarely"), ("late", "later.still")])
def test_each_type_has_a_pace_of_its_own(ref, clock, first, second):
    ref.dispatch(f"paced.{first}", 1)
    ref.dispatch(f"paced.{second}", 2)
    clock.advance(1)
    assert ref.state.paced == ((first, 1), (second, 2))


@pytest.mark.parametrize("type_", ["seldom", "late"])
def test_each_mount_and_each_session_has_a_pace_of_its_own(clock, type_):
    process = type("Two", (SessionProcess,), {"reducers": [Paced, ("other", Paced), ("all", Paced, None)]})
    refs = [sessions.start_session(id, process) for id in ("one", "two")]
    refs[0].dispatch(f"paced.{type_}", 1)
    refs[0].dispatch(f"other.{type_}", 2)
    refs[0].dispatch(type_, 3, reducers=["all"])
    refs[1].dispatch(f"paced.{type_}", 4)
    clock.advance(1)
    assert refs[0].state == {"paced": ((type_, 1),), "other": ((type_, 2),), "all": ((type_, 3),)}
    assert refs[1].state.paced == ((type_, 4),)


@pytest.mark.parametrize("target", [{"reducers": ["paced"]}, {"reducer_prefix": "paced"}])
def test_explicit_targets_share_the_pace_of_their_mount(ref, clock, target):
    ref.dispatch("seldom", 1, **target)
    ref.dispatch("paced.seldom", 2)
    ref.dispatch("late", 1, **target)
    ref.dispatch("paced.late", 2)
    clock.advance(1)
    assert ref.state.paced == (("seldom", 1), ("late", 2))


def test_a_reducer_that_raises_does_not_use_up_the_interval(ref):
    with pytest.raises(ReducerError):
        ref.dispatch("paced.seldom", "fail")
    ref.dispatch("paced.seldom", 1)
    assert ref.state.paced == (("seldom", 1),)


def test_an_action_that_fails_elsewhere_neither_counts_nor_waits(clock):
    class Failing(Reducer):
        name = "failing"

        def handle_action(self, action, state):
            if action.payload == "fail elsewhere":
                raise ValueError("as asked")

    process = type("Both", (SessionProcess,), {"reducers": [Paced, Failing]})
    ref = sessions.start_session("both", process, ttl=None)
    before = waiting()
    for type_ in ("seldom", "late"):
        with pytest.raises(ReducerError):
            ref.dispatch(type_, "fail elsewhere")
    assert waiting() == before
    ref.dispatch("seldom", 1)
    assert ref.state.paced == (("seldom", 1),)


def test_a_debounced_reducer_that_raises_is_reported(ref, clock, caplog):
    ref.dispatch("paced.late", "fail")
    clock.advance(1)
    assert "paced.late failed" in caplog.text
    assert ref.started()
    ref.dispatch("paced.late", 1)
    clock.advance(1)
    assert ref.state.paced == (("late", 1),)


def test_history_telemetry_and_subscribers_see_the_debounced_action_when_it_runs(ref, clock):
    told, events = [], []
    ref.subscribe("paced", receiver=lambda event, value: told.append(value))
    telemetry.attach("dispatches", "phoenix_sessions.dispatch", lambda event, _, facts, *rest: events.append(facts))
    try:
        ref.dispatch("paced.late", 1, meta={"by": "me"})
        assert ref.history() == []
        assert told == [()]
        clock.advance(1)
    finally:
        telemetry.detach("dispatches")
    assert [(each.action.type, each.action.meta, each.version, each.origin) for each in ref.history()] == [
        ("paced.late", {"by": "me"}, 1, "debounce")
    ]
    assert told == [(), (("late", 1),)]
    assert [(facts["action"], facts["origin"], facts["version"]) for facts in events] == [
        ("paced.late", "dispatch", 0), ("paced.late", "debounce", 1),
    ]  # fmt: skip


def test_what_is_dropped_is_in_no_history_and_unmatched_for_nobody(ref, settings):
    seen = []
    handler = lambda *args: seen.append(args)  # noqa: E731
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "UNMATCHED_ACTION_HANDLER": handler}
    ref = sessions.start_session("other", Room)
    ref.dispatch("paced.seldom", 1)
    assert ref.dispatch("paced.seldom", 2) == 1
    assert ref.dispatch("paced.late", 3) == 1
    assert [entry.action.payload for entry in ref.history()] == [1]
    assert seen == []


@pytest.mark.parametrize("end", ["terminate", "expire", "shutdown"])
def test_the_end_of_the_session_drops_what_waits(ref, end, clock):
    ref.dispatch("paced.late", 1)
    match end:
        case "terminate":
            ref.terminate()
        case "expire":
            sessions.supervisor.find("room").ttl = 0.1
            sessions.supervisor.find("room").expire()
            clock.advance(0.2)
            sessions.supervisor.find("room").expire()
        case "shutdown":
            sessions.supervisor.stop()
    again = sessions.start_session("room", Room)
    clock.advance(1)
    settle()
    assert again.state.paced == ()


def test_the_next_life_gets_nothing_that_waited_and_no_interval(ref, clock):
    ref.dispatch("paced.late", 1)
    ref.dispatch("paced.seldom", 1)
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert ref.state.paced == ()
    ref.dispatch("paced.seldom", 2)
    clock.advance(1)
    assert ref.state.paced == (("seldom", 2),)


def test_what_fires_while_the_life_ends_does_not_reach_the_next(ref, clock):
    ref.dispatch("paced.late", 1)

    def let_it_fire_and_crash():
        clock.advance(1)
        raise ValueError("as asked")

    with pytest.raises(CallFailed):
        ref.call(let_it_fire_and_crash)
    settle()
    assert ref.state.paced == ()


def test_a_debounced_action_cancels_effects_when_it_is_sent_and_not_again(clock):
    class Search(Paced):
        name = "search"

        @effect("load")
        async def load(self, action, dispatch, state):
            await asyncio.Event().wait()

    ref = sessions.start_session("room", type("Room", (SessionProcess,), {"reducers": [Search]}))
    before = ref.dispatch_async("search.load", meta={"cancel_ref": 1})
    ref.dispatch("search.late", 1, meta={"cancel_ref": 1})
    assert before.cancelled()
    after = ref.dispatch_async("search.load", meta={"cancel_ref": 1})
    clock.advance(1)
    assert ref.state.search == (("late", 1),)
    assert not after.cancelled()


async def test_in_async_code(clock):
    ref = await sessions.astart_session("room", Room)
    assert [await ref.adispatch("paced.late", number) for number in range(3)] == [0, 0, 0]
    ref.dispatch_nowait("paced.late", 3)
    clock.advance(1)
    assert ref.state.paced == (("late", 3),)
