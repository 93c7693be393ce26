"""Lanes: how the events of one worker get to the engine, one lane for each stream.

Rules:
    1. A lane has one tell under way. What is published meanwhile waits, and goes together with the next: so a worker's
       events keep their order, and many that are published at once cost few round trips.
    2. A tell without an answer is tried again, as the same parcel, for the engine's patience. Then whoever waits in the
       lane gets ``BackendUnavailable``, and the lane owes its listeners a gap, which it tells as soon as it can.
    3. Who does not wait is bounded: above ``MAX_WAITING`` events, or ``MAX_WAITING_BYTES``, in a lane it owes a gap.
    4. Lanes run on the background loop, at most ``AT_ONCE`` tells together.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context
from typing import TYPE_CHECKING, Final

from ..core.errors import BackendError, BackendUnavailable
from ..runtime import telemetry
from ..runtime.message import answer
from .engine import FIRST_PAUSE, LONGEST_PAUSE
from .lane import Lane, Waiting, size_of
from .parcels import Written, notices

if TYPE_CHECKING:
    from ..runtime.background import Background
    from .engine import Engine

MAX_WAITING: Final = 1_000
MAX_WAITING_BYTES: Final = 1024 * 1024
AT_ONCE: Final = 16
LATER: Final = 1.0
"""After how long (seconds) a gap that is owed is tried again, once the engine's patience is over."""
MAX_IDLE: Final = 4_096
"""How many lanes are kept that have nothing to do (count); they know which parcel was their last."""


class Lanes:
    """All lanes of a worker to one engine."""

    def __init__(self, engine: Engine, background: Callable[[], Background]) -> None:
        self._engine = engine
        self._find_background = background
        self.begin_again()

    def begin_again(self) -> None:
        """Publish as another worker, as a forked child does."""
        self._idle = threading.Condition()
        self._lanes: dict[str, Lane] = {}
        self._numbers = itertools.count(1)
        self._by = os.urandom(8)
        self._places: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None

    def post(self, id: str, event: Written, future: Future[None] | None) -> bool:
        """Publish an event; returns whether it was taken, which is always so if somebody waits for it.

        Raises:
            BackendUnavailable: There is no thread to be had.
        """
        waiting = (event, future)
        with self._idle:
            lane = self._lanes.setdefault(id, Lane(id))
            full = len(lane.waiting) >= MAX_WAITING or lane.size + size_of(waiting) > MAX_WAITING_BYTES
            if taken := future is not None or not full:
                lane.waiting.append(waiting)
                lane.size += size_of(waiting)
            else:
                lane.owed = True
            starts, lane.running = not lane.running, True
        if starts:
            self._start(lane)
        return taken

    def flush(self, seconds: float) -> bool:
        """Wait until nothing waits to be told; returns whether that came in time (seconds)."""
        with self._idle:
            return self._idle.wait_for(lambda: not any(lane.busy for lane in self._lanes.values()), seconds)

    def _start(self, lane: Lane) -> None:
        def done(task: asyncio.Task[None]) -> None:
            if task.cancelled() or task.exception() is not None:
                self._give_up(lane, BackendUnavailable("this worker stops"))

        try:
            self._find_background().launch(Context(), lambda: self._run(lane), done)
        except RuntimeError as error:
            unavailable = BackendUnavailable(error)
            self._give_up(lane, unavailable)
            raise unavailable from error

    def _give_up(self, lane: Lane, error: BackendError) -> None:
        """Answer whoever waits in a lane that nobody sees to any more."""
        self._fail(lane, [], error)
        with self._idle:
            lane.running = False

    async def _run(self, lane: Lane) -> None:
        while (work := self._next(lane)) is not None:
            owed, batch = work
            try:
                await self._send(lane, owed, [event for event, _ in batch])
            except BackendError as error:
                self._fail(lane, batch, error)
                if not lane.waiting:
                    self._find_background().call_later(LATER, lambda: self._try_again(lane))
                    break
            except BaseException as error:  # often the loop is being stopped
                self._fail(lane, batch, BackendUnavailable(f"this worker stops, or fails: {error!r}", maybe=True))
                raise
            else:
                for _, future in batch:
                    answer(future, None)
        self._rest(lane)

    def _next(self, lane: Lane) -> tuple[bool, list[Waiting]] | None:
        """Return whether a gap is owed and what goes with it; None if there is nothing to do."""
        with self._idle:
            batch = lane.take()
            lane.telling = bool(batch)
            if not batch and not lane.owed:
                return None
            owed, lane.owed = lane.owed, False
            return owed, batch

    def _rest(self, lane: Lane) -> None:
        """Leave a lane, unless something has come meanwhile."""
        with self._idle:
            lane.running = False
            self._lanes[lane.id] = self._lanes.pop(lane.id, lane)  # the last one used
            for id in list(itertools.islice(self._lanes, max(0, len(self._lanes) - MAX_IDLE))):
                if not self._lanes[id].running and not self._lanes[id].owed:
                    del self._lanes[id]
            self._idle.notify_all()
            starts = lane.running = bool(lane.waiting)
        if starts:
            self._start(lane)

    def _try_again(self, lane: Lane) -> None:
        with self._idle:
            starts = lane.owed and not lane.running
            lane.running = lane.running or starts
        if starts:
            self._start(lane)

    async def _send(self, lane: Lane, owed: bool, events: list[Written]) -> None:
        """Tell events.

        Raises:
            BackendUnavailable: The engine cannot be asked.
            BackendError: It refuses.
        """
        number = next(self._numbers)
        doubt = False
        for notice in notices(self._by, number, lane.last, owed, events):
            doubt = await self._tell(lane.id, notice, doubt)
        lane.last = number

    async def _tell(self, id: str, notice: bytes, doubt: bool) -> bool:
        """Tell a notice, patiently; returns True, as from then on some of the parcel was told."""
        engine = self._engine
        until = engine.clock.monotonic() + engine.patience
        pause = FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(engine.patience + engine.backend.timeout), self._place:
                    await engine.backend.atell(id, notice)
                return True
            except (BackendUnavailable, TimeoutError) as error:
                doubt = doubt or getattr(error, "maybe", True)
                telemetry.execute(telemetry.UNAVAILABLE, {"count": 1}, {"session_id": id, "error": error})
                if engine.clock.monotonic() + pause > until:
                    raise BackendUnavailable(error, maybe=doubt) from error
            await engine.clock.asleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # no secret
            pause = min(LONGEST_PAUSE, pause * 2)

    @property
    def _place(self) -> asyncio.Semaphore:
        """What bounds the tells on this loop."""
        loop = asyncio.get_running_loop()
        if self._places is None or self._places[0] is not loop:
            self._places = loop, asyncio.Semaphore(AT_ONCE)
        return self._places[1]

    def _fail(self, lane: Lane, batch: list[Waiting], error: BackendError) -> None:
        """Tell all who wait in a lane that it cannot be used; what nobody waits for is lost."""
        with self._idle:
            waiting = list(lane.waiting)
            lane.waiting.clear()
            lane.size = 0
            lane.owed = True
            lane.telling = False
            self._idle.notify_all()
        for _, future in batch:
            answer(future, error=error)
        if isinstance(error, BackendUnavailable):
            error = BackendUnavailable(error)  # these were not tried
        for _, future in waiting:
            answer(future, error=error)
