"""How often somebody may do something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from racing import race

from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.limits import SendRate


class Clock:
    """The time, which stands still."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Clock()


def taken(rate, who, times):
    return [rate.take(who) == 0 for _ in range(times)].count(True)


def test_one_second_s_worth_at_once(time):
    assert taken(SendRate(5, time), "alice", 20) == 5


def test_less_than_one_a_second_is_one_at_once(time):
    rate = SendRate(0.1, time)
    assert taken(rate, "alice", 20) == 1
    time.now = 9.9
    assert taken(rate, "alice", 20) == 0
    time.now = 10.0
    assert taken(rate, "alice", 20) == 1


def test_it_refills_all_the_time(time):
    rate = SendRate(10, time)
    taken(rate, "alice", 10)
    time.now = 0.35
    assert taken(rate, "alice", 20) == 3


def test_each_has_its_own(time):
    rate = SendRate(2, time)
    taken(rate, "alice", 20)
    assert taken(rate, "bob", 20) == 2


def test_who_waits_as_long_as_it_says_may_go_on(time):
    rate = SendRate(4, time)
    taken(rate, "alice", 4)
    wait = rate.take("alice")
    assert wait == pytest.approx(0.25)
    time.now = wait
    assert rate.take("alice") == 0


def test_what_was_refused_counts_nothing(time):
    rate = SendRate(1, time)
    taken(rate, "alice", 1000)
    time.now = 1.0
    assert rate.take("alice") == 0


def test_none_is_as_often_as_one_likes(time):
    rate = SendRate(None, time)
    assert taken(rate, "alice", 1000) == 1000
    assert len(rate) == 0


def test_too_often_is_rate_limited_and_says_when_to_come_again(time):
    rate = SendRate(2, time)
    rate.check("alice")
    rate.check("alice")
    with pytest.raises(ChatError) as caught:
        rate.check("alice")
    assert (caught.value.code, caught.value.retry_after_ms) == ("rate_limited", 501)
    assert "2 a second" in caught.value.message


def test_who_is_quiet_is_forgotten(time):
    rate = SendRate(10, time)
    for number in range(5000):
        rate.take(f"user:{number}")
        time.now += 0.01
    assert len(rate) <= 20


def test_a_crowd_that_has_gone_is_forgotten_by_those_who_stay(time):
    rate = SendRate(10, time)
    for number in range(1000):
        rate.take(f"user:{number}")
    time.now = 2.0
    for _ in range(200):
        rate.take("alice")
    assert len(rate) == 1


def test_threads_get_no_more_than_there_is(time):
    rate = SendRate(50, time)
    assert sum(race(*[lambda: taken(rate, "alice", 100)] * 8)) == 50


@given(st.floats(0.1, 100), st.lists(st.floats(0, 1), max_size=200))
def test_in_no_time_there_is_more_than_a_second_s_worth_beside_what_has_refilled(per_second, pauses):
    time = Clock()
    rate = SendRate(per_second, time)
    count = 0
    for pause in pauses:
        time.now += pause
        count += rate.take("alice") == 0
    assert count <= max(1.0, per_second) + time.now * per_second + 1e-6


@given(st.floats(0.1, 100), st.lists(st.floats(0, 1), max_size=100))
def test_who_waits_as_long_as_it_is_told_is_never_refused_twice(per_second, pauses):
    time = Clock()
    rate = SendRate(per_second, time)
    for pause in pauses:
        time.now += pause
        if wait := rate.take("alice"):
            time.now += wait
            assert rate.take("alice") == 0
