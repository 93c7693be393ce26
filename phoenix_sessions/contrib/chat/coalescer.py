"""News for many, each of whom is told at once while it is quiet, and then at most every 250 ms.

Rules:
    1. Nothing is left out: what comes while somebody may not be told is told when it may be, all at once.
    2. Of more than 200 names all that is told is that there are many.
    3. Who has nothing waiting and may be told again is forgotten: memory is bounded by who is told within 250 ms.
    4. The thread that tells later lives while something waits. A forked child has nothing waiting.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

MOST_NAMES: Final = 200
_SHORTEST_PAUSE: Final = 0.01

Say = Callable[[str, list[str] | None], None]


class Window:
    """A time in which somebody is not told.

    Attributes:
        end: When it is over (monotonic seconds).
        names: What is told then; None = too much to name it.
    """

    __slots__ = ("end", "names")

    def __init__(self, end: float) -> None:
        self.end = end
        self.names: list[str] | None = []

    @property
    def waits(self) -> bool:
        """Whether something is to be told."""
        return self.names is None or bool(self.names)

    def add(self, name: str) -> None:
        """Note what is to be told."""
        if self.names is not None and name not in self.names:
            self.names = [*self.names, name] if len(self.names) < MOST_NAMES else None


class Coalescer:
    """Tells many, each in its own time.

    Args:
        say: Called with who is told, and the names, None = too many; on any thread, and must neither wait nor raise.
        seconds: How long somebody is not told again.
    """

    def __init__(self, say: Say, seconds: float = 0.25) -> None:
        self._say = say
        self._seconds = seconds
        self.begin_again()
        _coalescers.add(self)

    def begin_again(self) -> None:
        """Begin with nothing, as a forked child does."""
        self._changed = threading.Condition()
        self._windows: OrderedDict[str, Window] = OrderedDict()  # by their end
        self._waiting = 0  # windows in which something waits
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """Return of how many it is known that they may not be told yet (count)."""
        return len(self._windows)

    def tell(self, name: str, to: Iterable[str]) -> None:
        """Tell some a name, now or when they may be told."""
        at_once = []
        with self._changed:
            now = time.monotonic()
            self._forget(now)
            for each in to:
                window = self._windows.get(each)
                if window is None or (window.end <= now and not window.waits):
                    self._begin(each, now)
                    at_once.append(each)
                else:
                    self._waiting += not window.waits
                    window.add(name)
            if self._waiting and (self._thread is None or not self._thread.is_alive()):
                self._start()
        for each in at_once:
            self._say(each, [name])

    def flush(self) -> None:
        """Tell all that waits now."""
        with self._changed:
            waiting = [(each, window) for each, window in self._windows.items() if window.waits]
            now = time.monotonic()
            for each, _ in waiting:
                self._begin(each, now)
            self._waiting = 0
            self._changed.notify_all()
        for each, window in waiting:
            self._say(each, window.names)

    def _begin(self, who: str, now: float) -> None:
        self._windows[who] = Window(now + self._seconds)
        self._windows.move_to_end(who)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="phoenix_chat-inboxes", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there is none to be had: the next who tells tries again
            return
        self._thread = thread

    def _run(self) -> None:
        while (due := self._wait()) is not None:
            for each, window in due:
                self._say(each, window.names)

    def _wait(self) -> list[tuple[str, Window]] | None:
        """Wait until somebody may be told, and return who and what; None = nothing waits any more."""
        with self._changed:
            while self._waiting:
                now = time.monotonic()
                self._forget(now)
                if due := self._due(now):
                    for each, _ in due:
                        self._begin(each, now)
                    self._waiting -= len(due)
                    return due
                self._changed.wait(max(next(iter(self._windows.values())).end - now, _SHORTEST_PAUSE))
            self._thread = None
            return None

    def _forget(self, now: float) -> None:
        """Forget whose time is over, up to the first for whom something waits; under the lock."""
        while self._windows:
            who, window = next(iter(self._windows.items()))
            if window.end > now or window.waits:
                return
            del self._windows[who]

    def _due(self, now: float) -> list[tuple[str, Window]]:
        due = []
        for each, window in self._windows.items():
            if window.end > now:
                break
            if window.waits:
                due.append((each, window))
        return due


_coalescers: weakref.WeakSet[Coalescer] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_coalescers):
        each.begin_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
