"""The session's past as the counter page shows it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from phoenix_sessions import Action, HistoryEntry

from .catalog import PRODUCTS

SHOWN: Final = 20

TRAVELS: Final = {"travel": "Travelled", "undo": "Undone", "redo": "Done again"}
WORDS: Final = {
    "counter.increment": "One more",
    "counter.decrement": "One less",
    "cart.add": "{} into the cart",
    "cart.take": "One {} out of the cart",
    "cart.remove": "{} out of the cart",
    "cart.clear": "Cart emptied",
    "wish.add": "{} wished for",
    "wish.remove": "{} not wished for",
    "search.typed": "A key in the search box",
    "search.now": "Searched",
    "delivery.ask": "Courier asked",
    "delivery.answered": "Courier answered",
    "delivery.ask.failed": "Courier refused",
    "delivery.cancel": "Question taken back",
    "delivery.drop": "Question dropped",
    "delivery.reloaded": "Board reloaded",
}


class Moment(NamedTuple):
    """One version of the state.

    Attributes:
        version: Its number.
        what: What led to it, for people.
        time: When, or None for the beginning.
        present: Whether it is the state now.
        travelled: Whether somebody travelled here.
    """

    version: int
    what: str
    time: datetime | None
    present: bool
    travelled: bool


def moments(history: Iterable[HistoryEntry]) -> list[Moment]:
    """Return the latest versions, newest first; entries that changed nothing are left out."""
    found = list(_moments(history))
    newest = [moment._replace(present=index == 0) for index, moment in enumerate(reversed(found))]
    return newest[:SHOWN]


def _moments(history: Iterable[HistoryEntry]) -> Iterator[Moment]:
    last: int | None = None
    for entry in history:
        if last is None and entry.version <= 1:
            last = 0
            yield Moment(0, "The beginning", None, present=False, travelled=False)
        if entry.version != last:
            last = entry.version
            when = datetime.fromtimestamp(entry.time, UTC)
            yield Moment(entry.version, _what(entry), when, present=False, travelled=entry.origin in TRAVELS)


def _what(entry: HistoryEntry) -> str:
    if entry.action is None:
        return TRAVELS.get(entry.origin, entry.origin)
    if entry.origin == "debounce":
        return "Searched, after a pause"
    return WORDS.get(entry.action.type, entry.action.type).format(_product(entry.action))


def _product(action: Action) -> str:
    payload: Any = action.payload
    product = PRODUCTS.get(payload.get("sku", "") if isinstance(payload, dict) else "")
    return product.name if product else ""
