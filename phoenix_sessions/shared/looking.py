"""How the cached state of a shared session becomes the newest.

Rules:
    1. Changes that others commit come as notices; a notice that does not follow what is here has it loaded anew.
    2. An engine that has lost commits (a failover) is the truth all the same: the session begins a new life with what
       is left, since versions never go back within one.
    3. While the session is watched over, a look that failed is tried again until it succeeds, in growing pauses. Each
       of these asks once, as others wait for the mailbox meanwhile.
    4. Where notices come, they say why a session has ended, or where it has gone. So who finds it gone while pages are
       subscribed leaves it to the notice to tell them.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Final

from ..backends.base import Commit, Point, Record
from ..core.errors import BackendUnavailable, Conflict, InvalidSnapshot, SessionNotFound
from ..core.state import GONE
from ..runtime import telemetry
from ..runtime.flow import Flow, Steps
from .cached import Cached
from .engine import new_commit_id
from .notices import REBORN, Changed, Ended, Moved, notice_of
from .paces import PIECE
from .shapes import patched
from .turns import local

logger = logging.getLogger("phoenix_sessions")

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0


class Looking(Cached):
    """A shared session, as far as it learns of what others do.

    Attributes:
        asked: How many times the engine was asked for a newer state (count).
    """

    __slots__ = ("_looks_later", "_pause", "_told", "asked")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked = 0
        self._looks_later = False
        self._pause = FIRST_PAUSE
        self._told = 0, -1

    # -- asking ------------------------------------------------------------------------------------------------------

    def refresh(self) -> Steps:
        """Ask the engine for a newer state, unless this one is fresh; returns whether there was one.

        Raises:
            SessionNotFound: The session has ended.
            BackendUnavailable: The engine cannot be asked.
        """
        return (yield from self.look()) if not self.fresh else False

    def look(self) -> Steps:
        """Ask the engine for a newer state; as ``refresh``."""
        self.asked += 1
        return (yield from self._look(self.ask_engine("load", self.id, self.point, None, self.last)))

    def _look(self, question: Steps) -> Steps:
        try:
            record = yield from question
        except SessionNotFound:
            self.gone_soon()
            raise
        if record is None:
            return False
        yield from self.take_over(record)
        return True

    def take_over(self, record: Record) -> Steps:
        """Adopt a state; if the engine has lost commits, it gets a life of its own before anybody sees it.

        Raises:
            SessionNotFound, InvalidSnapshot: As ``adopt``.
            BackendUnavailable: The engine cannot be asked.
        """
        while self.has_lost(record):
            to = Point(self.supervisor.next_epoch(), 0)
            commit = self.new_life(Point(*record.at), record.last, to, record.state)
            try:
                yield from self.commit(commit)
            except Conflict as conflict:
                record = conflict.record
            except SessionNotFound:
                self.gone()
                raise
            else:
                record = Record(to, record.birth, record.state, commit.id)
        self.adopt(record)

    def new_life(self, at: Point, after: bytes, to: Point, state: bytes) -> Commit:
        """Return the commit that begins another life."""
        ttl = self.engine_ttl
        return Commit(at=at, after=after, to=to, state=state, notice=REBORN, id=new_commit_id(), ttl=ttl)

    # -- notices -----------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Have what others commit come by itself."""
        self.engine.hub.add(self)

    @local
    def take_in(self, data: bytes) -> None:
        """Take a notice."""
        if self.ended is not None:
            return
        match notice_of(data):
            case Changed() as change if change.epoch == self.epoch:
                goes_back = self._goes_back(change)
                if change.last == self.last or (change.version < self.version and not goes_back):
                    return
                follows = (change.base, change.after) == (self.version, self.last)
                if follows and change.schema == self.shapes.process.schema_version:
                    with contextlib.suppress(InvalidSnapshot):  # looking again says what is wrong, to whom it concerns
                        return self._patch(change)
            case Ended(event, reason, epoch) if epoch == self.epoch:
                self._end_work()
                self._end(event, reason)
                return
            case Moved(to=to) if to == self.id:  # it is there already: the move was its own
                return
            case Moved() as move if move.epoch == self.epoch:
                if (move.version, move.after) == (self.version, self.last):
                    self.last = move.last
                self.go(move.to)
                return
        self.post_always(True, self.look_again)

    def _goes_back(self, change: Changed) -> bool:
        """Return whether this version was told before: then the engine has lost commits, and got others."""
        epoch, version = self._told
        self._told = change.epoch, change.version
        return change.epoch == epoch and change.version <= version

    def _patch(self, change: Changed) -> None:
        values = {name: piece for name, piece in change.pieces.items() if name != PIECE}
        changed = {name: GONE if piece is None else self.shapes.value(name, piece) for name, piece in values.items()}
        self._take(changed, patched(self.pieces, change.pieces), change.version, change.last)

    def go(self, to: str) -> None:
        """Take it that the session goes on under another id."""
        raise NotImplementedError

    def gone_soon(self) -> None:
        """Take it that the session has ended elsewhere, once a notice could have said why."""
        told = self.engine.backend.carries_notices and (self.fresh or self._looks_later)
        if self.ended is None and self.subscriptions and told:
            self.fresh = False
            self._look_later()
        else:
            self.gone()

    # -- looking again -----------------------------------------------------------------------------------------------

    def look_again(self) -> Flow:
        """Look for a newer state, because there must be one, or because the watch has begun.

        If the session has been watched over since before, nothing can be missed from now on.
        """
        return Flow(self._look_again())

    def _look_again(self) -> Steps:
        if self.ended is not None:
            return
        hub = self.engine.hub
        watched = hub.watched(self)
        try:
            self._check_hope()
            yield from self._look(self.engine.ask_once("load", self.id, self.point, None, self.last))
        except SessionNotFound:
            return
        except BackendUnavailable as error:
            self.fresh = False
            telemetry.execute(telemetry.UNAVAILABLE, {"count": 1}, {"session_id": self.id, "error": error})
            if self._pause == FIRST_PAUSE:
                logger.warning("session %s: what others do to it cannot be seen for now: %s", self.id, error)
            self._look_later()
            return
        except Exception:  # it cannot be read: whoever uses the session is told so
            self.fresh = False
            raise
        self._pause = FIRST_PAUSE
        hub.confirm(self, watched)

    def _look_later(self) -> None:
        if not self._looks_later:
            self._looks_later = True
            pause, self._pause = self._pause, min(LONGEST_PAUSE, self._pause * 2)
            self.supervisor.timers.schedule(pause, self._look_now)

    def _look_now(self) -> None:
        self._looks_later = False
        if self.ended is None and self in self.engine.hub:
            self.post_always(True, self.look_again)
