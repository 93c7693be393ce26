"""A session that is written behind: it lives in the memory of one worker, its owner, which writes it down soon after.

Rules:
    1. The owner is who has the lease (see ``ownership``). Its fencing number goes along with everything that it writes,
       so a worker that was paused, and has lost the lease meanwhile, can overwrite nothing. Its session ends there.
    2. What was acknowledged since the last write is lost with the owner: FLUSH_INTERVAL seconds at most, while the
       engine can be asked.
    3. Another worker that needs the session asks for it. The owner hands it over, unless something of it belongs here:
       open pages, timers, effects. Then the other is told that it cannot be had.
    4. It leaves in its turn, so nothing comes between the last write and the end here.
    5. The history, timers and effects are this worker's.
    6. When this worker has stood still for long, the engine is asked who owns the session before anybody is answered.
       What nobody waits for is done all the same: if there is another owner it is lost with all the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Final

from ..backends.base import Point
from ..core.errors import Fenced, SessionNotFound, SessionStopped
from ..runtime.departure import Departure
from ..runtime.flow import arun
from ..runtime.message import Suspended, Work
from . import relocation
from .ends import End
from .notices import Ended, Moved, Wanted, encode, notice_of
from .slots import Slots
from .writing import Writing
from .written import Written

logger = logging.getLogger("phoenix_sessions")

AT_ONCE: Final = 64
"""How many sessions are written at once when their worker stops (count)."""

_slots: Final = Slots(AT_ONCE)


class Owned(Writing):
    """A session of this worker, which owns it."""

    __slots__ = ("_leaving",)

    def __init__(self, *begun: Any, **more: Any) -> None:
        super().__init__(*begun, **more)
        self._leaving = False

    @property
    def sure_until(self) -> float:  # type: ignore[override]
        """Until when (monotonic seconds) nobody else can own it."""
        return self.written.ownership.until

    @property
    def in_doubt(self) -> bool:
        """Whether it may be another worker's by now, as this one has stood still."""
        until = self.sure_until
        asked = until - self.engine.owner_lease
        return self.supervisor.now() > until and self.engine.pulse.has_stopped_since(asked)

    def surely(self, pure: bool, timeout: float | None, work: Work, *args: Any) -> tuple[Any, ...]:
        """Return a message that is handled only if the session is this worker's when its turn comes."""
        return pure, timeout, self._do_surely, work, *args

    def _do_surely(self, work: Work, *args: Any) -> Any:
        if self.ended is None and self.in_doubt:  # the sender looks again
            raise SessionStopped(self.id, Departure.FENCED)
        return work(*args)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _end(self, event: str, reason: str) -> None:
        self.engine.hub.remove(self)
        super()._end(event, reason)
        if not isinstance(reason, Departure):
            self.end_in_engine(self.end_of(encode(Ended(event, reason, self.epoch))))

    def never_began(self, is_taken: bool) -> bool:
        """End what belongs to a first life that did not come to this worker's memory.

        Args:
            is_taken: Whether the engine has another session under the id.

        Returns whether the engine may have it, and so is told of its end.
        """
        self.ended = "failed to start"
        self._end_work()
        if is_taken or not self.written.begun:
            return False
        self.end_in_engine(self.end_of(b""))
        return True

    def end_of(self, notice: bytes) -> End:
        """Return the end of what is written down, of which watchers are told this."""
        return End(self.written, Point(self.supervisor.next_epoch(), 0), notice)

    def end_in_engine(self, end: End) -> None:
        """Have the engine end what is written down; nobody here finds it from now on."""
        ends, id = self.engine.ending, end.written.id
        ends.add(end)
        with contextlib.suppress(RuntimeError):  # no thread to be had; it is tried again
            self.background.keep_running(lambda: ends.attempt(id))

    def lose(self) -> None:
        """End here, since somebody else owns the session."""
        if self.ended is None:
            logger.warning("session %s: another worker owns it now; what was not written down is lost", self.id)
            self._leave_memory(Departure.FENCED)

    def _leave_memory(self, why: Departure) -> None:
        self._end_work()
        self._end("terminated", why)

    def shut_down(self) -> Suspended | None:  # type: ignore[override]
        """Write down what is here, and leave: this worker stops, the session goes on elsewhere."""
        return None if self.ended is not None else Suspended(self._shut_down(), _finished, firm=True)

    async def _shut_down(self) -> None:
        async with _slots.here():
            try:
                await self.flush(last=True)
            except Fenced:
                self.lose()
                return
            except Exception:
                if self.unwritten:
                    logger.exception("session %s: what was not written down is lost", self.id)
            self._leave_memory(Departure.SHUTDOWN)
            await arun(self.written.give_back())

    # -- leaving -----------------------------------------------------------------------------------------------------

    def may_leave(self) -> bool:
        """Return whether nothing here would be missed, not even a goodbye."""
        return self.spec.quiet_end and self._may_go()

    def _may_go(self) -> bool:
        busy = self._effects is not None and not self._effects.idle
        return self.ended is None and not (self.subscriptions or self.timers or busy)

    def leave_for_another(self) -> bool:
        """Begin to leave this worker's memory, if nothing here would be missed and nobody waits."""
        if self._leaving or self.busy or self.queue or not self.may_leave():
            return False
        self._leaving = True
        self.post_always(True, self.leave, Departure.PASSIVATED)
        return True

    def leave(self, why: Departure) -> Suspended | None:
        """Write down the rest and leave, unless something has come that would be missed here."""
        if self.may_leave() if why is Departure.PASSIVATED else self._may_go():
            return Suspended(self._leave(why), _finished, firm=True)
        self._leaving = False
        return None

    async def _leave(self, why: Departure) -> None:
        try:
            await self.flush(last=True)
        except Fenced:
            self.lose()
        except Exception as error:  # it stays, and so does what would be lost
            self.report(error, "message")
        else:
            if why is Departure.HANDED_OVER:
                self.engine.handed_over.add(self.id)
            self._leave_memory(why)
            await arun(self.written.give_back())
        finally:
            self._leaving = False

    # -- other workers -----------------------------------------------------------------------------------------------

    def look_again(self) -> None:
        """Do nothing: this is the newest there is."""

    def take_in(self, data: bytes) -> None:
        """Take a notice: another worker may want the session, or have ended or moved it."""
        match notice_of(data):
            case Ended(event, reason, epoch) if epoch == self.epoch and self.ended is None:
                self._end_work()
                self._end(event, reason)
            case Moved(epoch=epoch) if epoch == self.epoch:  # maybe by this very worker, and it is back by now
                self.background.keep_running(self._see_whether_it_is_here)
            case Wanted(by) if by != self.engine.worker and not self._leaving and self._may_go():
                self._leaving = True
                self.background.keep_running(self._hand_to_other)

    async def _see_whether_it_is_here(self) -> None:
        written = self.written
        try:
            await written.alone(written.look())
        except (SessionNotFound, Fenced):
            self.post_always(True, self._lose_under, written)
        except Exception as error:  # who writes finds out, too
            self.report(error, "message")

    def _lose_under(self, written: Written) -> None:
        if written is self.written:  # else it has moved itself meanwhile
            self.lose()

    async def _hand_to_other(self) -> None:
        """Write down what is here before the turn is taken, so that nobody waits for an engine that is sick."""
        try:
            await self.flush()
        except Fenced:
            self.post_always(True, self.lose)
        except Exception as error:
            self._leaving = False
            self.report(error, "message")
        else:
            self.post_always(True, self.leave, Departure.HANDED_OVER)

    # -- another id --------------------------------------------------------------------------------------------------

    def move(self, new_id: str) -> Suspended:  # type: ignore[override]
        """Go on under another id."""
        self.enter()
        return Suspended(relocation.move(self, new_id), _finished, firm=True)

    def go_on_as(self, new_id: str) -> None:
        """Tell the subscribers that the session goes on under another id."""
        for subscriber in () if self.subscriptions is None else tuple(self.subscriptions.subscribers):
            if subscriber.active:
                self._guarded("receiver", subscriber.receiver.moved, new_id)


def _finished(task: asyncio.Task[Any]) -> Any:
    return task.result()
