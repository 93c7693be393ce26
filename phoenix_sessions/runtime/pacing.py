"""What is throttled or debounced in one life of a session.

Rules:
    1. Only declared types are paced, so the tables are as small as the reducers' declarations.
    2. A pace counts for what was committed: an action whose reducer raised does not use up an interval.
    3. What is debounced waits as a timer of the life, and ends with it. What another has replaced does not run, even if
       it was due already and only the mailbox was busy.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from ..core.pacing import Pace
from .message import Work

if TYPE_CHECKING:
    from .store import Store
    from .timers import Timer

Key = tuple[str, ...]


class Pacing:
    """The paces of one session's life, by slice name, local type and kind."""

    __slots__ = ("_ran", "_waiting")

    def __init__(self) -> None:
        self._ran: dict[Key, float] = {}
        self._waiting: dict[Key, tuple[object, Timer]] = {}

    def free(self, key: Key, pace: Pace, now: float) -> bool:
        """Return whether what is throttled may run now."""
        return now - self._ran.get(key, -inf) >= pace.seconds

    def ran(self, key: Key, now: float) -> None:
        """Note that it has run."""
        self._ran[key] = now

    def wait(self, session: Store, key: Key, pace: Pace, work: Work, *args: Any) -> None:
        """Have the work done once nothing of its kind has come for the interval, in place of what waits for that."""
        if key in self._waiting:
            self._waiting[key][1].cancel()
        turn = object()
        self._waiting[key] = turn, session.later(pace.seconds, True, self._due, key, turn, work, *args)

    def _due(self, key: Key, turn: object, work: Work, *args: Any) -> Any:
        if self._waiting[key][0] is not turn:
            return None
        del self._waiting[key]
        return work(*args)
