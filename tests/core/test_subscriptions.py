"""The tables of who is told what: shared selections, first values, resuming, and selectors that raise."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_sessions import SelectorError, State
from phoenix_sessions.core.subscriptions import MAX_IDLE, Subscriptions


class Result(NamedTuple):
    """What a commit tells whom, by subscriber and event name, and whose selector failed."""

    changes: dict
    failures: dict


class Commits:
    """A store that commits and keeps what each subscriber was told."""

    def __init__(self, **slices):
        self.state, self.version, self.tables = State(slices), 0, Subscriptions()

    def subscribe(self, *, since=None, **selectors):
        return self.tables.add(selectors, object(), self.state, self.version, since)

    def commit(self, **slices):
        self.state, self.version = self.state.replace(slices), self.version + 1
        told = self.tables.commit(self.state, slices, self.version)
        return Result({}, {}) if told is None else Result(told.tell(pytest.fail), told.failures)

    def restart(self, **slices):
        told = self.tables.restart(State(slices))
        return Result(told.tell(pytest.fail), told.failures)

    def leave(self, subscriber):
        subscriber.active = False
        self.tables.purge(self.version)


def counting(path, calls):
    """Return a selector function that notes each evaluation."""

    def selector(state):
        calls.append(path)
        return state[path]

    return selector


class Noting(dict):
    """A slice that notes how often it is looked into."""

    looks = 0

    def __getitem__(self, key):
        self.looks += 1
        return super().__getitem__(key)


def test_the_first_values_are_all():
    _, first = Commits(a=1, b=2).subscribe(one="a", two="b")
    assert first == {"one": 1, "two": 2}


def test_a_commit_tells_only_what_changed():
    store = Commits(a=1, b=2)
    subscriber, _ = store.subscribe(one="a", two="b")
    assert store.commit(a=5) == ({subscriber: {"one": 5}}, {})


def test_a_commit_tells_all_that_it_changed_at_once():
    store = Commits(a=1, b=2)
    subscriber, _ = store.subscribe(one="a", two="b")
    assert store.commit(a=5, b=6).changes == {subscriber: {"one": 5, "two": 6}}


def test_an_equal_value_is_not_told_again():
    store = Commits(a={"x": 1, "y": 1})
    store.subscribe(x="a.x")
    assert store.commit(a={"x": 1, "y": 2}).changes == {}


def test_a_path_is_not_evaluated_while_its_slice_is_the_same():
    watched = Noting(x=1)
    store = Commits(a=watched, b=1)
    store.subscribe(x="a.x")
    looks = watched.looks
    store.commit(b=2)
    assert watched.looks == looks


def test_equal_selectors_are_evaluated_once_per_commit():
    calls = []
    selector = counting("a", calls)
    store = Commits(a=1)
    for _ in range(100):
        store.subscribe(a=selector)
    calls.clear()
    assert len(store.commit(a=2).changes) == 100
    assert calls == ["a"]


def test_a_function_is_evaluated_at_every_commit():
    store = Commits(a=1, b=1)
    subscriber, _ = store.subscribe(both=lambda state: state.a + state.b)
    assert store.commit(b=5).changes == {subscriber: {"both": 6}}


def test_one_who_left_is_told_nothing():
    store = Commits(a=1)
    gone, _ = store.subscribe(a="a")
    stays, _ = store.subscribe(a="a")
    store.leave(gone)
    assert store.commit(a=2).changes == {stays: {"a": 2}}
    assert len(store.tables) == 1


def test_two_events_on_one_selector():
    store = Commits(a=1)
    subscriber, first = store.subscribe(one="a", two="a")
    assert first == {"one": 1, "two": 1}
    assert store.commit(a=2).changes == {subscriber: {"one": 2, "two": 2}}
    store.leave(subscriber)
    assert store.commit(a=3).changes == {}


def test_a_selector_that_raises_at_first_subscribes_nothing():
    store = Commits(a=1)
    with pytest.raises(SelectorError):
        store.subscribe(a="a", nothing="nothing")
    assert len(store.tables) == 0
    assert store.commit(a=2) == ({}, {})


def test_a_selector_that_raises_later_ends_its_subscribers_and_no_other():
    store = Commits(a={"x": 1})
    bad, _ = store.subscribe(x="a.x", whole="a")
    good, _ = store.subscribe(whole="a")
    told = store.commit(a={})
    assert told.changes == {good: {"whole": {}}}
    assert set(told.failures) == {bad}
    assert (bad.active, good.active, len(store.tables)) == (False, True, 1)
    assert store.commit(a={"x": 2}).changes == {good: {"whole": {"x": 2}}}


def test_a_comparison_that_raises_is_a_selector_error():
    class Odd:
        def __eq__(self, other):
            raise ValueError("no answer")

        __hash__ = None

    store = Commits(a=Odd())
    odd, _ = store.subscribe(a="a")
    assert set(store.commit(a=Odd()).failures) == {odd}


def test_a_new_life_tells_everything_again():
    store = Commits(a=1, b=2)
    subscriber, _ = store.subscribe(one="a", two="b")
    assert store.restart(a=1, b=9).changes == {subscriber: {"one": 1, "two": 9}}


def test_a_new_life_ends_the_subscriptions_whose_selectors_raise_on_it():
    store = Commits(a=1, b=2)
    bad, _ = store.subscribe(a="a")
    good, _ = store.subscribe(b="b")
    told = store.restart(b=3)
    assert (told.changes, set(told.failures)) == ({good: {"b": 3}}, {bad})
    assert (bad.active, len(store.tables)) == (False, 1)


# -- coming back -------------------------------------------------------------------------------------------------------


def test_one_who_has_this_version_is_told_nothing_new():
    store = Commits(a=1, b=2)
    store.subscribe(a="a", b="b")  # another page, which keeps the values known
    store.commit(a=5)
    _, first = store.subscribe(since=1, a="a", b="b")
    assert first == {}


def test_one_who_missed_a_commit_is_told_what_it_changed():
    store = Commits(a=1, b=2)
    store.subscribe(a="a", b="b")
    store.commit(a=5)
    store.commit(b=6)
    _, first = store.subscribe(since=1, a="a", b="b")
    assert first == {"b": 6}


def test_one_who_was_alone_and_comes_back_is_told_only_what_it_missed():
    store = Commits(a=1, b=2)
    subscriber, _ = store.subscribe(a="a", b="b")
    store.leave(subscriber)
    store.commit(a=5)
    _, first = store.subscribe(since=0, a="a", b="b")
    assert first == {"a": 5}


def test_a_value_that_changed_and_changed_back_while_nobody_looked_may_be_left_out_only_if_equal():
    store = Commits(a=1)
    subscriber, _ = store.subscribe(a="a")
    store.leave(subscriber)
    store.commit(a=5)
    store.commit(a=1)
    _, first = store.subscribe(since=0, a="a")
    assert {"a": 1, **first} == {"a": 1}


def test_one_who_saw_a_value_that_nobody_here_knew_gets_the_current_one():
    """It left at version 1 having seen a=5; meanwhile nobody looked, and a went back to 1."""
    store = Commits(a=1)
    early, _ = store.subscribe(a="a")
    store.leave(early)
    store.commit(a=5)
    late, _ = store.subscribe(a="a")
    store.leave(late)
    store.commit(a=1)
    _, first = store.subscribe(since=1, a="a")
    assert first == {"a": 1}


@pytest.mark.parametrize("since", [-1, 7])
def test_a_version_that_cannot_be_gets_everything(since):
    store = Commits(a=1)
    store.subscribe(a="a")
    _, first = store.subscribe(since=since, a="a")
    assert first == {"a": 1}


def test_selections_that_nobody_uses_are_forgotten_in_the_end():
    store = Commits(**{f"s{number}": 0 for number in range(3 * MAX_IDLE)})
    for number in range(3 * MAX_IDLE):
        subscriber, _ = store.subscribe(value=f"s{number}")
        store.leave(subscriber)
    assert len(store.tables._selections) == MAX_IDLE
    assert store.tables._by_slice == {}


def test_functions_are_forgotten_at_once():
    store = Commits(a=1)
    subscriber, _ = store.subscribe(a=lambda state: state.a)
    store.leave(subscriber)
    assert store.tables._selections == {}
    assert store.tables._by_slice == {}


class Pick:
    """A selector that cannot be hashed, equal to any other of its kind."""

    __hash__ = None

    def __eq__(self, other):
        return isinstance(other, Pick)

    def __call__(self, state):
        return state["a"]


def test_selectors_need_not_be_hashable():
    store = Commits(a=1)
    pick = Pick()
    subscriber, first = store.subscribe(one=pick, two=pick, three=Pick())
    assert first == {"one": 1, "two": 1, "three": 1}
    assert len(store.tables._selections) == 2
    assert store.commit(a=2).changes == {subscriber: {"one": 2, "two": 2, "three": 2}}
    store.leave(subscriber)
    assert store.tables._selections == {}


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("commit"), st.sampled_from("ab"), st.integers(0, 2)),
            st.tuples(st.just("leave"), st.integers(0, 2), st.none()),
            st.tuples(st.just("come"), st.integers(0, 2), st.none()),
        ),
        max_size=40,
    )
)
def test_whoever_comes_and_goes_knows_the_truth_while_there(steps):
    """Three pages with what each believes, resumed from the last version that it saw."""
    store = Commits(a=0, b=0)
    beliefs, seen, there = [{}, {}, {}], [None] * 3, [None] * 3
    for kind, which, value in steps:
        if kind == "commit":
            if store.state[which] == value:
                continue
            told = store.commit(**{which: value}).changes
            for page, subscriber in enumerate(there):
                if subscriber is not None:
                    beliefs[page].update(told.get(subscriber, {}))
                    seen[page] = store.version if subscriber in told else seen[page]
        elif kind == "leave" and there[which] is not None:
            store.leave(there[which])
            there[which] = None
        elif kind == "come" and there[which] is None:
            there[which], first = store.subscribe(since=seen[which], a="a", b="b")
            beliefs[which].update(first)
            seen[which] = store.version
        for page, subscriber in enumerate(there):
            assert subscriber is None or beliefs[page] == {"a": store.state.a, "b": store.state.b}


def test_what_was_left_last_is_kept_longest_whoever_came_first():
    names = [f"s{number}" for number in range(MAX_IDLE + 1)]
    store = Commits(**dict.fromkeys(names, 0))
    first, _ = store.subscribe(value=names[0])
    for name in names[1:]:
        other, _ = store.subscribe(value=name)
        store.leave(other)
    store.leave(first)
    store.commit(**{names[1]: 1})
    assert store.subscribe(since=0, value=names[0])[1] == {}


def test_what_was_seen_in_an_old_life_says_nothing_of_a_new_one():
    store = Commits(a=0)
    subscriber, _ = store.subscribe(value="a")
    for value in range(1, 21):
        store.commit(a=value)
    store.leave(subscriber)
    store.version = 0
    store.restart(a=0)
    store.state = State(a=0)
    store.commit(a=5)  # which somebody sees elsewhere, as version 1
    store.commit(a=0)
    assert store.subscribe(since=1, value="a")[1] == {"value": 0}
