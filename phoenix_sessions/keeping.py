"""Keeping a lease: it is renewed in the background until it is released or lost.

Rules:
    1. It is renewed whenever a third of its time is over, and again after a third of what is left if that failed. That
       its process was paused for longer is noticed at the next look, not before.
    2. Who renews it by hand for longer than it was claimed for has that time: it is asked for again at each renewal,
       which thus cuts nothing back, and notices a loss as soon as ever.
"""

from __future__ import annotations

import logging
import threading
from asyncio import Task
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .core.errors import Fenced
from .runtime.supervisor import Supervisor
from .runtime.timers import Timer

if TYPE_CHECKING:
    from .lease import Lease

logger = logging.getLogger("phoenix_sessions")

PART: Final = 1 / 3
SOONEST: Final = 0.05


class Keeper:
    """Renews one lease.

    Args:
        lease: The lease.
        seconds: For how long it is renewed.
        supervisor: Has the timers and the loop.
        renew: Renews it for so many seconds.
    """

    def __init__(
        self,
        lease: Lease,
        seconds: float,
        supervisor: Supervisor,
        renew: Callable[[float], Coroutine[Any, Any, Any]],
    ) -> None:
        self._lease = lease
        self._seconds = seconds
        self._supervisor = supervisor
        self._renew = renew
        self._wanted = 0.0
        self._timers: tuple[Timer, ...] = ()
        self._turn = 0
        self._over = False
        self._lock = threading.Lock()

    def want(self, until: float) -> None:
        """Note until when (monotonic seconds) it was renewed by hand."""
        self._wanted = until

    def go_on(self) -> None:
        """Renew it when a third of its time is over, soon if others have made that shorter than was wanted.

        And look at the clock when its time is over, whatever becomes of that.
        """
        left = self._lease.expires_in
        soon = left + SOONEST < self._wanted - self._supervisor.now()
        delay = 0.0 if soon else min(self._seconds, left) * PART
        with self._lock:
            self._turn += 1
            turn = self._turn
            self._cancel()
        schedule = self._supervisor.timers.schedule
        timers = schedule(max(SOONEST, delay), self._beat), schedule(left, self._look)
        with self._lock:
            if turn == self._turn:
                self._timers = timers
            if turn != self._turn or self._over:
                _cancel(timers)

    def stop(self) -> None:
        """Renew it no more."""
        with self._lock:
            self._over = True
            self._cancel()

    def _cancel(self) -> None:
        _cancel(self._timers)
        self._timers = ()

    def _look(self) -> None:
        _ = self._lease.held  # a lease that is asked notices its loss

    def _beat(self) -> None:
        if self._lease.held:
            seconds = max(self._seconds, self._wanted - self._supervisor.now())
            self._supervisor.background.launch(Context(), partial(self._renew, seconds), self._beaten)

    def _beaten(self, task: Task[Any]) -> None:
        """Go on after the engine was asked to renew it."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, Fenced):
            logger.warning("the lease %r could not be renewed, which is tried again", self._lease.name, exc_info=error)
        if self._lease.held:
            self.go_on()


def _cancel(timers: tuple[Timer, ...]) -> None:
    for timer in timers:
        timer.cancel()
