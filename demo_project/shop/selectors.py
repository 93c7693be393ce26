"""What pages show of the state; the server renders it first, the socket keeps it current.

All are memoised: they are worked out again only when the slice that they look at is another object.
"""

from collections.abc import Mapping
from typing import Any

from phoenix_sessions import create_selector

from .catalog import PRODUCTS, money

Items = Mapping[str, int]


def _lines(items: Items) -> list[dict[str, Any]]:
    return [
        {"sku": sku, "name": PRODUCTS[sku].name, "quantity": n, "price": money(PRODUCTS[sku].cents * n)}
        for sku, n in items.items()
    ]


def _size(items: Items) -> int:
    return sum(items.values())


def _cents(items: Items) -> int:
    return sum(PRODUCTS[sku].cents * n for sku, n in items.items())


def _wishes(slice: Mapping[str, Items] | None) -> list[str]:
    return list(slice["items"]) if slice else []


lines = create_selector("cart.items", _lines)
"""The lines of the cart, in the order in which they came in."""

size = create_selector("cart.items", _size)
"""How many things are in the cart."""

cents = create_selector("cart.items", _cents)
"""What the cart costs (euro cents)."""

total = create_selector(cents, money)
"""What the cart costs, for people; stands on another selector."""

basket = create_selector(lines, size, total, lambda *values: dict(zip(("lines", "size", "total"), values, strict=True)))
"""All that a template shows of the cart."""

wishes = create_selector(lambda state: state.get("wishes"), _wishes)
"""What is on the wish list; a guest has none."""

found = create_selector("search.found", lambda skus: [PRODUCTS[sku] for sku in skus])
"""The products that the last search has found."""
