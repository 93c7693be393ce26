"""What one worker has still to publish in one stream."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future

from .parcels import DATA_BYTES, Written

Waiting = tuple[Written, Future[None] | None]


class Lane:
    """What one worker publishes in one stream.

    Attributes:
        id: The stream, as the engine knows it.
        waiting: The events that are not under way yet, and who waits for them.
        size: How much that is (bytes).
        last: The number of the last parcel that was told; 0 = none was.
        owed: Whether events may be lost that nobody was told of.
        running: Whether a task sees to it.
        telling: Whether events are under way.
    """

    __slots__ = ("id", "last", "owed", "running", "size", "telling", "waiting")

    def __init__(self, id: str) -> None:
        self.id = id
        self.waiting: deque[Waiting] = deque()
        self.size = 0
        self.last = 0
        self.owed = False
        self.running = False
        self.telling = False

    @property
    def busy(self) -> bool:
        """Whether there are events still to be told."""
        return self.telling or bool(self.waiting)

    def take(self) -> list[Waiting]:
        """Return what goes next: as many events as fit, and one at least if there is one."""
        taken: list[Waiting] = []
        size = 0
        while self.waiting and (not taken or size + size_of(self.waiting[0]) <= DATA_BYTES):
            size += size_of(self.waiting[0])
            taken.append(self.waiting.popleft())
        self.size -= size
        return taken


def size_of(waiting: Waiting) -> int:
    """Return how much room an event takes in a notice, about (bytes)."""
    (name, data), _ = waiting
    return len(data) + 4 * len(name) + 16
