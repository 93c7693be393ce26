"""The open pages: who is on the other end of a socket or a stream.

Rules:
    1. A page is in it from when it has joined its session until its connection is over. Its object is held weakly.
    2. Every method may be used on any thread; none takes a lock, so that a fork finds none taken.
"""

from __future__ import annotations

import weakref
from typing import Protocol

from .runtime.departure import Departure


class Page(Protocol):
    """What is told about a session's end; an outbox is one."""

    def ended(self, event: str, reason: str) -> None:
        """Tell that the session is over."""


class Pages:
    """The open pages of this OS process."""

    def __init__(self) -> None:
        self._open: dict[int, weakref.ref[Page]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, page: Page) -> None:
        """Note that the page is open."""
        key, pages = id(page), self._open
        pages[key] = weakref.ref(page, lambda _: pages.pop(key, None))

    def remove(self, page: Page | None) -> None:
        """Note that the page is not open (any more)."""
        self._open.pop(id(page), None)

    def send_away(self) -> None:
        """Tell all of them to come back elsewhere."""
        for reference in tuple(self._open.values()):
            if (page := reference()) is not None:
                page.ended("terminated", Departure.SHUTDOWN)

    def begin_again(self) -> None:
        """Forget all pages, as a forked child does."""
        self._open.clear()
