"""How workers that contend for one session take turns, so that nobody starves and few tries are wasted.

Rules:
    1. The first conflicts are tried again after a short pause of random length.
    2. After ``PATIENT_CONFLICTS`` in a row the worker queues for a short lease, and commits while it has that. So do
       the others that contend, so each commit succeeds at its first try.
    3. Who has the lease keeps it for ``QUANTUM`` seconds at most, and not while nothing waits. Then others come first.
    4. The lease is a courtesy: a commit is compare-and-set with or without it, and a worker that cannot get it for
       ``LONGEST_WAIT`` seconds goes on without.
    5. A worker that has met nobody for ``CALM`` seconds commits at once again.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from ..core.errors import BackendError
from ..runtime.flow import Steps

if TYPE_CHECKING:
    from .engine import Engine

PATIENT_CONFLICTS: Final = 2
FIRST_PAUSE: Final = 0.0005
LEASE: Final = 0.25
QUANTUM: Final = 0.02
POLL: Final = 0.004
LONGEST_WAIT: Final = 1.0
CALM: Final = 0.5


class Contention:
    """The contention for one session, as one worker meets it.

    Attributes:
        over: Whether nobody was met for long enough.
    """

    __slots__ = ("_engine", "_fence", "_met", "_name", "_since", "_yielded", "over")

    def __init__(self, engine: Engine, id: str) -> None:
        self._engine = engine
        self._name = f"turn/{id}"  # with a character that ``sessions.claim`` refuses
        self._fence: int | None = None
        self._since = 0.0
        self._yielded = 0.0
        self._met: float | None = None
        self.over = False

    def give_way(self, conflicts: int) -> Steps:
        """Wait a little after a conflict; after several, queue from now on."""
        if conflicts >= PATIENT_CONFLICTS:
            self._met = self._engine.clock.monotonic()
        if self._fence is not None:
            return  # the others wait, but for one that has not come to queue yet
        longest = min(FIRST_PAUSE * 2**conflicts, 0.016)
        yield self._engine.pause(random.uniform(0, longest))  # noqa: S311  # no secret

    def enter(self) -> Steps:
        """Wait for the lease, if workers queue for this session."""
        clock = self._engine.clock
        if self._met is None or self._fence is not None:
            return
        until = clock.monotonic() + LONGEST_WAIT
        if self._yielded and (rest := self._yielded + POLL * 1.5 - clock.monotonic()) > 0:
            yield self._engine.pause(rest)  # others come first
        while clock.monotonic() < until:
            try:
                claim = yield from self._engine.ask_once("claim", self._name, self._engine.worker, LEASE)
            except BackendError:
                return  # the commit will tell
            if claim.fence is not None:
                self._fence, self._since = claim.fence, clock.monotonic()
                return
            self._met = clock.monotonic()
            yield self._engine.pause(random.uniform(0.3, 1.0) * POLL)  # noqa: S311

    def leave(self, more: bool) -> Steps:
        """Give the lease back, unless more waits here and the time is not over."""
        now = self._engine.clock.monotonic()
        if self._fence is not None and not (more and now - self._since < QUANTUM):
            fence, self._fence, self._yielded = self._fence, None, now
            try:
                yield from self._engine.ask_once("release", self._name, self._engine.worker, fence)
            except BackendError:
                return  # it runs out
        self.over = self._met is None or now - self._met > CALM
