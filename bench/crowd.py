"""Many sessions of one manager: a supervisor of their own, so that crowds of several sizes live side by side."""

from __future__ import annotations

import time
from time import perf_counter

from phoenix_sessions.manager import SessionManager

from .floors import Shop, ids


class Crowd:
    """So many live sessions.

    Attributes:
        manager: What started them.
    """

    def __init__(self, count: int) -> None:
        self.manager = SessionManager()
        names = ids(count)
        start = perf_counter()
        for name in names:
            self.manager.start_session(name, Shop)
        self.seconds = perf_counter() - start

    def __len__(self) -> int:
        return len(self.manager.supervisor.registry)

    def start(self, count: int) -> float:
        """Contend: start so many more, and end them again afterwards."""
        names = ids(count)
        start = perf_counter()
        for name in names:
            self.manager.start_session(name, Shop)
        took = perf_counter() - start
        for name in names:
            self.manager.terminate(name)
        return took

    def terminate(self, count: int) -> float:
        """Contend: end so many, which were started before."""
        names = ids(count)
        for name in names:
            self.manager.start_session(name, Shop)
        start = perf_counter()
        for name in names:
            self.manager.terminate(name)
        return perf_counter() - start

    def join_for(self, count: int, due: float) -> None:
        """Start so many more that expire together at ``due`` (monotonic seconds)."""
        for name in ids(count):
            self.manager.start_session(name, Shop, ttl=due - time.monotonic())

    def wait_for_only(self, count: int, timeout: float) -> None:
        """Wait until so many are left.

        Raises:
            TimeoutError: More are left after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while len(self) > count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self)} sessions are left where {count} were to be")
            time.sleep(0.01)
