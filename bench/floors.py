"""The same work in bare Python: no lock, no mailbox, no checks.

The reducer and the process class are what "ours" runs; the floor calls the very same methods itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from phoenix_sessions import Action, Reducer, Reply, SessionProcess, on

Slice = dict[str, Any]


class Counter(Reducer):
    name = "counter"

    def init_state(self) -> Slice:
        return {"count": 0, "step": 1, "label": "clicks"}

    @on("add")
    def add(self, action: Action, state: Slice) -> Slice:
        return {**state, "count": state["count"] + action.payload}


class Cart(Reducer):
    name = "cart"

    def init_state(self) -> Slice:
        return {"items": (), "total": 0}


class Shop(SessionProcess):
    reducers = [Counter, Cart]
    ttl = 3600

    def handle_call(self, request: Any, state: Any) -> Reply:
        return Reply(state["counter"]["count"], state)


def count_of(state: Any) -> int:
    """Pick the count, as a selector."""
    count: int = state["counter"]["count"]
    return count


def distinct_selector() -> Callable[[Any], int]:
    """Return a selector that no other subscription shares."""
    return lambda state: state["counter"]["count"]


def ids(count: int) -> list[str]:
    """Return fresh session ids, as the middleware makes them."""
    return [secrets.token_urlsafe(24) for _ in range(count)]


def receiver(event: str, value: Any) -> None:
    """Take a new value."""


ADD = Action("add", 1)
counter, cart = Counter(), Cart()


class BareSession:
    """State and subscribers, with nothing around them."""

    __slots__ = ("state", "subscribers")

    def __init__(self) -> None:
        self.state: dict[str, Slice] = {"counter": counter.init_state(), "cart": cart.init_state()}
        self.subscribers: list[tuple[Callable[[Any], int], Callable[[str, Any], None]]] = []

    def dispatch(self) -> None:
        """Reduce one slice and tell the subscribers."""
        state = self.state
        state["counter"] = counter.add(ADD, state["counter"])
        for selector, tell in self.subscribers:
            tell("changed", selector(state))

    def get_state(self) -> dict[str, Slice]:
        return self.state

    def select(self) -> int:
        return count_of(self.state)

    def call(self) -> Any:
        return Shop.handle_call(None, "count", self.state).value  # type: ignore[arg-type]

    def subscribe(self, count: int) -> None:
        self.subscribers += [(distinct_selector(), receiver) for _ in range(count)]
