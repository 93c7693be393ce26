"""The history of one life: what was applied, and the way back to the states before.

Rules:
    1. At most ``limit`` records are kept; the oldest go first. What the oldest kept one began with can still be
       travelled to.
    2. A record holds what its action replaced, so an earlier state is the present one with the later records taken
       back. Nothing need be copied when a record is added or forgotten.
    3. Travelling is a change like any other: it has a version of its own, and a record that says which version it
       shows. Undo and redo are found from the records; there is no second list to keep in step.
    4. What happens most, an action that replaced one slice or none, is a bare tuple (``Brief``): less than 150 bytes.

Source: Redux DevTools' time travel; redux-undo. Differs: versions never go back, so subscribers and backends see
travelling as ordinary commits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from .action import Action, make_action
from .state import State, patch

Brief = tuple[str, Any, Mapping[str, Any] | None, float, str | None, Any]
"""A plain dispatch: type, payload, meta and time; then the slice that it replaced, if any, and what that was before."""


class HistoryEntry(NamedTuple):
    """One thing that was applied to the state.

    Attributes:
        action: The action with its full type; None where a handler changed the state, or somebody travelled.
        version: The version after it.
        time: When (seconds since 1970, by the clock as it was set when the history began).
        origin: "dispatch", "debounce", "effect", "call", "cast", "info", "travel", "undo" or "redo".
    """

    action: Action | None
    version: int
    time: float
    origin: str


class Record(msgspec.Struct, frozen=True):
    """Something that was applied.

    Attributes:
        action: See ``HistoryEntry``.
        origin: See ``HistoryEntry``.
        time: When (monotonic seconds).
        start: The version before it.
        version: The version after it.
        before: What the keys that it changed were before, or GONE.
        shows: The version whose state it shows: its own, but for travelling.
    """

    action: Action | None
    origin: str
    time: float
    start: int
    version: int
    before: Mapping[str, Any]
    shows: int


class History(deque[Record | Brief]):
    """The records of one life, oldest first; whoever asks passes the present version.

    Args:
        limit: How many records are kept (count).
        since_1970: What to add to the monotonic seconds of the records to get seconds since 1970. It is what the clocks
            said when the history began, so what was told of the past stays as it is when somebody sets the clock.
    """

    __slots__ = ("_since_1970",)

    def __init__(self, limit: int, since_1970: float) -> None:
        super().__init__(maxlen=limit)
        self._since_1970 = since_1970

    def entries(self, version: int) -> list[HistoryEntry]:
        """Return what was applied, oldest first, given the present version."""
        since_1970, records = self._since_1970, self._back_from(version)
        return [HistoryEntry(r.action, r.version, r.time + since_1970, r.origin) for r in records][::-1]

    def oldest(self, version: int) -> int:
        """Return the oldest version that can be travelled to."""
        for record in self._back_from(version):
            version = record.start
        return version

    def state_at(self, wanted: int, version: int, state: Mapping[str, Any]) -> State:
        """Return the state of a version that is kept, given the present one."""
        earlier = dict(state)
        for record in self._back_from(version):
            if record.version <= wanted:
                break
            patch(earlier, record.before)
        return State(earlier)

    def shown_at(self, wanted: int, version: int) -> int:
        """Return the version whose state this kept version shows; the oldest kept stands for those before it."""
        for record in self._back_from(version):
            if record.version <= wanted and (record.version != record.start or record.shows != record.version):
                return max(record.shows, self.oldest(version))
        return self.oldest(version)

    def undone(self, version: int) -> int | None:
        """Return the version to go back to for an undo, or None if nothing is kept that could be undone."""
        before = self.shown_at(version, version) - 1
        return before if before >= self.oldest(version) else None

    def redone(self, version: int) -> int | None:
        """Return the version to go back to for a redo, or None if the last change was no undo."""
        undone: list[int] = []
        for record in reversed(list(self._back_from(version))):
            if record.origin == "undo":
                undone.append(record.version - 1)
            elif record.origin == "redo":
                undone[-1:] = []
            elif record.before or record.origin == "travel":
                undone.clear()
        return undone[-1] if undone and undone[-1] >= self.oldest(version) else None

    def _back_from(self, version: int) -> Iterator[Record]:
        """Yield the records, newest first, the brief ones in full."""
        for record in reversed(self):
            full = _in_full(record, version) if isinstance(record, tuple) else record
            yield full
            version = full.start


def _in_full(brief: Brief, version: int) -> Record:
    type_, payload, meta, time, name, before = brief
    replaced = {} if name is None else {name: before}
    action = make_action(type_, payload, meta)
    return Record(action, "dispatch", time, version - len(replaced), version, replaced, version)
