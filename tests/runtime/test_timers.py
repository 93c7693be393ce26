"""Timers of a session that fire at the worst moment."""

import sys

import pytest
from racing import race

from phoenix_sessions import NoReply, SessionProcess, sessions
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
