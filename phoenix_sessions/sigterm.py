"""SIGTERM and SIGINT: the sessions stop first, then the server gets the signal that was meant for it.

Rules:
    1. Only the main thread may set handlers, and a server sets its own when it begins: ours goes on top of it later.
    2. The handler starts a thread and returns, so that the server goes on and its sockets are closed in order. When the
       stop is over, or its time, the signal is sent once more, and the handler that was there before has it.
    3. A second signal meanwhile, of either kind, is from somebody who will not wait, and goes to its handler at once.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
from types import FrameType
from typing import Any, Final

from .manager import sessions

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Progress:
    """How far the signals of this OS process have come.

    Attributes:
        begun: Whether one has begun the stop.
        passed_on: Whether one was passed on.
    """

    def __init__(self) -> None:
        self.begun = False
        self.passed_on = False


class StopFirst:
    """A signal handler that stops the sessions before another handler has the signal.

    Args:
        number: The signal.
        before: The handler that was there before.
        progress: Shared by the handlers of all signals.
    """

    def __init__(self, number: int, before: Any, progress: Progress) -> None:
        self._number = number
        self._before = before
        self._progress = progress

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take the signal, on the main thread."""
        if self._progress.begun:
            self._pass_on(frame)
        else:
            self._progress.begun = True
            _thread.start_new_thread(self._stop, ())  # a Thread takes locks, which this very thread may hold

    def _stop(self) -> None:
        try:
            sessions.stop()
        finally:
            if not self._progress.passed_on:
                _send_to_main_thread(self._number)

    def _pass_on(self, frame: FrameType | None) -> None:
        self._progress.passed_on = True
        if callable(self._before):
            self._before(self._number, frame)
        else:
            signal.signal(self._number, self._before)
            os.kill(os.getpid(), self._number)


def stop_first() -> None:
    """Put our handlers on top of the server's; nothing is done on another thread than the main one."""
    if threading.current_thread() is not threading.main_thread():
        return
    progress = Progress()
    for number in SIGNALS:
        before = signal.getsignal(number)
        if before not in (None, signal.SIG_IGN) and not isinstance(before, StopFirst):
            signal.signal(number, StopFirst(number, before, progress))


def _send_to_main_thread(number: int) -> None:
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)  # wakes it from whatever it waits for
    else:
        signal.raise_signal(number)
