"""A crew: a few daemon threads that stand ready.

Rules:
    1. They are started when the crew is made, as many as can be had: none once the interpreter goes down, on Python
       3.12 from the end of the main thread on. A crew of nobody does its work where it is submitted.
    2. They are daemons: work that never returns does not keep the process from its end.
    3. Work that raises is reported; its thread goes on.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

logger = logging.getLogger("phoenix_sessions")

Job = tuple[Callable[..., Any], tuple[Any, ...]]


class Crew:
    """Threads that do what is submitted, in its order; as much of a ``ThreadPoolExecutor`` as is needed.

    Args:
        size: How many threads (count).
        name: What their names begin with.
    """

    def __init__(self, size: int, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._size = 0
        with contextlib.suppress(RuntimeError):
            for number in range(size):
                Thread(target=_work, args=(self._jobs,), name=f"{name}_{number}", daemon=True).start()
                self._size += 1

    def submit(self, work: Callable[..., Any], *args: Any) -> None:
        """Do the work on one of the threads."""
        if self._size:
            self._jobs.put((work, args))
        else:
            _do(work, args)

    def shutdown(self, wait: bool = False) -> None:
        """Let the threads end once they have done what was submitted before; waits for nothing."""
        for _ in range(self._size):
            self._jobs.put(None)


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        _do(*job)
        del job  # nobody is kept alive by a thread that waits


def _do(work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        work(*args)
    except Exception:
        logger.exception("work of a crew failed")
