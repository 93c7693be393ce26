"""Turns: what is done with one conversation in this OS process is done one after the other.

Rules:
    1. Two who change the same thing commit and tell in the same order, so that what was told last is what is stored.
    2. Others do not wait, and what nobody waits for is forgotten.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Turns:
    """A lock for each name that is in use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, tuple[threading.Lock, int]] = {}

    def __len__(self) -> int:
        """Return how many names are in use (count)."""
        return len(self._turns)

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Wait until it is the caller's turn, which ends with the block."""
        with self._lock:
            turn, users = self._turns.get(name, (threading.Lock(), 0))
            self._turns[name] = turn, users + 1
        try:
            with turn:
                yield
        finally:
            with self._lock:
                users = self._turns[name][1] - 1
                if users:
                    self._turns[name] = turn, users
                else:
                    del self._turns[name]
