"""Memoised selectors, which the original promised and took out again in 1.0."""

import pytest

from phoenix_sessions import Reducer, SelectorError, SessionProcess, create_selector, on, sessions, telemetry


class Cart(Reducer):
    name = "cart"

    def init_state(self):
        return {"items": (), "note": ""}

    @on("add")
    def add(self, action, state):
        return {**state, "items": (*state["items"], action.payload)}

    @on("note")
    def note(self, action, state):
        return {**state, "note": action.payload}


class Rate(Reducer):
    name = "rate"

    def init_state(self):
        return 2

    @on("set")
    def set(self, action, state):
        return action.payload


class Shop(SessionProcess):
    reducers = [Cart, Rate]


def start(id="s"):
    return sessions.start_session(id, Shop)


def test_a_selector_combines_paths_functions_and_other_selectors():
    total = create_selector("cart.items", sum)
    taxed = create_selector(total, lambda state: state["rate"], "cart.note", lambda *inputs: inputs)
    ref = start()
    ref.dispatch("cart.add", 5)
    assert ref.get_state(taxed) == ref.select_state(taxed) == (5, 2, "")


def test_the_inputs_may_be_a_list():
    product = create_selector(["cart.items", "rate"], lambda items, rate: sum(items) * rate)
    ref = start()
    ref.dispatch("cart.add", 5)
    assert ref.get_state(product) == 10


def test_it_is_computed_again_only_when_an_input_is_another():
    total = create_selector("cart.items", sum)
    ref = start()
    for _ in range(3):
        ref.get_state(total)
    ref.dispatch("cart.note", "changes the slice, and not the items")
    ref.get_state(total)
    assert total.recomputations == 1
    ref.dispatch("cart.add", 5)
    assert ref.get_state(total) == 5
    assert total.recomputations == 2


def test_small_scalars_are_compared_by_value():
    double = create_selector("rate", lambda rate: rate * 2)
    ref = start()
    ref.dispatch("rate.set", float("1.5"))
    ref.get_state(double)
    ref.dispatch("rate.set", float("1.5"))
    ref.get_state(double)
    assert double.recomputations == 1


def test_each_session_is_remembered_by_itself():
    total = create_selector("cart.items", sum)
    one, two = start("one"), start("two")
    one.dispatch("cart.add", 1)
    two.dispatch("cart.add", 2)
    assert [ref.get_state(total) for ref in (one, two, one, two, one, two)] == [1, 2] * 3
    assert total.recomputations == 2


def test_outside_of_a_session_the_last_state_is_remembered():
    total = create_selector("cart.items", sum)
    state, other = {"cart": {"items": (1, 2)}}, {"cart": {"items": (3,)}}
    assert [total(state), total(state)] == [3, 3]
    assert total.recomputations == 1
    assert [total(other), total(state)] == [3, 3]
    assert total.recomputations == 3


def test_the_same_value_comes_back_so_a_subscriber_is_told_only_of_changes():
    names = create_selector("cart.items", lambda items: [f"item {item}" for item in items])
    ref, told = start(), []
    with ref.subscribe(names, receiver=lambda event, value: told.append(value)):
        ref.dispatch("cart.note", "x")
        ref.dispatch("cart.add", 5)
        ref.dispatch("rate.set", 3)
    assert told == [[], ["item 5"]]
    assert names.recomputations == 2
    assert ref.get_state(names) is ref.get_state(names)


def test_a_selector_of_paths_is_not_looked_at_when_its_slices_did_not_change():
    seen = []
    total = create_selector("cart.items", sum)
    ref = start()
    events = ["phoenix_sessions.selector.hit", "phoenix_sessions.selector.miss"]
    with ref.subscribe(total, receiver=lambda *_: None):
        telemetry.attach_many("watch", events, lambda event, *_: seen.append(event))
        try:
            ref.dispatch("rate.set", 3)
            assert seen == []
            ref.dispatch("cart.note", "x")
        finally:
            telemetry.detach("watch")
    assert seen == ["phoenix_sessions.selector.hit"]


def test_hits_and_misses_are_told_to_telemetry():
    seen = []
    total = create_selector("cart.items", sum)
    ref = start()
    events = ["phoenix_sessions.selector.hit", "phoenix_sessions.selector.miss"]
    telemetry.attach_many("watch", events, lambda event, *_: seen.append(event.rpartition(".")[2]))
    try:
        for _ in range(3):
            ref.get_state(total)
        ref.dispatch("cart.add", 1)
        ref.get_state(total)
    finally:
        telemetry.detach("watch")
    assert seen == ["miss", "hit", "hit", "miss"]


def test_what_raises_is_a_selector_error_and_is_not_remembered():
    inverse = create_selector("rate", lambda rate: 1 / rate)
    ref = start()
    ref.dispatch("rate.set", 0)
    for _ in range(2):
        with pytest.raises(SelectorError):
            ref.get_state(inverse)
    ref.dispatch("rate.set", 4)
    assert ref.get_state(inverse) == 0.25


@pytest.mark.parametrize("wrong", [(), (sum,), ("cart.items",), ([], sum), (5, sum), ("cart..items", sum)])
def test_wrong_inputs_are_refused_when_it_is_made(wrong):
    with pytest.raises((SelectorError, TypeError, ValueError)):
        create_selector(*wrong)
