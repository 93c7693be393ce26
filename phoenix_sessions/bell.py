"""A bell on an event loop: other threads ring it for those on the loop who have something to look at.

Rules:
    1. Between two looks of the loop any number of rings cost one ``call_soon_threadsafe``, which is a system call: a
       commit that concerns a thousand sockets wakes their loop once.
    2. Whoever rings is answered on the loop's thread. Before the loop looks, each should ring once.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable

from .runtime.loops import one_per_loop

Answer = Callable[[], None]


class Bell:
    """The bell of one loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._rung: deque[Answer] = deque()
        self._calling = False

    def ring(self, answer: Answer) -> bool:
        """Have ``answer`` called on the loop; returns False if the loop is closed, so that nobody will look."""
        if self._loop.is_closed():
            return False
        self._rung.append(answer)  # before it is asked whether the loop will look
        if not self._calling:
            try:
                self._calling = True
                self._loop.call_soon_threadsafe(self._look)
            except RuntimeError:  # it was closed just now
                return False
            except BaseException:  # an interrupt: the next who rings calls
                self._calling = False
                raise
        return True

    def _look(self) -> None:
        self._calling = False  # before the deque is emptied: who rings from here on calls again
        try:
            while self._rung:
                self._rung.popleft()()
        finally:
            if self._rung:  # one has raised: the others are looked at next
                self._calling = True
                self._loop.call_soon(self._look)


bell = one_per_loop(Bell)
