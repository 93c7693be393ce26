"""Where a listener of a stream is: its place in the chain of items, and what wakes it.

Rules:
    1. An item is reachable from the place of whoever has still to read it, and from nowhere else.
    2. Nothing here takes a lock: the tap does that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from .bell import bell
from .core.events import Gap, Item

Receiver = Callable[[Item], None]


class Node:
    """A place in the chain: an item, and what came after it."""

    __slots__ = ("after", "item", "number")

    def __init__(self, item: Item | None, number: int) -> None:
        self.item = item
        self.number = number
        self.after: Node | None = None


class Group:
    """Those on one event loop who listen to one stream.

    Attributes:
        members: How many there are (count).
        waiting: What to set for those who wait for something new.
        rung: Whether the loop was told, and has not looked yet.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.bell = bell()
        self.thread = threading.get_ident()
        self.members = 0
        self.waiting: set[asyncio.Event] = set()
        self.rung = False


class Cursor:
    """The place of one listener in the chain.

    Attributes:
        at: The last item that it was given; None = it has no place yet, as not everything comes.
        limit: How many items may wait for it (count).
        gap: What it is given first.
        group: Those on its event loop; None = a receiver's.
        wake: Set when there is something new, if it has a group.
        over: Whether it listens no more.
    """

    __slots__ = ("__weakref__", "at", "gap", "group", "limit", "over", "wake")

    def __init__(self, limit: int) -> None:
        if not isinstance(limit, int) or limit < 1:
            raise ValueError(f"limit is {limit!r}: how many events may wait for a listener, at least 1")
        self.at: Node | None = None
        self.limit = limit
        self.gap: Gap | None = None
        self.group: Group | None = None
        self.wake = asyncio.Event()
        self.over = False

    @property
    def behind(self) -> bool:
        """Whether there is something for it."""
        return self.gap is not None or (self.at is not None and self.at.after is not None)

    def take(self) -> Item | None:
        """Return what comes next, or None."""
        item: Item | None
        item, self.gap = self.gap, None
        while self.at is not None and (node := self.at.after) is not None:
            if item is not None and not (type(item) is Gap and type(node.item) is Gap):
                break  # of gaps that follow one another, the last is enough
            self.at, item = node, node.item
        return item
