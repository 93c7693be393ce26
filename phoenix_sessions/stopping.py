"""The stop of this OS process's sessions.

Rules:
    1. From its beginning on no session starts (ShuttingDown). What waits in mailboxes is handled, then each session
       leaves: ``on_terminate("shutdown")`` is called, its receivers are told. What was acknowledged was applied.
    2. An ``async def`` handler may run on for half of the time. A page whose session is busy for ``PAGE_SECONDS`` is
       told to come back elsewhere all the same.
    3. The stop is over in its time, whatever handlers do: they run on threads that nobody waits for.
    4. There is one stop: whoever asks for another waits for the first. A process that has stopped stays so; a forked
       child begins anew.
    5. At the exit of the interpreter, once no other thread runs, what has not been stopped is stopped.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from django.db import connections

from .batches import Batches
from .pages import Pages
from .runtime.crew import Crew
from .runtime.supervisor import Supervisor
from .waiting import refuse_on_event_loop

logger = logging.getLogger("phoenix_sessions")

PAGE_SECONDS: Final = 0.5
LEAVE_SECONDS: Final = 2.0
"""How long connections may take to close once they were told."""
EXIT_PATIENCE: Final = 1.0
"""How long (seconds) ``async def`` handlers may run on at the exit, when nobody waits for them any more."""
LOOK_SECONDS: Final = 0.01
CREW: Final = 8

Hook = Callable[[float], None]


class Stop:
    """One stop of one supervisor.

    Attributes:
        done: Set once it is over.
        complete: Whether everything had ended by then.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        finish: Callable[[float], bool],
        pages: Pages,
        before: tuple[Hook, ...],
        after: tuple[Hook, ...],
    ) -> None:
        self._supervisor = supervisor
        self._finish = finish
        self._pages = pages
        self._before = before
        self._after = after
        self.done = threading.Event()
        self.complete = False

    def run(self, seconds: float, patience: float, crew: Crew) -> None:
        """Stop, on this thread and on those of the crew."""
        end = time.monotonic() + seconds
        try:
            self._call(self._before, end)
            complete = self._supervisor.shut_down_all(_left(end), patience, crew)
            complete = self._finish(_left(end) / 2) and complete  # the rest is for those that are called after
            self._call(self._after, end)
            self._wait_for_pages(end)
            self._supervisor.background.stop()
            self.complete = complete
        finally:
            crew.shutdown()
            self.done.set()
            connections.close_all()  # what this thread has opened for the functions

    def looks(self, seconds: float) -> Iterator[None]:
        """Give a moment, again and again, in which the caller waits, until the stop or its time is over."""
        begin = time.monotonic()
        sent_away = False
        while not self.done.is_set() and time.monotonic() < begin + seconds:
            if not sent_away and time.monotonic() >= begin + min(PAGE_SECONDS, seconds / 2):
                sent_away = True
                self._pages.send_away()
            yield

    def _call(self, hooks: tuple[Hook, ...], end: float) -> None:
        for hook in hooks:
            try:
                hook(_left(end))
            except Exception:
                logger.exception("%r, which runs at the stop, failed", hook)

    def _wait_for_pages(self, end: float) -> None:
        self._pages.send_away()
        end = min(end, time.monotonic() + LEAVE_SECONDS)
        while len(self._pages) and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)


class Stopping(Batches):
    """The part of ``sessions`` that stops them all.

    Attributes:
        pages: The open pages.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pages = Pages()
        self._before_stop: list[Hook] = []
        self._after_stop: list[Hook] = []
        self._stop: Stop | None = None
        self._stop_lock = threading.Lock()
        self._exits = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    @property
    def stopping(self) -> bool:
        """Whether a stop has begun, and maybe is over."""
        return self._supervisor is not None and self._supervisor.registry.closed

    def stop(self, deadline: float | None = None) -> bool:
        """Stop: no session starts any more, those that run finish what they have and end, pages go elsewhere.

        Args:
            deadline: How long it may take (seconds); None = STOP_TIMEOUT.

        Returns whether everything has ended in that time. Fine to repeat: it waits for the stop that is under way.
        """
        refuse_on_event_loop("stop")
        seconds = self.config.stop_timeout if deadline is None else deadline
        stop = self._begin_stop(seconds, seconds / 2)
        for _ in stop.looks(seconds):
            stop.done.wait(LOOK_SECONDS)
        return stop.complete

    async def astop(self, deadline: float | None = None) -> bool:
        """Async twin of ``stop``; the loop goes on, so that its sockets can say goodbye."""
        seconds = self.config.stop_timeout if deadline is None else deadline
        stop = self._begin_stop(seconds, seconds / 2)
        for _ in stop.looks(seconds):
            await asyncio.sleep(LOOK_SECONDS)
        return stop.complete

    def at_stop(self, function: Hook, *, after: bool = False) -> Hook:
        """Call the function at the stop, on the stopping thread, with how long it may take (seconds).

        Args:
            function: What is called; one that raises is reported. Returned, so that this is a decorator too.
            after: Whether it is called after the sessions have left, instead of before.
        """
        (self._after_stop if after else self._before_stop).append(function)
        return function

    def setup(self) -> Supervisor:
        """Build the supervisor, once, and see that the exit of the interpreter stops it; returns it."""
        supervisor = super().setup()
        if not self._exits:
            self._exits = True
            _before_exit(self._get_ready_to_exit)
        return supervisor

    def _begin_stop(self, seconds: float, patience: float, crew: Crew | None = None) -> Stop:
        """Begin the stop, on a thread of its own, unless it has begun; returns it."""
        supervisor = self.supervisor
        with self._stop_lock:
            if supervisor.registry.close() or self._stop is None:
                hooks = tuple(self._before_stop), tuple(self._after_stop)
                stop = Stop(supervisor, self._finish_stored, self.pages, *hooks)
                self._stop = stop
            else:
                return self._stop
        crew = crew or Crew(CREW, "phoenix_sessions-stop")
        crew.submit(stop.run, seconds, patience, crew)
        return stop

    def _finish_stored(self, seconds: float) -> bool:
        """Have the engine learn of what has ended here; returns whether it has, within ``seconds``."""
        return self._replicas is None or self._replicas.flusher.finish(seconds)

    def _after_fork(self) -> None:
        self._stop_lock = threading.Lock()
        self.pages.begin_again()

    # -- the exit of the interpreter -------------------------------------------------------------------------------

    def _get_ready_to_exit(self) -> None:
        """Have threads stand ready for the stop: while the interpreter goes down there are none to be had."""
        supervisor = self._supervisor
        if supervisor is None or supervisor.registry.closed:
            return
        if self._has_to_stop or any(not thread.daemon for thread in threading.enumerate()[1:]):
            atexit.register(self._exit, Crew(CREW, "phoenix_sessions-exit"))

    @property
    def _has_to_stop(self) -> bool:
        return bool(len(self.supervisor.registry) or self._before_stop or self._after_stop)

    def _exit(self, crew: Crew) -> None:
        if not self._has_to_stop:
            return
        self.supervisor.background.retire(crew)
        seconds = self.config.stop_timeout
        stop = self._begin_stop(seconds, EXIT_PATIENCE, crew)
        for _ in stop.looks(seconds):
            stop.done.wait(LOOK_SECONDS)


def _left(end: float) -> float:
    return max(0.0, end - time.monotonic())


def _before_exit(function: Callable[[], Any]) -> None:
    """Call the function when the main thread is through, while threads can be had still.

    ``atexit`` calls later, when other threads and all pools have ended.
    """
    with contextlib.suppress(RuntimeError):  # the interpreter goes down already
        getattr(threading, "_register_atexit", atexit.register)(function)
