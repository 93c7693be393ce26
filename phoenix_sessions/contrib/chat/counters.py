"""What this OS process has done since it began, in numbers.

Rules:
    1. Each number only grows; a restart begins at 0.
    2. Doors count what they refuse, by its code; the gateway counts what it stores.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import NamedTuple

from .types import Stored


class Counts(NamedTuple):
    """The numbers of one moment.

    Attributes:
        appends: How many messages were stored (count).
        repeats: How many had been stored before (count).
        refusals: How many requests were refused, by code (count).
    """

    appends: int
    repeats: int
    refusals: dict[str, int]


class Counters:
    """Counts, on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stored: Counter[bool] = Counter()
        self._refused: Counter[str] = Counter()

    def stored(self, stored: Stored) -> None:
        """Count what became of a draft."""
        with self._lock:
            self._stored[stored.repeat] += 1

    def refused(self, code: str) -> None:
        """Count a refusal."""
        with self._lock:
            self._refused[code] += 1

    def now(self) -> Counts:
        """Return the numbers."""
        with self._lock:
            return Counts(self._stored[False], self._stored[True], dict(sorted(self._refused.items())))
