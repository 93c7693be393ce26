"""A state reads like a dict and like an object, and changes like neither."""

import copy
import json
import operator
import pickle

import pytest

from phoenix_sessions import State

CHANGES = {
    "setitem": lambda state: operator.setitem(state, "cart", 2),
    "delitem": lambda state: operator.delitem(state, "cart"),
    "setattr": lambda state: setattr(state, "cart", 2),
    "delattr": lambda state: delattr(state, "cart"),
    "update": lambda state: state.update(cart=2),
    "pop": lambda state: state.pop("cart"),
    "popitem": lambda state: state.popitem(),
    "clear": lambda state: state.clear(),
    "setdefault": lambda state: state.setdefault("other", 2),
    "ior": lambda state: operator.ior(state, {"cart": 2}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_is_read_only(change):
    state = State(cart=1)
    with pytest.raises(TypeError, match="read-only"):
        change(state)
    assert state == {"cart": 1}


def test_items_and_attributes_are_the_same():
    state = State(cart=1)
    assert state["cart"] == state.cart == 1


def test_a_missing_slice_is_named_with_those_that_are_there():
    with pytest.raises(AttributeError, match=r"'chart'.*cart"):
        State(cart=1).chart  # noqa: B018


def test_replace_shares_what_stays():
    items = (1, 2)
    before = State(cart=items, count=1)
    after = before.replace({"count": 2})
    assert (before.count, after.count) == (1, 2)
    assert after.cart is items
    assert isinstance(after, State)


def test_it_can_be_unpacked_copied_and_written_as_json():
    state = State(cart=1)
    assert {**state, "more": 2} == {"cart": 1, "more": 2}
    assert copy.copy(state) is state
    assert copy.deepcopy(state) == pickle.loads(pickle.dumps(state)) == state
    assert json.dumps(state) == '{"cart": 1}'
