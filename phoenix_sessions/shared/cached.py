"""What a worker holds of a shared session: the state at a version, and how it is replaced.

Rules:
    1. The engine has the truth; this is what a worker has seen of it last.
    2. What came with the same bytes stays the same object, so selectors see what did not change.
    3. A state of the same life that is older than the cached one, or of the same version by another commit, is what an
       engine has left that has lost commits. It is not adopted as it is: see ``looking``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..backends.base import Point, Record
from ..core.errors import SessionNotFound
from ..core.state import GONE, patch
from ..runtime.departure import Unknown
from ..snapshot import restore
from .asking import Asking
from .birth import decode_args, decode_birth, path_of
from .paces import PIECE, SharedPacing
from .shapes import Pieces


class Cached(Asking):
    """A shared session, as far as it is a cached state.

    Attributes:
        pieces: The cached state, encoded.
        last: The commit that led to the cached state; see ``Record.last``.
        engine_touched: When the engine was last told that the session is used (monotonic seconds).
    """

    shared = True

    __slots__ = ("engine_touched", "last", "pieces")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.turn.append(None)  # there is no first life to wait for: who has the record makes it
        self.pieces: Pieces = {}
        self.last = b""
        self.engine_touched = self.touched

    @property
    def pacing(self) -> SharedPacing:
        """What is throttled or debounced, made when first needed."""
        if not isinstance(self._pacing, SharedPacing):
            self._pacing = SharedPacing(self)
        return self._pacing

    def hold(self, record: Record) -> None:
        """Take what the engine has as the first cached state.

        Raises:
            InvalidSnapshot: It is no state of the process class.
        """
        state, pieces = self._read(record)
        self.slices, self.pieces = state, pieces
        self.copy = None
        (self.epoch, self.version), self.last = record.at, record.last
        if self.ttl is not None:  # who reads it uses it, of which the engine does not know
            self.engine_touched = self.touched - self.ttl

    def adopt(self, record: Record) -> None:
        """Take a state that the engine has in place of the cached one, and tell the subscribers.

        Raises:
            InvalidSnapshot: It is no state of the process class.
            SessionNotFound: It is a session of another process class, begun since under the same id.
        """
        at = Point(*record.at)
        if (at, record.last) == (self.point, self.last):
            return
        if record.birth != self.birth:
            self._become(record.birth)
        state, pieces = self._read(record)
        if at.epoch != self.epoch:
            self._end_work()
            self.instance = None
            self._begin_with(state, pieces, at, record.last)
            return
        changed = {name: value for name, value in state.items() if value is not self.slices.get(name, GONE)}
        changed |= {name: GONE for name in self.slices if name not in state}
        self._take(changed, pieces, at.version, record.last)

    def has_lost(self, record: Record) -> bool:
        """Return whether the engine has this life without some of what is cached; then it is not adopted as it is."""
        epoch, version = record.at
        forks = version == self.version and record.last != self.last
        return epoch == self.epoch and (version < self.version or forks)

    def gone(self) -> None:
        """Take it that the session has ended elsewhere."""
        if self.ended is None:
            self._end_work()
            self._end("terminated", Unknown.GONE)

    def _become(self, data: bytes) -> None:
        """Take over how the session under the id was started: it is another one than before."""
        birth = decode_birth(data)
        if birth.process != path_of(self.shapes.process):
            self.gone()
            raise SessionNotFound(self.id)
        restored = None if birth.restored is None else restore(self.shapes.process, self.shapes.mounts, birth.restored)
        self.args, self.ttl, self.restored, self.birth = decode_args(birth), birth.ttl, restored, data

    def _read(self, record: Record) -> tuple[dict[str, Any], Pieces]:
        state, pieces = self.shapes.read(record.state, self.pieces, self.slices)
        state.pop(PIECE, None)
        if missing := self.spec.mounts.names - state.keys():  # mounted since it was written
            first = {**self.spec.mounts.init_state(), **self.slices}
            begun = {name: first[name] for name in missing}
            return {**state, **begun}, {**pieces, **self.shapes.pieces(begun)}
        return state, pieces

    def _begin_with(self, state: dict[str, Any], pieces: Pieces, at: Point, last: bytes) -> None:
        """Show another life."""
        self.slices, self.pieces = state, pieces
        self.copy = None
        (self.epoch, self.version), self.last = at, last
        self.history = self._pacing = None
        if self._memo is not None:
            self._memo.clear()
        if self.subscriptions is not None:
            self._tell(self.subscriptions.restart(self.state))

    def _take(self, changed: Mapping[str, Any], pieces: Pieces, version: int, last: bytes) -> None:
        """Make a newer version of this life the cached one, and tell whom it concerns."""
        if GONE in changed.values():
            slices = self.slices.copy()
            patch(slices, changed)
            self.slices = slices
        else:
            self.slices.update(changed)
        self.pieces, self.last = pieces, last
        self.version = version - 1
        self._committed(changed)
