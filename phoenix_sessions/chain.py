"""The items of a stream as all its listeners in a worker read them, each at a place of its own.

Rules:
    1. To append an item costs the same for one listener and for a hundred. What nobody has to read any more is freed
       with its last reader.
    2. A listener that lets more than its limit wait is taken to the present, with a gap in place of what waited.
    3. It knows no lock: its tap has one.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator

from .core.events import Gap, Item
from .cursor import Cursor, Node


class Chain:
    """The end of the chain, and who reads it.

    Args:
        orphaned: Called when a listener was garbage-collected, on any thread.
    """

    def __init__(self, orphaned: Callable[[object], None]) -> None:
        self._orphaned = orphaned
        self._tail = Node(None, 0)
        self._cursors: dict[int, weakref.ref[Cursor]] = {}
        self._look_at = math.inf  # the number from which on somebody may have too much waiting

    def __len__(self) -> int:
        """Return how many listen (count)."""
        return sum(1 for _ in self._living())

    @property
    def placed(self) -> int:
        """How many are given what comes next (count)."""
        return sum(cursor.at is not None for cursor in self._living())

    def add(self, cursor: Cursor) -> None:
        """Have somebody listen, who has no place yet."""
        self._cursors[id(cursor)] = weakref.ref(cursor, self._orphaned)

    def place(self, cursor: Cursor) -> None:
        """Have somebody be given what is appended from now on."""
        cursor.at = self._tail
        self._look_at = min(self._look_at, self._tail.number + cursor.limit + 1)

    def place_all(self) -> None:
        """Give a place to all who have none."""
        for cursor in self._living():
            if cursor.at is None:
                self.place(cursor)

    def remove(self, cursor: Cursor) -> bool:
        """Have somebody listen no more; returns False if that was so before."""
        cursor.over = True
        cursor.at = None  # what waits for it is freed
        return self._cursors.pop(id(cursor), None) is not None

    def append(self, item: Item, *, live: bool) -> int:
        """Put an item at the end; returns how many were too slow for that, and are told if everything comes now."""
        self._tail.after = node = Node(item, self._tail.number + 1)
        self._tail = node
        return 0 if node.number < self._look_at else self._cut(live)

    def _cut(self, live: bool) -> int:
        """Take those who are too slow to the present."""
        tail = self._tail
        slow = 0
        self._look_at = math.inf
        for cursor in self._living():
            if cursor.at is None:
                continue
            if tail.number - cursor.at.number > cursor.limit:
                cursor.at, cursor.gap = tail, Gap("slow", live)
                slow += 1
            self._look_at = min(self._look_at, cursor.at.number + cursor.limit + 1)
        return slow

    def _living(self) -> Iterator[Cursor]:
        """Give those who listen, and forget the others."""
        for key, reference in tuple(self._cursors.items()):
            if (cursor := reference()) is None:
                self._cursors.pop(key, None)
            elif cursor.over:  # the object of its receiver was garbage-collected
                cursor.at = None
                self._cursors.pop(key)
            else:
                yield cursor
