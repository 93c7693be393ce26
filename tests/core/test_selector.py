"""Selectors: None, paths and functions."""

from collections import namedtuple

import pytest

from phoenix_sessions import SelectorError, State, create_selector
from phoenix_sessions.core.selector import check_selector, returns_new_object, select, slices_of

Point = namedtuple("Point", "x y")
STATE = State(cart={"items": ({"name": "tea"}, {"name": "milk"}), "total": 3}, point=Point(1, 2))


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        (None, STATE),
        ("cart", STATE["cart"]),
        ("cart.total", 3),
        ("cart.items.1.name", "milk"),
        ("point.x", 1),
        ("point.1", 2),
        (lambda state: state.cart["total"] + 1, 4),
        (len, 2),
    ],
)
def test_what_a_selector_picks(selector, value):
    assert select(selector, STATE) == value


def a_selector_that_raises(state):
    raise LookupError("as asked")


@pytest.mark.parametrize(
    "selector",
    ["nothing", "cart.nothing", "cart.items.7", "cart.items.x", "point.z", "cart.total.x", a_selector_that_raises],
)
def test_whatever_goes_wrong_is_a_selector_error(selector):
    with pytest.raises(SelectorError) as caught:
        select(selector, STATE)
    assert caught.value.selector is selector
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("selector", ["", ".", "cart.", ".cart", "cart..items", 5, b"cart", ["cart"]])
def test_what_is_no_selector(selector):
    with pytest.raises(SelectorError, match="dotted path"):
        check_selector(selector)


def test_a_path_names_its_slice():
    assert [set(slices_of(each)) for each in ("cart.items.1", "cart", None, len)] == [
        {"cart"},
        {"cart"},
        {None},
        {None},
    ]


@pytest.mark.parametrize(
    ("selector", "new"),
    [
        (lambda state: list(state), True),
        (lambda state: state.cart["items"], False),
        (lambda state: 10**30, False),
        (a_selector_that_raises, False),
        (create_selector("cart", list), False),
    ],
)
def test_selectors_that_return_a_new_object_on_every_call(selector, new):
    assert returns_new_object(selector, STATE) is new
