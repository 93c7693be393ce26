"""Intervals, and the decorators that put them on methods."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions import InvalidReducer, Reducer, debounce, effect, on, throttle
from phoenix_sessions.core.mounts import Mounts
from phoenix_sessions.core.pacing import Pace, pace_of, parse_interval


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        ("500ms", 0.5), ("3s", 3), ("5m", 300), ("1h", 3600), ("1.5s", 1.5), ("0.5ms", 0.0005), (0.5, 0.5), (2, 2),
        (timedelta(milliseconds=20), 0.02), (timedelta(days=1), 86400),
    ],
)  # fmt: skip
def test_an_interval_in_seconds(interval, seconds):
    assert parse_interval(interval) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "interval",
    [
        0, -1, 0.0, "0s", "-1s", "1", "s", "", "1 s", " 1s", "1s ", "1s\n", "1.s", ".5s", "1d", "1S", "1,5s", "1e3s",
        "\u0661s", None, True, b"1s", timedelta(0), timedelta(seconds=-1), float("nan"), float("inf"), [1], object(),
        "9" * 400 + "h",
    ],
    ids=lambda interval: f"{interval!r:.20}",
)  # fmt: skip
@pytest.mark.parametrize("decorator", [throttle, debounce])
def test_what_is_no_interval_is_refused_where_it_is_written(decorator, interval):
    with pytest.raises(InvalidReducer, match="500ms"):
        decorator(interval)


@given(st.one_of(st.text(), st.floats(), st.integers(), st.timedeltas(), st.none(), st.booleans()))
def test_anything_is_a_positive_number_of_seconds_or_refused(interval):
    try:
        seconds = parse_interval(interval)
    except InvalidReducer:
        return
    assert 0 < seconds < float("inf")


@pytest.mark.parametrize(("decorator", "trailing"), [(throttle, False), (debounce, True)], ids=["throttle", "debounce"])
def test_a_decorator_marks_and_returns_the_method(decorator, trailing):
    def method(self, action, state):
        return state

    assert decorator("3s")(method) is method
    assert pace_of(method) == Pace(3.0, trailing)


@pytest.mark.parametrize("second", [throttle, debounce])
@pytest.mark.parametrize("first", [throttle, debounce])
def test_one_method_has_one_pace(first, second):
    with pytest.raises(InvalidReducer, match="two paces"):

        @second(1)
        @first(1)
        def method(self, action, state):
            return state


class Search(Reducer):
    name = "search"

    @debounce(1)
    @on("typed", "pasted")
    def typed(self, action, state):
        return state

    @on("cleared")
    def cleared(self, action, state):
        return state

    @effect("load")
    @throttle(2)
    def load(self, action, dispatch, state):
        return None


def test_the_pace_is_on_every_type_of_the_method_and_on_no_other():
    mounts = Mounts([Search])
    paces = {type_: mounts.route(f"search.{type_}")[0].pace for type_ in ("typed", "pasted", "cleared", "load", "else")}
    assert paces == {"typed": Pace(1, True), "pasted": Pace(1, True), "cleared": None, "load": None, "else": None}
    assert mounts.effects("search.load", None, None)[0].pace == Pace(2, False)
    assert mounts.effects("search.typed", None, None)[0].pace is None
    assert mounts.paced


def test_an_overriding_method_says_anew_how_often_it_runs():
    class Eager(Search):
        name = "eager"

        @on("typed")
        def typed(self, action, state):
            return state

    mounts = Mounts([Eager])
    assert mounts.route("eager.typed")[0].pace is None
    assert mounts.effects("eager.load", None, None)[0].pace == Pace(2, False)
    assert not mounts.paced


def test_without_any_pace_the_mounts_are_not_paced():
    assert not Mounts([type("Plain", (Reducer,), {"name": "plain"})]).paced
