"""Throttled actions are counted over all workers, debounced ones wait where they came to."""

import pytest
from shared.lab import Room, Tally, settle

from phoenix_sessions import ReducerError, SessionProcess, debounce, on, throttle


class Paced(Tally):
    @on("rarely")
    @throttle(10)
    def rarely(self, action, state):
        if action.payload == "bad":
            raise ValueError("as asked")
        return (*state, action.payload)

    @on("ping")
    @throttle(10)
    def ping(self, action, state):
        return state

    @on("search")
    @debounce(5)
    def search(self, action, state):
        return (*state, action.payload)


class PacedRoom(SessionProcess):
    reducers = [Paced]


@pytest.fixture
def ref(here):
    return here.start_session("room", PacedRoom)


@pytest.fixture
def far(ref, there):
    return there.ref("room")


def test_a_throttled_action_runs_once_in_its_interval_whichever_worker_it_comes_to(ref, far, clock):
    ref.dispatch("tally.rarely", 1)
    far.dispatch("tally.rarely", 2)
    ref.dispatch("tally.rarely", 3)
    clock.advance(10)
    far.dispatch("tally.rarely", 4)
    ref.dispatch("tally.rarely", 5)
    assert ref.get_state("tally") == (1, 4)


def test_a_throttled_action_that_changes_nothing_uses_its_interval_up_everywhere(ref, far, clock):
    versions = [ref.dispatch("tally.ping"), far.dispatch("tally.ping")]
    assert versions == [ref.version, ref.version]


def test_a_throttled_action_that_fails_uses_nothing_up(ref, far):
    with pytest.raises(ReducerError):
        ref.dispatch("tally.rarely", "bad")
    far.dispatch("tally.rarely", 1)
    assert ref.get_state("tally") == (1,)


def test_the_times_are_no_part_of_what_anybody_sees(ref, far, settled):
    seen = []
    far.subscribe(receiver=lambda event, state: seen.append(dict(state)))
    settled()
    ref.dispatch("tally.rarely", 1)
    settled()
    assert seen[-1] == {"tally": (1,)}
    assert far.get_state() == {"tally": (1,)}
    assert far.snapshot() == ref.snapshot()


def test_the_last_of_a_burst_runs_once_none_has_come_for_the_interval(ref, far, pass_time):
    for each in range(3):
        ref.dispatch("tally.search", each)
        pass_time(1)
    pass_time(5)
    assert far.get_state("tally") == (2,)


def test_a_burst_over_two_workers_runs_once_at_each(ref, far, pass_time):
    ref.dispatch("tally.search", "near")
    far.dispatch("tally.search", "far")
    pass_time(6)
    assert sorted(ref.get_state("tally")) == ["far", "near"]


def test_what_is_debounced_ends_with_the_life_wherever_that_ends(here, there, pass_time, settled):
    class Crashing(PacedRoom):
        handle_call = Room.handle_call

    here.start_session("room", Crashing)
    far = there.ref("room")
    far.dispatch("tally.search", "old")
    settle(here, there)
    with pytest.raises(Exception, match="as asked"):
        here.ref("room").call("crash")
    settled()
    pass_time(6)
    assert far.get_state("tally") == ()
