"""Session ids and rates."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions import InvalidSessionId, RateLimitExceeded
from phoenix_sessions.core.limits import Rate, RateLimit, check_session_id, parse_rate


@pytest.mark.parametrize("id", ["a", "A-Z_09", "x" * 64, "-", "_"])
def test_what_is_an_id(id):
    assert check_session_id(id) == id


@pytest.mark.parametrize(
    "id", ["", "x" * 65, "a@b", "abc\n", "\nabc", "a b", "a/b", "a.b", "ä", "٣", "a\0", None, b"abc", 5, ["a"]]
)
def test_what_is_none_is_named_with_the_rule(id):
    with pytest.raises(InvalidSessionId, match="1 to 64") as caught:
        check_session_id(id)
    assert caught.value.session_id == id
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(("text", "rate"), [("1/s", (1, 1)), ("100/m", (100, 60)), ("20/h", (20, 3600))])
def test_what_is_a_rate(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "100", "100/", "/m", "0/m", "-1/m", "1.5/m", "100/d", "100 / m", "100/m\n", "٣/m"]
)
def test_what_is_no_rate(text):
    with pytest.raises(ValueError, match="100/m"):
        parse_rate(text)


@given(st.integers(1, 5), st.lists(st.integers(0, 160).map(lambda n: n / 8), max_size=60))
def test_no_window_sees_more_starts_than_the_limit(limit, gaps):
    """A model that remembers every start agrees on each one, and on the time to wait (eighths of seconds: exact)."""
    window, now = 10.0, 0.0
    rate, taken = RateLimit(Rate(limit, window)), deque()
    for gap in gaps:
        now += gap
        recent = [time for time in taken if time + window - now > 0]
        assert rate.recent(now) == sum(time > now - window for time in taken)
        try:
            rate.take(now)
        except RateLimitExceeded as error:
            assert len(recent) == limit
            assert error.retry_after == recent[0] + window - now  # noqa: PT017 - either outcome is right at times
        else:
            assert len(recent) < limit
            taken.append(now)
