"""Functions to be called later, in the order in which they are due.

Rules:
    1. A timer costs an entry in a heap: no thread, no task, no event-loop timer of its own.
    2. ``cancel`` is final: a cancelled timer is not called, even when it is due already.
    3. A wake-up is asked for only if none is that comes soon enough.
    4. Callbacks run where the clock calls back (the background loop), so they only post messages.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from .background import Background
from .clock import Clock

logger = logging.getLogger("phoenix_sessions")


class Timer:
    """A function that will be called once, unless cancelled.

    Args:
        callback: The function.
        among: The timers of its owner, which it leaves when it is cancelled.
    """

    __slots__ = ("_among", "callback")

    def __init__(self, callback: Callable[[], None], among: set[Timer] | None = None) -> None:
        self.callback: Callable[[], None] | None = callback
        self._among = among

    def cancel(self) -> None:
        """See that the function is not called; fine when it was already."""
        self.callback = None
        if self._among is not None:
            self._among.discard(self)


class Timers:
    """The timers of one supervisor."""

    def __init__(self, clock: Clock, background: Background) -> None:
        self._clock = clock
        self._background = background
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._wakes: list[float] = []  # the wake-ups that were asked for, the soonest last

    def __len__(self) -> int:
        """Return how many timers wait (count, the cancelled ones left out)."""
        with self._lock:
            return sum(timer.callback is not None for _, _, timer in self._heap)

    def schedule(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back in ``delay`` seconds."""
        timer = Timer(callback)
        self.start(timer, delay)
        return timer

    def start(self, timer: Timer, delay: float) -> None:
        """Let the timer call back in ``delay`` seconds; maybe before this returns."""
        with self._lock:
            heapq.heappush(self._heap, (self._clock.monotonic() + delay, next(self._order), timer))
            self._trim()
        self._arm()

    def run_due(self, woken: float) -> None:
        """Call everything that is due, then see that there is a wake-up for the next; ``woken`` is what this one was.

        The clock may be a little early.
        """
        with self._lock:
            now = self._clock.monotonic()
            while self._wakes and self._wakes[-1] <= max(now, woken):
                self._wakes.pop()
            due = []
            while self._heap and self._heap[0][0] <= now:
                due.append(heapq.heappop(self._heap)[2])
        for timer in due:
            callback, timer.callback = timer.callback, None
            if callback is not None:
                _call(callback)
        self._arm()

    def _trim(self) -> None:
        if len(self._heap) % 1024 == 0:  # cancelled timers do not pile up until they are due
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)

    def _arm(self) -> None:
        with self._lock:
            if not self._heap:
                return
            due = self._heap[0][0]
            if self._wakes and self._wakes[-1] <= due:
                return
            self._wakes.append(due)
        try:
            self._clock.wake_at(due, functools.partial(self.run_due, due), self._background)
        except BaseException:  # no thread to be had for the loop: the next who needs it may have better luck
            with self._lock:
                self._wakes = [wake for wake in self._wakes if wake != due]
            raise


def _call(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:
        logger.exception("a timer failed")
