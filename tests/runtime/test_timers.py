"""Timers of a session that fire at the worst moment."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from racing import race

from phoenix_sessions import NoReply, SessionProcess, sessions
from phoenix_sessions.runtime.timers import Timers
from phoenix_sessions.testing import FakeClock, isolated_sessions, settle


class Ticking(SessionProcess):
    ttl = None

    def init_state(self, args):
        return {"ticks": 0}

    def handle_cast(self, delays, state):
        for delay in delays:
            self.send_after(delay, "tick")
        return NoReply()

    def handle_info(self, message, state):
        return NoReply({**state, "ticks": state["ticks"] + 1})


class PromptClock(FakeClock):
    """Calls back at once what is due, as a loop on another thread may."""

    def wake_at(self, due, callback, background):
        if due <= self.monotonic():
            callback()
        else:
            super().wake_at(due, callback, background)


@pytest.fixture
def switching_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_timer_may_fire_before_it_is_scheduled():
    with isolated_sessions(PromptClock()):
        ref = sessions.start_session("ticking", Ticking)
        ref.cast([0])
        settle()
        assert ref.state["ticks"] == 1
        assert not ref._session().timers


def test_timers_may_fire_while_their_life_ends(clock, switching_often):
    for _ in range(20):
        ref = sessions.start_session("ticking", Ticking)
        ref.cast([1] * 500)
        results = race(lambda: clock.advance(1), ref.terminate)
        assert results == [None, None]
        assert not ref.started()


def test_however_many_timers_come_and_go_one_wake_up_is_asked_for_at_a_time(clock):
    timers = sessions.supervisor.timers
    timers.schedule(1000, lambda: None)
    for _ in range(50):
        timers.schedule(1, lambda: None)
        clock.advance(2)
    assert (len(timers), len(clock._alarms)) == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=40))
def test_every_timer_fires_on_time_whatever_comes_between(steps):
    clock, fired, expected = FakeClock(), [], []
    timers = Timers(clock, None)
    for delay, passing in steps:
        due = clock.monotonic() + delay
        expected.append(due)
        timers.schedule(delay, lambda due=due: fired.append((due, clock.monotonic())))
        clock.advance(passing)
    clock.advance(10)
    assert sorted(fired) == sorted((due, due) for due in expected)
    assert clock._alarms == []


def test_after_a_wake_up_that_could_not_be_asked_for_the_next_timer_asks_again(clock, monkeypatch):
    def refuse(due, callback, background):
        raise RuntimeError("can't start new thread")

    fired = []
    with monkeypatch.context() as patch:
        patch.setattr(clock, "wake_at", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            sessions.start_session("s", ttl=5)
        assert not sessions.started("s")
        assert sessions.list_sessions() == []
        assert len(sessions.supervisor.expiry) == 0
    sessions.start_session("s", ttl=5)
    sessions.supervisor.timers.schedule(8, lambda: fired.append("late"))
    clock.advance(10)
    assert not sessions.started("s")
    assert fired == ["late"]
