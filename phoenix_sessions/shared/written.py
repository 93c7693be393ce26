"""What the engine has of a session that is written behind, under one id, and the lease by which this worker owns it.

Rules:
    1. Whatever is written goes along with the fencing number of the lease, so who has lost it can overwrite nothing.
       Behind the fence any conflict is with what this owner wrote, and whose answer was lost; or with an engine that
       has forgotten some, which gets it again. Without the lease this owner's commits are known by their ids.
    2. Who writes, or changes the lease, has the ``pen``. All of them run on the background loop.
    3. What ends is buried first: a commit that the fence is asked for leaves nothing of it under a life of its own, and
       only that is deleted. So nobody else's session is. Who finds what was buried takes it for deleted, and deletes it
       if need be: its owner may have died in between.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

from ..backends.base import COMMIT_ID_BYTES, Commit, Point, Record
from ..core.errors import BackendError, Conflict, Fenced, SessionNotFound
from ..runtime.flow import Steps, arun
from .engine import new_commit_id
from .ownership import disown

if TYPE_CHECKING:
    from .engine import Engine
    from .ownership import Ownership

NOTHING: Final = b"buried"
"""The state of what was buried; that of no session is encoded so."""
MARK_BYTES: Final = 4
"""How much of a commit's id says who owned the session; the rest counts."""


class Written:
    """What the engine has of an owned session.

    Attributes:
        engine: The engine.
        id: The session's id there.
        birth: How the session was started, as bytes.
        ttl: The time to live that the engine is given (seconds), None = for ever.
        ownership: The lease.
        at: What is written down; None = nothing, or it is not known.
        begun: Whether the engine was asked to begin it here.
        last: The commit that led there; see ``Record.last``.
        pen: Whoever writes has it.
    """

    __slots__ = (
        "_first", "_mark", "_numbers", "at", "begun", "birth", "engine", "id", "last", "ownership", "pen", "ttl",
    )  # fmt: skip

    def __init__(self, engine: Engine, id: str, birth: bytes, ttl: float | None, ownership: Ownership) -> None:
        self.engine = engine
        self.id = id
        self.birth = birth
        self.ttl = ttl
        self.ownership = ownership
        self.at: Point | None = None
        self.begun = False
        self.last = b""
        self.pen = asyncio.Lock()
        self._first: tuple[Point, bytes] | None = None
        self._mark = new_commit_id()[:MARK_BYTES]
        self._numbers = itertools.count(1)

    async def alone(self, steps: Steps) -> None:
        """Run a flow that writes while no other does."""
        async with self.pen:
            await arun(steps)

    # -- the state ---------------------------------------------------------------------------------------------------

    def take(self, record: Record) -> None:
        """Note what is written down, and goes on from here."""
        self.at, self.last = self._first = Point(*record.at), record.last

    def begin(self, point: Point, state: bytes) -> Steps:
        """Write down what the engine does not have.

        Raises:
            Conflict: It has a session under the id.
            BackendUnavailable: It cannot be asked.
        """
        self.begun, self._first = True, (point, b"")
        record, fence = Record(point, self.birth, state), self.ownership.fence
        yield from self.engine.ask("create", self.id, record, self.ttl, fence)
        self.at, self.last = point, b""

    def write(self, point: Point, state: bytes) -> Steps:
        """Write down a newer state; an engine that has forgotten the session gets it anew.

        Raises:
            Fenced: Somebody else owns the session.
            BackendUnavailable: The engine cannot be asked.
        """
        try:
            yield from self._commit(point, state)
        except SessionNotFound:
            try:
                yield from self.begin(point, state)
            except Conflict as conflict:  # it was there all the same
                self._take_own(conflict.record)
                yield from self._commit(point, state)

    def touch(self) -> Steps:
        """Tell the engine that the session is used.

        Raises:
            BackendUnavailable: It cannot be asked.
            SessionNotFound: It has forgotten it.
        """
        yield from self.engine.ask("touch", self.id, self.ttl)

    def check(self) -> Steps:
        """See that nobody else owns the session.

        Raises:
            Fenced: Somebody does.
            SessionNotFound: The engine has forgotten it.
            BackendUnavailable: It cannot be asked.
        """
        yield from self.engine.ask("load", self.id, self.at, self.ownership.fence, self.last)

    def look(self) -> Steps:
        """See what is written down, which may be less than this owner has written; raises as ``check``."""
        arguments = self.id, self.at, self.ownership.fence, self.last
        record = yield from self.engine.ask_once("load", *arguments)
        if record is not None:
            self._take_own(record)

    def _commit(self, point: Point, state: bytes) -> Steps:
        while self.at != point:
            if self.at is None:
                raise SessionNotFound(self.id)
            commit = Commit(
                at=self.at,
                after=self.last,
                to=point,
                state=state,
                notice=b"",
                id=self._mark + next(self._numbers).to_bytes(COMMIT_ID_BYTES - MARK_BYTES),
                ttl=self.ttl,
                fence=self.ownership.fence,
            )
            try:
                yield from self.engine.commit(self.id, commit)
                self.at, self.last = point, commit.id
            except Conflict as conflict:
                self._take_own(conflict.record)

    def _take_own(self, record: Record) -> None:
        if record.birth != self.birth:  # another session, begun since under the same id
            raise Fenced(self.id, self.ownership.fence)
        self.at, self.last = Point(*record.at), record.last

    def _is_own(self, record: Record) -> bool:
        """Return whether nobody has changed the session since it is this owner's; an engine may have forgotten some."""
        if record.birth != self.birth:
            return False
        return record.last.startswith(self._mark) or (Point(*record.at), record.last) == self._first

    # -- the end -----------------------------------------------------------------------------------------------------

    def bury(self, grave: Point) -> Steps:
        """Leave nothing of the session but a life of its own without a state; raises as ``check``."""
        if self.at is None:  # what is there is not known: it may have been begun, and the answer lost
            self._take_own((yield from self.engine.ask("load", self.id, None, self.ownership.fence)))
        yield from self._commit(grave, NOTHING)

    def delete(self, notice: bytes) -> Steps:
        """Delete what was buried.

        Raises:
            Conflict: Somebody has begun it again since.
            SessionNotFound: It is gone already.
            BackendUnavailable: The engine cannot be asked.
        """
        yield from self.engine.ask("delete", self.id, self.at, notice, self.last)

    # -- the lease ---------------------------------------------------------------------------------------------------

    def renew(self) -> Steps:
        """Keep the lease.

        Raises:
            Fenced: It has run out.
            BackendUnavailable: The engine cannot be asked.
        """
        asked = self.engine.clock.monotonic()
        yield from self.engine.ask_once("renew", *self.ownership.key, self.engine.owner_lease)
        self.take_for_owned(asked)

    def take_for_owned(self, asked: float) -> None:
        """Note that nobody else had the lease at a moment (monotonic seconds), as far as can be told."""
        self.ownership = self.ownership._replace(until=max(self.ownership.until, asked + self.engine.owner_lease))

    def reclaim(self) -> Steps:
        """Take the lease again, which has run out.

        Raises:
            Fenced: Somebody else has it, or has changed the session meanwhile.
            BackendUnavailable: The engine cannot be asked.
        """
        lease, owner, fence = self.ownership.key
        asked = self.engine.clock.monotonic()
        claim = yield from self.engine.ask("claim", lease, owner, self.engine.owner_lease)
        if claim.fence is None:
            raise Fenced(self.id, fence)
        mine = self.ownership._replace(fence=claim.fence, until=asked + self.engine.owner_lease)
        try:
            record = yield from self.engine.ask("load", self.id, self.at, mine.fence, self.last)
            if record is not None:
                if not self._is_own(record):
                    raise Fenced(self.id, fence)
                self._take_own(record)
        except SessionNotFound:
            self.at = None  # an engine that has forgotten it is given it anew
        except BackendError:
            yield from disown(self.engine, mine)
            raise
        self.ownership = mine

    def give_back(self) -> Steps:
        """Give the lease back, once this worker has nothing of the session any more."""
        yield from disown(self.engine, self.ownership)
