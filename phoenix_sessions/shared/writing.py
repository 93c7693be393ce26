"""A session that is written behind, as far as it is written.

Rules:
    1. What has changed is encoded when it is written, slice by slice; what has not is written as it was.
    2. What is written may be newer than its version says, never older; then it is written once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..backends.base import Point, Record
from ..core.errors import SessionNotFound, StateTooLarge
from ..core.state import GONE
from ..runtime.departure import Departure
from ..runtime.flow import Steps, arun
from .ownership import Ownership
from .paces import PIECE
from .stored import Stored
from .written import Written

TELL: Final = 0.25
"""For which part of the ttl (0 to 1) the engine is not told of uses that change nothing."""


class Writing(Stored):
    """A session of this worker, which owns it and writes it down.

    Attributes:
        written: What is written down.
        told_at: When the engine was last told of it (monotonic seconds).
    """

    __slots__ = ("_pieces", "_pieces_of", "told_at", "written")

    def __init__(self, *begun: Any, ownership: Ownership) -> None:
        super().__init__(*begun)
        self.written = Written(self.engine, self.id, self.birth, self.engine_ttl, ownership)
        self.told_at = self.touched
        self._pieces_of: Mapping[str, Any] = {}
        self._pieces: dict[str, bytes] = {}

    @property
    def unwritten(self) -> bool:
        """Whether something would be lost now that is acknowledged, and nobody else has."""
        here = self.ended is None or self.ended is Departure.SHUTDOWN
        return here and self.written.at != self.point

    def hold(self, record: Record) -> None:
        """Go on from what is written down.

        Raises:
            InvalidSnapshot: It is no state of the process class.
        """
        state, _ = self.shapes.read(record.state, {}, {})
        state.pop(PIECE, None)  # of a time when it was written through
        if missing := self.spec.mounts.names - state.keys():  # mounted since it was written
            first = self.spec.mounts.init_state()
            state.update({name: first[name] for name in missing})
        self.slices = state
        self.epoch, self.version = record.at
        self.written.take(record)
        self.turn.append(None)

    def encoded(self) -> tuple[Point, bytes]:
        """Return what is here as bytes; see rule 2.

        Raises:
            NotSerializable, StateTooLarge: It cannot be written.
        """
        point, state, before = self.point, self.state, self._pieces_of
        changed = {name: value for name, value in state.items() if value is not before.get(name, GONE)}
        pieces = {name: self._pieces[name] for name in state if name not in changed}
        pieces.update(self.shapes.pieces(changed))
        data = self.shapes.state(pieces)
        if len(data) > self.engine.max_state_bytes:
            raise StateTooLarge(self.id, len(data), self.engine.max_state_bytes)
        self._pieces_of, self._pieces = state, pieces
        return point, data

    def begin_writing(self) -> Steps:
        """Write down what is here first.

        Raises:
            Conflict: There is such a session already.
            NotSerializable, StateTooLarge: It cannot be written.
            BackendUnavailable: The engine cannot be asked.
        """
        yield from self.written.begin(*self.encoded())

    async def flush(self, *, last: bool = False) -> None:
        """Write down what is here, if it is not; uses are told to the engine late, or for the ``last`` time.

        Raises:
            Fenced: Somebody else owns the session.
            BackendUnavailable: The engine cannot be asked.
            NotSerializable, StateTooLarge: It cannot be written.
        """
        written = self.written
        async with written.pen:
            if written is self.written:  # still: it may have moved to another id meanwhile
                await arun(self._flush(last))

    def _flush(self, last: bool) -> Steps:
        if self.ended is not None:  # meanwhile: what is to be written then is the end's business
            return
        now = self.supervisor.now()
        if last and self.written.at == self.point:
            yield from self._look()
        if self.written.at != self.point:
            yield from self.written.write(*self.encoded())
        elif not self._is_to_be_told(now, last):
            return
        else:
            try:
                yield from self.written.touch()
            except SessionNotFound:
                self.written.at = None  # an engine that has forgotten it is given it anew
                yield from self.written.write(*self.encoded())
        self.told_at = now

    def _look(self) -> Steps:
        """See that the engine has what was written down, as far as it is known here."""
        try:
            yield from self.written.look()
        except SessionNotFound:
            self.written.at = None

    def _is_to_be_told(self, now: float, last: bool) -> bool:
        if self.ttl is None or self.touched <= self.told_at:
            return False
        return last or now - self.told_at > self.ttl * TELL
