"""What a browser may ask for, with the shape of each payload.

Rules:
    1. Sockets and forms go by the same tables; what is not in them is refused.
    2. Every session checks payloads again (``store_middleware`` in ``processes``), whoever dispatches.
    3. A payload is checked to be of its shape and stays a dict, which any backend can keep in the history.
"""

from collections.abc import Mapping
from typing import Annotated, Final, TypedDict

import msgspec


class Item(TypedDict):
    """The payload of actions on one product."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class Words(TypedDict):
    """The payload of a search."""

    text: Annotated[str, msgspec.Meta(max_length=80)]


class Parcel(TypedDict):
    """The payload of a question to the courier."""

    town: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


Payload = type[Item | Words | Parcel] | None

ACTIONS: Final[Mapping[str, Payload]] = {
    "counter.increment": None,
    "counter.decrement": None,
    "cart.add": Item,
    "cart.take": Item,
    "cart.remove": Item,
    "cart.clear": None,
    "wish.add": Item,
    "wish.remove": Item,
    "search.typed": Words,
    "search.now": Words,
}
"""What a browser may dispatch."""

EFFECTS: Final[Mapping[str, Payload]] = {"delivery.reload": None}
"""What a browser may start effects with."""

SHAPES: Final[Mapping[str, Payload]] = {**ACTIONS, **EFFECTS, "delivery.ask": Parcel}
"""All payloads that have a shape, also of what only the shop's own views dispatch."""
