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
    """Two small slices, and otherwise the package's defaults: the history is on, the TTL is an hour."""

    reducers = [Counter, Cart]

    def handle_call(self, request: Any, state: Any) -> Reply:
        return Reply(state["counter"]["count"], state)


class ForgetfulShop(Shop):
    """The same without history."""

    history_limit = 0


def count_of(state: Any) -> int:
    """Pick the count, as a selector."""
    count: int = state["counter"]["count"]
    return count


def distinct_selector() -> Callable[[Any], int]:
    """Return a selector of the count that no other subscription shares."""
    return lambda state: state["counter"]["count"]


def selector_elsewhere() -> Callable[[Any], int]:
    """Return a selector of the other slice that no other subscription shares."""
    return lambda state: state["cart"]["total"]


def ids(count: int) -> list[str]:
    """Return fresh session ids, as the middleware makes them."""
    return [secrets.token_urlsafe(24) for _ in range(count)]


def receiver(event: str, value: Any) -> None:
    """Take a new value."""


ADD = Action("add", 1)
counter, cart = Counter(), Cart()
process = Shop(None)  # type: ignore[arg-type]  # its handler needs no session


class BareSession:
    """The state of one session, with nothing around it."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: dict[str, Slice] = {"counter": counter.init_state(), "cart": cart.init_state()}

    def dispatch(self) -> None:
        """Reduce one slice."""
        state = self.state
        state["counter"] = counter.add(ADD, state["counter"])

    def get_state(self) -> dict[str, Slice]:
        return self.state

    def call(self) -> Any:
        return process.handle_call("count", self.state).value


class WatchedSession(BareSession):
    """The same with subscribers, each with a selector of its own."""

    __slots__ = ("subscribers",)

    def __init__(self, count: int) -> None:
        super().__init__()
        self.subscribers = [(distinct_selector(), receiver) for _ in range(count)]

    def dispatch(self) -> None:
        """Reduce one slice and tell the subscribers, comparing nothing."""
        super().dispatch()
        state = self.state
        for selector, tell in self.subscribers:
            tell("changed", selector(state))
