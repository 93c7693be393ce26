"""Who pushes: our consumer, the same with channels' group_send, and a bare loop that sends to each socket.

What is pushed is a small value (a count) or a larger one (a cart of 20 lines, some 1,500 bytes), as a JSON frame.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import channel_layers
from django.contrib.sessions.backends.signed_cookies import SessionStore

from phoenix_sessions import Action, Reducer, SessionProcess, on, sessions
from phoenix_sessions.consumers import SessionConsumerMixin
from phoenix_sessions.identity import KEY

from . import layers

ID: Final = "v" * 32
GROUP: Final = "visitor"
OURS: Final = "ours"
FLOOR: Final = "floor"
LINES: Final = [{"sku": f"article-{number}", "name": "Assam, first flush", "amount": 1} for number in range(20)]

Push = Callable[[str], Awaitable[object]]
"""Pushes the next value of "count" or "cart" to all sockets."""


class Counted(tzinfo):
    """UTC, which counts how often a time in it is encoded."""

    encoded = 0

    def utcoffset(self, when: datetime | None) -> timedelta:
        Counted.encoded += 1
        return timedelta(0)

    def dst(self, when: datetime | None) -> timedelta:
        return timedelta(0)


class Count(Reducer):
    name = "count"

    def init_state(self) -> int:
        return 0

    @on("next")
    def next(self, action: Action, state: int) -> int:
        return state + 1


class Cart(Reducer):
    name = "cart"

    def init_state(self) -> dict[str, Any]:
        return {"lines": LINES, "total": 0}

    @on("next")
    def next(self, action: Action, state: dict[str, Any]) -> dict[str, Any]:
        return {**state, "total": state["total"] + 1}


class At(Reducer):
    name = "at"

    def init_state(self) -> datetime:
        return datetime.now(UTC).replace(tzinfo=Counted())

    @on("next")
    def next(self, action: Action, state: datetime) -> datetime:
        return state + timedelta(seconds=1)


class Visitor(SessionProcess):
    reducers = [Count, Cart, At]
    ttl = 3600


class OurConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"count_changed": "count", "cart_changed": "cart", "at_changed": "at"}


class GroupConsumer(AsyncJsonWebsocketConsumer):
    groups = [GROUP]

    async def value_changed(self, message: dict[str, Any]) -> None:
        await self.send_json({"type": "state", "changes": message["changes"]})


class BareConsumer(AsyncJsonWebsocketConsumer):
    """Told by a loop over all of them; none of them ever leaves."""

    connected: list[BareConsumer] = []

    async def connect(self) -> None:
        await self.accept()
        self.connected.append(self)


class Values:
    """What those push who have no session."""

    def __init__(self) -> None:
        self._version = 0

    def next(self, value: str) -> dict[str, Any]:
        """Return the changes of a next value."""
        self._version += 1
        return {f"{value}_changed": self._version if value == "count" else {"lines": LINES, "total": self._version}}


async def prepare(contender: str, sockets: int) -> tuple[Any, Push]:
    """Return the ASGI application of a contender, and what makes it push; to be called once for each contender."""
    if contender == OURS:
        ref = await sessions.astart_session(ID, Visitor)
        return OurConsumer.as_asgi(), lambda value: ref.adispatch(f"{value}.next")
    values = Values()
    if contender == FLOOR:
        return BareConsumer.as_asgi(), lambda value: _tell_all(values.next(value))
    layer = layers.create(contender, sockets)
    channel_layers.set(contender, layer)
    consumer = type("Consumer", (GroupConsumer,), {"channel_layer_alias": contender})
    return consumer.as_asgi(), lambda value: layer.group_send(
        GROUP, {"type": "value_changed", "changes": values.next(value)}
    )


async def _tell_all(changes: dict[str, Any]) -> None:
    text = json.dumps({"type": "state", "changes": changes})
    for each in BareConsumer.connected:
        await each.send(text_data=text)


def visitor() -> SessionStore:
    """Return the Django session of the one visitor."""
    store = SessionStore()
    store[KEY] = ID
    return store
