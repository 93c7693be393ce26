"""A shared session, as one worker has it: its lives and its end.

Rules:
    1. A session begins, ends and expires in the engine, once; the worker whose doing that was runs what the user wants
       done then, and the others learn of it by a notice.
    2. Timers, effects and the process object belong to this worker; they end here when the life ends, wherever.
"""

from __future__ import annotations

import contextlib
import logging

from ..backends.base import Point, Record
from ..core.errors import BackendError, Conflict, SessionNotFound
from ..runtime import telemetry
from ..runtime.departure import Departure, Unknown
from ..runtime.flow import Flow, Steps
from .moving import Moving
from .notices import Ended, encode

logger = logging.getLogger("phoenix_sessions")


class Replica(Moving):
    """A shared session in this worker's memory."""

    __slots__ = ()

    # -- begin -------------------------------------------------------------------------------------------------------

    def first_record(self) -> Record:
        """Return the session's first life, from nothing; it is cached, and not in the engine yet.

        Raises:
            Exception: Whatever ``init_state`` raised, or what cannot be kept.
        """
        self.epoch, self.version, self.last = self.supervisor.next_epoch(), 0, b""
        slices = self.newborn()
        self.pieces = self.shapes.pieces(slices)
        self.slices = slices
        self.check_size(self.pieces)
        return self._record()

    def never_began(self) -> None:
        """End what belongs to a first life that did not come to the engine."""
        self._end_work()
        self.ended = "failed to start"
        self.engine.hub.remove(self)

    # -- the end of a life -------------------------------------------------------------------------------------------

    def crash_here(self, error: BaseException) -> Steps:
        """End this life after a handler raised, and begin another if the policy and the budget allow it."""
        logger.error("session %s crashed", self.id, exc_info=error)
        telemetry.execute(telemetry.SESSION_CRASH, {"count": 1}, self.metadata(error=error))
        yield from self.finish_here("crash")

    def finish_here(self, reason: str) -> Steps:
        """End this life by its own doing; the restart policy decides what follows."""
        self._say_goodbye(reason)
        while self.spec.restart.again(reason) and self._may_restart():
            try:
                slices = self.newborn()
                pieces = self.shapes.pieces(slices)
            except Exception:
                logger.exception("session %s failed to restart", self.id)
                reason = "crash"
                continue
            to = Point(self.supervisor.next_epoch(), 0)
            if (yield from self._commit_life(to, self.shapes.state(pieces))):
                telemetry.execute(telemetry.SESSION_RESTART, {"count": 1}, self.metadata(reason=reason))
                self._begin_with(slices, pieces, to, self.last)
            return
        yield from self.end_here("terminated", reason)

    def _commit_life(self, to: Point, state: bytes) -> Steps:
        """Commit a new life; returns False if somebody else has begun one meanwhile."""
        epoch = self.epoch
        while True:
            commit = self.new_life(self.point, self.last, to, state)
            try:
                yield from self.commit(commit)
            except Conflict as conflict:
                if Point(*conflict.record.at).epoch != epoch:
                    self.adopt(conflict.record)
                    return False
                self.version, self.last = Point(*conflict.record.at).version, conflict.record.last
            except SessionNotFound:
                self.gone()
                raise
            else:
                self.last = commit.id
                return True

    def end_here(self, event: str, reason: str) -> Steps:
        """End the session everywhere; what it does at its end it has done."""
        with contextlib.suppress(SessionNotFound):  # it has ended elsewhere at the same time
            yield from self._delete(event, reason)
        self._end(event, reason)

    def _delete(self, event: str, reason: str) -> Steps:
        yield from self.ask_engine("delete", self.id, None, encode(Ended(event, reason, self.epoch)))

    def terminate(self, reason: str) -> Flow:  # type: ignore[override]
        """End the session for good, whatever its restart policy."""
        return Flow(self._terminate(reason))

    def _terminate(self, reason: str) -> Steps:
        self.come_back()
        if self.ended is Unknown.GONE:
            raise SessionNotFound(self.id)
        if self.ended is not None:
            return
        try:
            yield from self._delete("terminated", reason)
        except SessionNotFound:  # it has ended elsewhere, where it has said goodbye
            self.gone()
            raise
        self._say_goodbye(reason)
        self._end("terminated", reason)

    def _end(self, event: str, reason: str) -> None:
        self.engine.hub.remove(self)
        super()._end(event, reason)

    def shut_down(self) -> Flow:  # type: ignore[override]
        """Leave this worker, which stops; the session itself goes on, and its receivers are told to look elsewhere."""
        return Flow(self._shut_down())

    def _shut_down(self) -> Steps:
        if self.ended is not None:
            return
        self._end_work()
        self._end("terminated", Departure.SHUTDOWN)
        if self.ttl is not None and self.engine_touched < self.touched:
            with contextlib.suppress(SessionNotFound, BackendError):  # tried once: the stop has its time
                yield from self.engine.ask_once("touch", self.id, self.engine_ttl)
                self.engine_touched = self.supervisor.now()
