"""A shared session that is used no more: by nobody at all, or by nobody at this worker.

Rules:
    1. Idle time is the engine's: a session expires when no worker has used it for its ttl. A commit tells the engine of
       a use, and so does ``touch``. Other uses are told late: those in the first part of the ttl after the engine was
       told last (``TELL``) when that is over, those after it at once. So a session never expires early, and late by
       that part at most.
    2. Who has not ended, but is used by nobody here, leaves this worker's memory and comes back on demand. What would
       be missed here keeps it: subscribers, timers, effects, and an ``on_terminate`` that wants to be called.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from typing import Any, Final

from ..core.errors import BackendError, SessionNotFound
from ..runtime import telemetry
from ..runtime.departure import Departure
from ..runtime.flow import Flow, Steps, arun
from ..runtime.message import Work
from ..runtime.timers import Timer
from .acting import Acting
from .notices import Ended, encode

logger = logging.getLogger("phoenix_sessions")

TELL: Final = 0.05
"""For which part of the ttl (0 to 1) the engine is not told of uses that change nothing."""

LATER: Final = 5.0
"""When (seconds) the expiry is looked at again after the engine could not be asked."""


class Leaving(Acting):
    """A shared session, as far as it may be of no use any more."""

    __slots__ = ("_telling",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._telling = False

    # -- use ---------------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Note that a message came; see ``Session.enter``."""
        self.come_back()
        super().enter()
        self._tell_in_time()

    def touch(self) -> None:
        """Put off the expiry."""
        super().touch()
        self._tell_after(0.0)

    def _tell_in_time(self) -> None:
        self._tell_after(TELL)

    def _tell_after(self, part: float) -> None:
        if self.ttl is not None and not self._telling and self.engine_touched + self.ttl * part <= self.touched:
            self._telling = True
            self.post_always(True, self.tell_use)

    def tell_use(self) -> Flow:
        """Tell the engine of a use, unless a commit has done so."""
        return Flow(self._tell_use())

    def _tell_use(self) -> Steps:
        self._telling = False
        goes_on = self.ended is None or self.ended is Departure.PASSIVATED
        if goes_on and self.ttl is not None and self.engine_touched < self.touched:
            try:
                yield from self._touch_engine()
            except SessionNotFound:
                self.gone()

    def _touch_engine(self) -> Steps:
        yield from self.ask_engine("touch", self.id, self.engine_ttl)
        self.engine_touched = self.supervisor.now()

    def _subscribe(self, *args: Any) -> Steps:
        subscribed = yield from super()._subscribe(*args)
        self.supervisor.expiry.remove(self)
        self.file()  # from now on the engine is to be told
        return subscribed

    # -- idle --------------------------------------------------------------------------------------------------------

    def file(self) -> None:
        """Have it looked at whether this is still used; a worker that stops looks at nothing any more."""
        if self.supervisor.registry.closed:
            return
        self.supervisor.expiry.file(self, max(self.supervisor.now(), self._due()))

    def _due(self) -> float:
        """Return when (monotonic seconds) something may have to be done for want of use."""
        now = self.supervisor.now()
        due = now + 86_400.0
        if self.ttl is not None:
            tell = self.engine_touched + self.ttl * TELL
            if self.spec.keep_alive and self.subscriptions:  # which is a use for as long as it lasts
                tell = max(tell, now + self.ttl * TELL)
            due = min(due, tell if now < tell else self.touched + self.ttl)
        return min(due, self.touched + self.engine.passivate_after) if self.may_leave() else due

    def may_leave(self) -> bool:
        """Return whether nothing here would be missed."""
        busy = self.subscriptions or self.timers or (self._effects is not None and not self._effects.idle)
        return self.spec.quiet_end and not busy

    def expire(self) -> Flow | None:  # type: ignore[override]
        """Look whether the session has expired, is used elsewhere, or may leave this worker's memory."""
        return None if self.ended is not None else Flow(self._expire())

    def _expire(self) -> Steps:
        now = self.supervisor.now()
        if self.spec.keep_alive and self.subscriptions:
            self.touched = now
        leaves = self.may_leave() and not self.queue and self.touched + self.engine.passivate_after <= now
        try:
            if self.ttl is None:
                pass
            elif self.touched + self.ttl <= now:
                yield from self._expire_if_idle(now, self.ttl)
            elif self.touched > self.engine_touched and (leaves or self.engine_touched + self.ttl * TELL <= now):
                yield from self._touch_engine()
        except SessionNotFound:
            self.gone()
        except BackendError:
            self.supervisor.expiry.file(self, self.supervisor.now() + LATER)
            return
        if self.ended is not None:
            return
        if leaves and self.touched + self.engine.passivate_after <= now:
            self._leave_memory()
        else:
            self.file()

    def _expire_if_idle(self, now: float, ttl: float) -> Steps:
        """Have the engine end the session if nobody has used it."""
        notice = encode(Ended("session_expired", "expired", self.epoch))
        left = yield from self.ask_engine("expire", self.id, ttl, notice)
        if left is None:
            telemetry.execute(telemetry.SESSION_EXPIRE, {"idle": now - self.touched}, self.metadata())
            self._say_goodbye("expired")
            self._end("session_expired", "expired")
        else:
            self.touched = self.engine_touched = self.supervisor.now() + left - ttl

    # -- memory ------------------------------------------------------------------------------------------------------

    def leave_for_another(self) -> bool:
        """Leave this worker's memory, if nothing here would be missed and nobody waits; returns whether it has."""
        if not self.may_leave() or self.queue or not self.take():
            return False
        if left := self.ended is None and self.version >= 0:
            if self.ttl is not None and self.engine_touched < self.touched:
                self.background.launch(Context(), lambda: arun(self._tell_use()), _report)
            self._leave_memory()
        self.release()
        return left

    def _leave_memory(self) -> None:
        self._end_work()
        self.ended = Departure.PASSIVATED
        self.engine.hub.remove(self)
        self.supervisor.forget(self)

    def come_back(self) -> None:
        """Go on after all, if it has left memory: somebody had found it just before, or the worker stops but serves.

        If others have loaded it again meanwhile it is here twice, which both do not mind: a change is compare-and-set.
        """
        if isinstance(self.ended, Departure):
            self.ended = None
            self.supervisor.registry.keep(self)
            self.file()

    # -- what belongs to this worker ---------------------------------------------------------------------------------

    def later(self, delay: float, pure: bool, work: Work, *args: Any) -> Timer:
        """Post work in ``delay`` seconds, unless this life ends before, wherever, or the timer is cancelled."""
        self.watch()
        return super().later(delay, pure, work, *args)


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("the engine could not be told that a session was used: %s", error)
