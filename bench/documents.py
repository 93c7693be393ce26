"""The sessions of the backends group: a state of 1 KB, in two slices, of which either can be changed."""

from __future__ import annotations

from typing import Any, Final

from phoenix_sessions import Action, Reducer, SessionProcess, on

from .floors import Counter, Slice

STATE_BYTES: Final = 1_024
"""How long the whole state is, as the engine holds it."""
LINES: Final = 13
PADDING: Final = 258
"""Letters of a note that make it ``STATE_BYTES``."""
SMALL: Final = "counter.add"
"""Changes the slice of some 30 bytes."""
LARGE: Final = "basket.count"
"""Changes the slice of all the rest."""


class Basket(Reducer):
    name = "basket"

    def init_state(self) -> Slice:
        lines = [
            {"sku": f"sku-{n:04}", "title": f"A thing of kind {n}", "count": n, "price": 199 + n} for n in range(LINES)
        ]
        return {"lines": lines, "total": 0, "note": "x" * PADDING}

    @on("count")
    def count(self, action: Action, state: Slice) -> Slice:
        return {**state, "total": (state["total"] + action.payload) % 100}


def _line(number: int) -> dict[str, Any]:
    return {"sku": f"sku-{number:04}", "title": f"A thing of kind {number}", "count": number, "price": 199 + number}


class Document(SessionProcess):
    """Without history, so that a commit is the state and nothing else."""

    reducers = [Counter, Basket]
    history_limit = 0


class Document10(Document):
    history_limit = 10


class Document100(Document):
    history_limit = 100


class MemoryDocument(Document):
    """The same in the memory of one OS process."""

    durability = "memory"


PROCESSES: Final[dict[int, type[SessionProcess]]] = {0: Document, 10: Document10, 100: Document100}
"""By how many entries their history keeps."""


def text_of(state: Any) -> str:
    """Pick something of the larger slice, as a selector."""
    note: str = state["basket"]["note"]
    return note
