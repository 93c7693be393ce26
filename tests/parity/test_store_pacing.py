"""Throttle and debounce: an action that runs at most so often, or only once its senders have paused."""

from datetime import timedelta

import pytest

from phoenix_sessions import InvalidReducer, Reducer, SessionProcess, debounce, on, sessions, telemetry, throttle
from phoenix_sessions.testing import settle


class Log(Reducer):
    name = "log"

    def init_state(self):
        return ()

    @on("refresh")
    @throttle("3s")
    def refresh(self, action, state):
        return (*state, action.payload)

    @on("typed")
    @debounce("500ms")
    def typed(self, action, state):
        return (*state, action.payload)

    @on("plain")
    def plain(self, action, state):
        return (*state, action.payload)


class Room(SessionProcess):
    reducers = [Log]


@pytest.fixture
def ref():
    return sessions.start_session("s", Room, ttl=None)


def test_of_throttled_actions_the_first_runs_and_those_of_the_interval_are_dropped(ref, clock):
    versions = []
    for number in range(5):
        versions.append(ref.dispatch("log.refresh", number))
        clock.advance(1)
    assert versions == [1, 1, 1, 2, 2]
    assert ref.get_state("log") == (0, 3)


def test_of_a_debounced_burst_the_last_runs_once_it_has_paused(ref, clock):
    for number in range(5):
        assert ref.dispatch("log.typed", number) == 0
        clock.advance(0.4)
    assert ref.get_state("log") == ()
    clock.advance(0.1)
    assert ref.get_state("log") == (4,)
    clock.advance(10)
    assert (ref.get_state("log"), ref.version) == ((4,), 1)


def test_other_actions_are_not_held_up(ref):
    ref.dispatch("log.typed", "later")
    ref.dispatch("log.refresh", 1)
    ref.dispatch("log.plain", 2)
    assert ref.get_state("log") == (1, 2)


def test_each_session_and_each_mount_has_a_pace_of_its_own(clock):
    process = type("Two", (SessionProcess,), {"reducers": [Log, ("second", Log)]})
    one, two = (sessions.start_session(id, process) for id in ("one", "two"))
    for ref in (one, two):
        ref.dispatch("refresh", "both")
        ref.dispatch("second.refresh", "too early")
    assert one.get_state() == two.get_state() == {"log": ("both",), "second": ("both",)}


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("500ms", 0.5), ("3s", 3), ("5m", 300), ("1h", 3600), (2, 2), (0.25, 0.25), (timedelta(minutes=2), 120)],
)
def test_an_interval_is_text_with_a_unit_or_seconds_or_a_timedelta(interval, seconds, clock):
    class Paced(Reducer):
        name = "paced"

        def init_state(self):
            return 0

        @on("go")
        @throttle(interval)
        def go(self, action, state):
            return state + 1

    ref = sessions.start_session("s", type("Process", (SessionProcess,), {"reducers": [Paced]}), ttl=None)
    ref.dispatch("paced.go")
    clock.advance(seconds * 0.9)
    assert ref.dispatch("paced.go") == 1
    clock.advance(seconds * 0.2)
    assert ref.dispatch("paced.go") == 2


@pytest.mark.parametrize("wrong", ["", "3", "3 seconds", "-1s", 0, -1, None, True, float("nan"), float("inf")])
@pytest.mark.parametrize("pace", [throttle, debounce])
def test_a_wrong_interval_is_refused_when_the_class_is_made(pace, wrong):
    with pytest.raises(InvalidReducer):

        class Wrong(Reducer):
            name = "wrong"

            @on("go")
            @pace(wrong)
            def go(self, action, state):
                return state


def test_what_is_debounced_ends_with_the_session(ref, clock):
    ref.dispatch("log.typed", "late")
    ref.terminate()
    again = sessions.start_session("s", Room)
    clock.advance(1)
    assert again.get_state("log") == ()


def test_a_debounced_action_takes_the_ordinary_path(ref, clock):
    told, dispatched = [], []
    telemetry.attach("watch", "phoenix_sessions.dispatch", lambda *event: dispatched.append(event[2]["action"]))
    try:
        with ref.subscribe("log", "log_changed", receiver=lambda *event: told.append(event)):
            ref.dispatch("log.typed", "word")
            clock.advance(0.5)
            settle()
    finally:
        telemetry.detach("watch")
    assert told == [("log_changed", ()), ("log_changed", ("word",))]
    assert dispatched[-1] == "log.typed"
    [entry] = ref.history()
    assert (entry.action.type, entry.action.payload, entry.origin) == ("log.typed", "word", "debounce")
