"""What keeps the sessions that this worker owns: written down, their leases renewed, and out of memory when idle.

Rules:
    1. Every FLUSH_INTERVAL seconds what has changed is written, and ends that the engine does not know yet are tried
       again.
    2. Leases are renewed after a third of their time, whatever becomes of the writing. One that has run out is claimed
       anew; if somebody else has changed the session meanwhile, it ends here.
    3. No session waits for another: one that takes long is left out until that is done.
    4. After this worker has stood still a lease is renewed at once for who asks for its session; he is not in line with
       all the others.
    5. An engine that cannot be asked is asked again next time; nothing is given up before somebody else owns it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import Context
from typing import TYPE_CHECKING, Final

from ..core.errors import BackendUnavailable, Fenced
from ..runtime.background import Background
from ..runtime.flow import Steps, arun, result_of
from .owned import Owned
from .pulse import BEAT
from .slots import Slots

if TYPE_CHECKING:
    from ..runtime.supervisor import Supervisor
    from .engine import Engine

logger = logging.getLogger("phoenix_sessions")

WRITES: Final = 16
"""How many sessions are written at once (count)."""
RENEWALS: Final = 128
"""How many leases are renewed at once (count)."""
RESOLUTIONS: Final = 1024
"""How many leases are looked at at once (count) for somebody who waits."""
RENEW: Final = 1 / 3
"""After which part of its time (0 to 1) a lease is renewed."""
AGAIN_SECONDS: Final = 0.1


class Flusher:
    """Keeps the owned sessions of a worker.

    Args:
        engine: Where they are written down.
        supervisor: Returns the supervisor of this OS process.
        interval: How often (seconds).
    """

    def __init__(self, engine: Engine, supervisor: Callable[[], Supervisor], interval: float) -> None:
        self._engine = engine
        self._supervisor = supervisor
        self._interval = interval
        self.begin_again()

    def begin_again(self) -> None:
        """Keep nothing yet, as a forked child: what there was is the parent's to keep."""
        self._lock = threading.Lock()
        self._background: Background | None = None
        self._writes = Round(self._write, WRITES)
        self._renewals = Round(self._renew, RENEWALS)
        self._resolutions = Round(self._confirm, RESOLUTIONS)

    def start(self) -> None:
        """See that it runs."""
        background = self._supervisor().background
        if self._background is background:
            return
        with self._lock:
            if self._background is not background:
                self._engine.pulse.start()
                background.keep_running(self._keep_writing)
                background.keep_running(self._keep_renewing)
                background.keep_running(self._keep_beating)
                self._background = background

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            self.begin_writing()

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._engine.owner_lease * RENEW)
            self.begin_renewing()

    async def _keep_beating(self) -> None:
        while True:
            self._engine.pulse.beat()
            await asyncio.sleep(self._engine.owner_lease * BEAT)

    def begin_writing(self) -> list[asyncio.Task[None]]:
        """Write down what has changed, and have leave what nobody uses; returns the tasks that do it."""
        ends = asyncio.create_task(self._engine.ending.attempt_all())
        return [ends, *self._writes.begin(self._owned())]

    def begin_renewing(self) -> list[asyncio.Task[None]]:
        """Renew all leases; returns the tasks that do it."""
        return self._renewals.begin(self._owned())

    def _owned(self) -> list[Owned]:
        return [each for each in self._supervisor().registry.all() if isinstance(each, Owned) and each.alive]

    async def _write(self, session: Owned) -> None:
        await session.flush()
        if session.supervisor.now() - session.touched > self._engine.passivate_after:
            session.leave_for_another()

    def resolve(self, session: Owned) -> Steps:
        """Wait until it is known who owns a session, as far as the engine can be asked within its patience."""
        over: Future[None] = Future()
        session.background.launch(Context(), lambda: self._resolve(session), lambda _: over.set_result(None))
        yield result_of(over)

    async def _resolve(self, session: Owned) -> None:
        if session.in_doubt:
            await asyncio.wait([self._resolutions.do(session)])

    async def _confirm(self, session: Owned) -> None:
        written, clock = session.written, self._engine.clock
        until = clock.monotonic() + self._engine.patience
        while True:
            try:
                return await self._renew(session)
            except BackendUnavailable:
                if clock.monotonic() + AGAIN_SECONDS > until:  # it goes on, as it would if it had not stood still
                    written.take_for_owned(clock.monotonic())
                    raise
            await clock.asleep(AGAIN_SECONDS)

    async def _renew(self, session: Owned) -> None:
        written = session.written
        try:
            await arun(written.renew())
        except Fenced:
            async with written.pen:
                if session.alive and session.written is written:  # else it was given back
                    await arun(written.reclaim())

    def finish(self, seconds: float) -> bool:
        """Have the engine learn of all ends, on the thread of the stop; returns whether it has, within ``seconds``."""
        ends = self._engine.ending
        if not ends:
            return True
        done = threading.Event()
        try:
            self._supervisor().background.launch(Context(), self._finish, lambda _: done.set())
            done.wait(seconds)
        except RuntimeError:  # no thread to be had
            logger.warning("there is no thread to tell the engine of the last ends")
        for id in ends.ids:
            logger.error("session %s: the engine could not be told of its end; it may come back", id)
        return not ends

    async def _finish(self) -> None:
        while self._engine.ending:
            await self._engine.ending.attempt_all()
            await asyncio.sleep(AGAIN_SECONDS)


class Round:
    """What is done for each of many sessions, again and again.

    Args:
        work: What is done for one.
        at_once: For how many at once (count).
    """

    def __init__(self, work: Callable[[Owned], Awaitable[None]], at_once: int) -> None:
        self._work = work
        self._slots = Slots(at_once)
        self._under_way: dict[Owned, asyncio.Task[None]] = {}

    def begin(self, sessions: list[Owned]) -> list[asyncio.Task[None]]:
        """Do it for those for whom it is not under way; returns the tasks that do it."""
        return [self.do(each) for each in sessions if each not in self._under_way]

    def do(self, session: Owned) -> asyncio.Task[None]:
        """Do it for one; returns the task that does it, which may be under way already."""
        task = self._under_way.get(session)
        if task is None:
            task = self._under_way[session] = asyncio.create_task(self._do(session))
            task.add_done_callback(lambda _: self._under_way.pop(session))  # also if it never took a step
        return task

    async def _do(self, session: Owned) -> None:
        try:
            async with self._slots.here():
                await self._work(session)
        except Fenced:
            session.post_always(True, session.lose)
        except Exception as error:
            session.report(error, "message")
