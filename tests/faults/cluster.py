"""Some workers behind a balancer."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from .balancer import Balancer
from .engines import Environment
from .worker import Worker


class Cluster:
    """Workers that serve the same sessions, if their engine is shared.

    Args:
        folder: Where the logs go.
        environment: What the sessions live in; see ``engines``.
        count: How many workers.

    Attributes:
        workers: The workers.
        balancer: The way to them.
    """

    def __init__(self, folder: Path, environment: Environment, count: int = 4) -> None:
        self.workers = [Worker(f"worker-{number}", folder, environment) for number in range(count)]
        self.balancer = Balancer([worker.port for worker in self.workers])
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for worker in self.workers:
                stack.callback(worker.end)
            stack.enter_context(self.balancer)
            self.mend()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def mend(self) -> None:
        """Start the workers that do not run."""
        for worker in set(self.workers) - set(self.live):
            worker.start()
        for worker in self.workers:
            worker.wait_ready()

    @property
    def live(self) -> list[Worker]:
        """The workers that run."""
        return [worker for worker in self.workers if worker.pid is not None]

    def ledgers(self, ids: list[str]) -> list[dict[str, Any]]:
        """Return what each worker says that these sessions hold, by id."""
        return [worker.ask("/ledgers", ids) for worker in self.live]
