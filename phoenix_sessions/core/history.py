"""The history of one life: what was applied, and the states it led to.

Rules:
    1. At most ``limit`` records are kept; the oldest go first. Versions from the oldest kept one on can be travelled
       to.
    2. A record holds what its action changed, so a state is the base state and the changes up to its version.
    3. Travelling is a change like any other: it has a version of its own, and a record that says which version it
       shows. Undo and redo are found from the records; there is no second list to keep in step.

Source: Redux DevTools' time travel; redux-undo. Differs: versions never go back, so subscribers and backends see
travelling as ordinary commits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .action import Action
from .state import State, patch


class HistoryEntry(NamedTuple):
    """One thing that was applied to the state.

    Attributes:
        action: The action with its full type; None where a handler changed the state, or somebody travelled.
        version: The version after it.
        time: When (seconds since 1970).
        origin: "dispatch", "debounce", "effect", "call", "cast", "info", "travel", "undo" or "redo".
    """

    action: Action | None
    version: int
    time: float
    origin: str


class Record(NamedTuple):
    """An entry, with what it changed and the version whose state it shows (its own, but for travelling)."""

    action: Action | None
    version: int
    time: float
    origin: str
    changed: Mapping[str, Any]
    shows: int


class History:
    """The records of one life.

    Args:
        state: The state that the life began with, at version 0.
        limit: How many records are kept (count).
    """

    __slots__ = ("_base", "_base_shows", "_base_version", "_limit", "_records")

    def __init__(self, state: Mapping[str, Any], limit: int) -> None:
        self._limit = limit
        self._records: deque[Record] = deque()
        self._base = dict(state)
        self._base_version = self._base_shows = 0

    def __len__(self) -> int:
        return len(self._records)

    def entries(self) -> list[HistoryEntry]:
        """Return what was applied, oldest first."""
        return [HistoryEntry(*record[:4]) for record in self._records]

    @property
    def shows(self) -> int:
        """The version whose state is the present one."""
        return self._records[-1].shows if self._records else self._base_shows

    @property
    def oldest(self) -> int:
        """The oldest version that can be travelled to."""
        return self._base_version

    def add(
        self,
        action: Action | None,
        version: int,
        time: float,
        origin: str,
        changed: Mapping[str, Any],
        shows: int | None = None,
    ) -> None:
        """Record what was applied; ``shows`` is given by travellers."""
        if len(self._records) >= self._limit:
            self._forget(self._records.popleft())
        if shows is None:
            shows = version if changed else self.shows
        self._records.append(Record(action, version, time, origin, changed, shows))

    def _forget(self, record: Record) -> None:
        patch(self._base, record.changed)
        self._base_version, self._base_shows = record.version, record.shows

    def state_at(self, version: int) -> State:
        """Return the state of a version that is kept."""
        state = dict(self._base)
        for record in self._until(version):
            patch(state, record.changed)
        return State(state)

    def shown_at(self, version: int) -> int:
        """Return the version whose state this kept version shows."""
        shows = self._base_shows
        for record in self._until(version):
            shows = record.shows
        return shows

    def undone(self) -> int | None:
        """Return the version to go back to for an undo, or None if nothing is kept that could be undone."""
        before = self.shows - 1
        return before if before >= self._base_version else None

    def redone(self) -> int | None:
        """Return the version to go back to for a redo, or None if the last change was no undo."""
        undone: list[int] = []
        for record in self._records:
            if record.origin == "undo":
                undone.append(record.version - 1)
            elif record.origin == "redo":
                undone[-1:] = []
            elif record.changed or record.origin == "travel":
                undone.clear()
        return undone[-1] if undone and undone[-1] >= self._base_version else None

    def _until(self, version: int) -> Iterator[Record]:
        for record in self._records:
            if record.version > version:
                return
            yield record
