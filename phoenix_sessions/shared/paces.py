"""What is throttled in a shared session: when it last ran is a part of the state, so that all workers know it.

Rules:
    1. A throttled action runs at most once in its interval, whichever workers it comes to; their clocks (seconds since
       1970) decide, so they must go alike.
    2. What is debounced waits at the worker that it came to: a burst that is spread over several workers runs once at
       each of them. Effects are throttled and debounced by each worker for itself.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from ..backends import codec
from ..core.pacing import Pace
from ..runtime.pacing import Key, Pacing

if TYPE_CHECKING:
    from ..runtime.draft import Draft
    from .cached import Cached

PIECE: Final = "\x00paces"
"""Where the state has the times; no slice and no own key is called so."""

Times = dict[Key, float]


class SharedPacing(Pacing):
    """The paces of a shared session, as one worker sees them.

    Attributes:
        times: When what is throttled last ran (seconds since 1970), also by what is not committed yet.
    """

    __slots__ = ("_session", "times")

    def __init__(self, session: Cached) -> None:
        super().__init__()
        self._session = session
        self.times: Times = {}

    def free(self, key: Key, pace: Pace, now: float) -> bool:
        """Return whether what is throttled may run now."""
        since = self._session.supervisor.clock.time() - self.times.get(key, -inf)
        return since >= pace.seconds and super().free(key, pace, now)

    def read(self) -> None:
        """Take the times of the cached state."""
        piece = self._session.pieces.get(PIECE)
        self.times = {} if piece is None else codec.decode(piece)

    def note(self, draft: Draft) -> bytes | None:
        """Note what runs, and return the times as a piece of the state; None if nothing throttled does."""
        if not draft.ran:
            return None
        now = self._session.supervisor.clock.time()
        self.times |= {(step.name, step.type): now for step in draft.ran}
        return codec.encode(self.times, "paces")
