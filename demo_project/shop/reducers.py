"""What actions do to the state of a session."""

from collections.abc import Mapping
from typing import Any, Final

from phoenix_sessions import Action, Reducer, on

from .catalog import PRODUCTS

MOST_OF_ONE: Final = 9

Counter = Mapping[str, int]
Cart = Mapping[str, Mapping[str, int]]


class CounterReducer(Reducer):
    """A number that goes up and down."""

    name = "counter"

    def init_state(self) -> Counter:
        """Start at 0."""
        return {"count": 0}

    @on("increment")
    def increment(self, action: Action, state: Counter) -> Counter:
        """Add one."""
        return {**state, "count": state["count"] + 1}

    @on("decrement")
    def decrement(self, action: Action, state: Counter) -> Counter:
        """Take one away."""
        return {**state, "count": state["count"] - 1}


class CartReducer(Reducer):
    """Products with quantities: ``{"items": {sku: quantity}}``.

    Guests and customers share it; a wish list is one, too.
    """

    name = "cart"

    def init_state(self) -> Cart:
        """Start empty."""
        return {"items": {}}

    @on("add")
    def add(self, action: Action, state: Cart) -> Cart:
        """Put one more of a product in.

        Raises:
            ValueError: There is no such product, or enough of it.
        """
        sku, quantity = _known(action.payload["sku"]), state["items"].get(action.payload["sku"], 0)
        if quantity >= MOST_OF_ONE:
            raise ValueError(f"{MOST_OF_ONE} of one kind is all that we sell at once")
        return {**state, "items": {**state["items"], sku: quantity + 1}}

    @on("take")
    def take(self, action: Action, state: Cart) -> Cart:
        """Take one of a product out."""
        quantity = state["items"].get(action.payload["sku"], 0)
        if quantity <= 1:
            return self.remove(action, state)
        return {**state, "items": {**state["items"], action.payload["sku"]: quantity - 1}}

    @on("remove")
    def remove(self, action: Action, state: Cart) -> Cart:
        """Take all of a product out."""
        if action.payload["sku"] not in state["items"]:
            return state
        return {**state, "items": {sku: n for sku, n in state["items"].items() if sku != action.payload["sku"]}}

    @on("clear")
    def clear(self, action: Action, state: Cart) -> Cart:
        """Take everything out."""
        return self.init_state() if state["items"] else state

    @on("restore")
    def restore(self, action: Action, state: Cart) -> Cart:
        """Take over the items of another cart; no browser may send this."""
        items: dict[str, Any] = {_known(sku): quantity for sku, quantity in action.payload.items()}
        return {**state, "items": items}


def _known(sku: str) -> str:
    if sku not in PRODUCTS:
        raise ValueError(f"there is no product {sku!r}")
    return sku
