"""The appends that wait for the writer: a bounded queue.

Rules:
    1. First in, first out; what could not be stored yet goes back to the front, in its order.
    2. It holds so many appends and so many bytes, and says no to more.
    3. Once it is closed it takes none, and gives those that it has.
    4. Answers for an event loop are given many at once: to wake a loop costs more than to answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from typing import Any

from .storage.appending import Outcome
from .storage.checks import Prepared
from .types import Stored


class Append:
    """A message that waits to be stored.

    Attributes:
        prepared: The message.
        future: Who waits.
        loop: The event loop that the future belongs to, None = threads wait.
        deadline: Until when it is tried (seconds, monotonic).
        size: How large it is (bytes, more or less).
        tried: Whether somebody has begun to store it.
    """

    __slots__ = ("deadline", "future", "loop", "prepared", "size", "tried")

    def __init__(
        self,
        prepared: Prepared,
        future: Future[Stored] | asyncio.Future[Stored],
        loop: asyncio.AbstractEventLoop | None,
        deadline: float,
    ) -> None:
        self.prepared = prepared
        self.future = future
        self.loop = loop
        self.deadline = deadline
        self.size = prepared.size
        self.tried = False


class Backlog:
    """Appends that wait.

    Args:
        messages: How many it holds (count).
        size: How large they may be together (bytes).
    """

    def __init__(self, messages: int, size: int) -> None:
        self._most = messages
        self._most_size = size
        self._waiting: deque[Append] = deque()
        self._size = 0
        self._taken = 0
        self._changed = threading.Condition()
        self._pausing = False
        self.closed = False

    def __len__(self) -> int:
        """Return how many wait or are being stored (count)."""
        return len(self._waiting) + self._taken

    def put(self, append: Append) -> str | None:
        """Add an append, or return why not: ``"draining"``, ``"full"``."""
        with self._changed:
            if self.closed:
                return "draining"
            if len(self) >= self._most or (self._size and self._size + append.size > self._most_size):
                return "full"
            self._waiting.append(append)
            self._size += append.size
            if len(self._waiting) == 1 or self._pausing:
                self._pausing = False
                self._changed.notify_all()
            return None

    def take(self, messages: int, size: int) -> list[Append]:
        """Wait for appends, and return at most so many, of at most so many bytes or one; none when it is all over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.closed)
            batch: list[Append] = []
            while self._waiting and len(batch) < messages:
                if batch and size < self._waiting[0].size:
                    break
                append = self._waiting.popleft()
                append.tried = True
                size -= append.size
                batch.append(append)
            self._taken = len(batch)
            return batch

    def pause(self, seconds: float) -> None:
        """Wait for another append, but no longer than this (seconds)."""
        with self._changed:
            self._pausing = True
            self._changed.wait_for(lambda: not self._pausing, seconds)
            self._pausing = False

    def finish(self, batch: list[Append], again: list[Append]) -> None:
        """Say that a batch is over, but for those that go back."""
        with self._changed:
            self._taken = 0
            self._size += sum(each.size for each in again) - sum(each.size for each in batch)
            self._waiting.extendleft(reversed(again))
            self._changed.notify_all()

    def overdue(self) -> list[Append]:
        """Take out those at the front whose time is over."""
        now = time.monotonic()
        with self._changed:
            found: list[Append] = []
            while self._waiting and self._waiting[0].deadline <= now:
                found.append(self._waiting.popleft())
            self._size -= sum(each.size for each in found)
            return found

    def close(self) -> None:
        """Take no more."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def wait_until_empty(self, timeout: float) -> bool:
        """Wait until nothing waits and nothing is being stored, and return whether that is so in time (seconds)."""
        with self._changed:
            return self._changed.wait_for(lambda: not len(self), timeout)

    def give_up(self) -> list[Append]:
        """Take out all that wait; those that are being stored are left to be answered."""
        with self._changed:
            found = list(self._waiting)
            self._waiting.clear()
            self._size -= sum(each.size for each in found)
            self._changed.notify_all()
            return found


def answer(appends: Iterable[Append], outcomes: Iterable[Outcome]) -> None:
    """Tell those who wait what became of their appends."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Any, Outcome]]] = {}
    for append, outcome in zip(appends, outcomes, strict=True):
        if append.loop is None:
            _settle([(append.future, outcome)])
        else:
            loops.setdefault(append.loop, []).append((append.future, outcome))
    for loop, answers in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: list[tuple[Any, Outcome]]) -> None:
    for future, outcome in answers:
        with contextlib.suppress(InvalidStateError, asyncio.InvalidStateError):  # it was cancelled
            if isinstance(outcome, Stored):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)
