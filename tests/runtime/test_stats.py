"""Looking at sessions while they are busy with something else."""

import sys

import pytest
from racing import race
from samples import Room

from phoenix_sessions import sessions
from phoenix_sessions.runtime import stats


@pytest.fixture
def switching_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_subscribers_may_come_and_go_while_they_are_counted(switching_often):
    ref = sessions.start_session("s", Room)
    staying = [ref.subscribe("count", receiver=lambda *_: None) for _ in range(100)]

    def come_and_go():
        for _ in range(1000):
            ref.subscribe("count", receiver=lambda *_: None).unsubscribe()

    def count():
        return {(100 <= ref.facts.subscribers <= 101, sessions.session_stats().sessions) for _ in range(1000)}

    assert race(come_and_go, count) == [None, {(True, 1)}]
    assert all(subscription.active for subscription in staying)


@pytest.mark.parametrize("count", [1999, 2000, 2001])
def test_no_more_sessions_are_walked_than_the_sample_has(monkeypatch, count):
    walked = []
    monkeypatch.setattr(stats, "SAMPLE", 100)
    monkeypatch.setattr(stats, "footprint", lambda value: walked.append(value) or 0)
    stats._average_memory([sessions.start_session("s")._session()] * count)
    assert 50 < len(walked) <= 100
