"""What actions do to carts and the counter."""

from __future__ import annotations

from typing import Any

import pytest
from shop.actions import ACTIONS, Item
from shop.processes import GuestSession, UserSession

from phoenix_sessions import ReducerError, SessionManager, SessionProcess, SessionRef


@pytest.fixture(params=[(GuestSession, None), (UserSession, {"customer": "Ada"})], ids=["guest", "customer"])
def ref(request: pytest.FixtureRequest, own_sessions: SessionManager) -> SessionRef:
    process: type[SessionProcess]
    process, args = request.param
    return own_sessions.start_session("visitor", process, args)


def items(ref: SessionRef) -> Any:
    return ref.get_state("cart.items")


def test_both_kinds_of_session_share_the_cart(ref: SessionRef) -> None:
    ref.dispatch("cart.add", Item(sku="mug"))
    ref.dispatch("cart.add", Item(sku="mug"))
    ref.dispatch("cart.add", Item(sku="lamp"))
    ref.dispatch("cart.take", Item(sku="mug"))
    assert items(ref) == {"mug": 1, "lamp": 1}


def test_taking_the_last_one_removes_the_line(ref: SessionRef) -> None:
    ref.dispatch("cart.add", Item(sku="mug"))
    ref.dispatch("cart.take", Item(sku="mug"))
    assert items(ref) == {}


@pytest.mark.parametrize("action", ["cart.take", "cart.remove", "cart.clear"])
def test_taking_out_what_is_not_there_changes_nothing(ref: SessionRef, action: str) -> None:
    assert ref.dispatch(action, Item(sku="mug") if ACTIONS[action] else None) == 0


def test_clear_empties_the_cart(ref: SessionRef) -> None:
    ref.dispatch("cart.add", Item(sku="mug"))
    ref.dispatch("cart.clear")
    assert items(ref) == {}


def test_restore_takes_over_another_cart(ref: SessionRef) -> None:
    ref.dispatch("cart.restore", {"mug": 3})
    assert items(ref) == {"mug": 3}


@pytest.mark.parametrize(("action", "payload"), [("cart.add", Item(sku="yacht")), ("cart.restore", {"yacht": 1})])
def test_what_is_not_for_sale_cannot_be_put_in(ref: SessionRef, action: str, payload: Any) -> None:
    with pytest.raises(ReducerError, match="there is no product 'yacht'"):
        ref.dispatch(action, payload)


def test_there_is_a_limit_to_one_kind(ref: SessionRef) -> None:
    ref.dispatch("cart.restore", {"mug": 9})
    with pytest.raises(ReducerError, match="9 of one kind"):
        ref.dispatch("cart.add", Item(sku="mug"))


def test_the_counter_goes_both_ways(ref: SessionRef) -> None:
    ref.dispatch("counter.increment")
    ref.dispatch("counter.decrement")
    ref.dispatch("counter.decrement")
    assert ref.get_state("counter.count") == -1


def test_a_wish_list_is_a_second_cart(own_sessions: SessionManager) -> None:
    ref = own_sessions.start_session("visitor", UserSession, {"customer": "Ada"})
    ref.dispatch("wish.add", Item(sku="plant"))
    assert (ref.get_state("wishes.items"), items(ref)) == ({"plant": 1}, {})


def test_a_guest_has_no_wish_list(own_sessions: SessionManager) -> None:
    ref = own_sessions.start_session("visitor", GuestSession)
    assert ref.dispatch("wish.add", Item(sku="plant")) == 0


def test_no_browser_may_restore_a_cart() -> None:
    assert "cart.restore" not in ACTIONS
