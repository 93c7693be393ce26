"""The search box: every keystroke is dispatched, and the server searches once the visitor pauses.

Rules:
    1. Two reducers listen to the prefix "search": one counts what is typed, the other, debounced, searches.
    2. The state keeps what was found by sku; pages get names and prices from the catalogue, by a selector.
"""

from collections.abc import Mapping
from typing import Any, Final

from phoenix_sessions import Action, Reducer, debounce, on

from .catalog import PRODUCTS

PAUSE: Final = "300ms"


class TypingReducer(Reducer):
    """Counts keystrokes; mounted under the prefix "search", too."""

    name = "typing"

    def init_state(self) -> Mapping[str, int]:
        """Start at 0."""
        return {"keystrokes": 0}

    @on("typed")
    def typed(self, action: Action, state: Mapping[str, int]) -> Mapping[str, int]:
        """Count one."""
        return {**state, "keystrokes": state["keystrokes"] + 1}

    @on("now")
    def now(self, action: Action, state: Mapping[str, int]) -> Mapping[str, int]:
        """Count nothing: a form was sent."""
        return state


class SearchReducer(Reducer):
    """Looks through the catalogue: ``{"query": text, "found": skus, "searches": count}``."""

    name = "search"

    def init_state(self) -> Mapping[str, Any]:
        """Start with no question."""
        return {"query": "", "found": (), "searches": 0}

    @on("typed")
    @debounce(PAUSE)
    def typed(self, action: Action, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Search for what was typed last, once nothing more comes, unless a form was sent and has done it."""
        return state if action.payload["text"] == state["query"] else self.now(action, state)

    @on("now")
    def now(self, action: Action, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Search at once, for forms without a script."""
        return {
            "query": action.payload["text"],
            "found": find(action.payload["text"]),
            "searches": state["searches"] + 1,
        }


def find(text: str) -> tuple[str, ...]:
    """Return the products whose name or description has every word of the text; none for no words."""
    words = text.casefold().split()
    return tuple(
        product.sku
        for product in PRODUCTS.values()
        if words and all(word in f"{product.name} {product.about}".casefold() for word in words)
    )
