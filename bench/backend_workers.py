"""The workers of the backends group, as whoever tells them what to do has them (see ``backend_worker``)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .backend_worker import Share
from .engines import Places
from .measure import Contender
from .writers import Latencies

ROOT = Path(__file__).resolve().parent.parent


class Workers:
    """Some OS processes, each with a Django of its own.

    Args:
        count: How many.
        found: The databases.
    """

    def __init__(self, count: int, found: Places) -> None:
        command = [sys.executable, "-m", "bench.backend_worker"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(count)]
        for process in self._processes:
            self._say(process, found)

    def use(self, engine: str) -> None:
        """Have all go over to another engine."""
        self._ask([["use", engine]] * len(self._processes))

    def dispatch(self, ids: Sequence[Sequence[str]], tasks: int, count: int) -> list[Share]:
        """Have a worker for each of these lists dispatch, so often together; each has so many tasks."""
        each = -(-count // len(ids))
        return [Share(**answer) for answer in self._ask([["dispatch", list(own), tasks, each] for own in ids])]

    def grow(self, ids: Sequence[str]) -> float:
        """Have one of them load these sessions; returns what each takes of its memory (bytes)."""
        grown: list[float] = self._ask([["grow", list(ids)]])
        return grown[0]

    def stop(self) -> None:
        """End them."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _ask(self, questions: list[Any]) -> list[Any]:
        asked = list(zip(self._processes, questions, strict=False))
        for process, question in asked:
            self._say(process, question)
        return [json.loads(self._line(process)) for process, _ in asked]

    def _say(self, process: subprocess.Popen[str], what: Any) -> None:
        assert process.stdin is not None
        print(json.dumps(what), file=process.stdin, flush=True)

    def _line(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("a worker has ended; what it said is above")
        return line


class Crew:
    """A contender: workers that dispatch, each through its own list of ids; it keeps all that they tell.

    Args:
        workers: The workers.
        ids: A list for each of them.
        tasks: How many tasks each has.
    """

    def __init__(self, workers: Workers, ids: Sequence[Sequence[str]], tasks: int) -> None:
        self._workers = workers
        self._ids = ids
        self._tasks = tasks
        self.shares: list[Share] = []

    def __call__(self, count: int) -> float:
        """Dispatch about so often; returns the seconds that so often would have taken, from the first to the last."""
        shares = self._workers.dispatch(self._ids, self._tasks, count)
        self.shares += shares
        took = max(share.ended for share in shares) - min(share.began for share in shares)
        return took * count / sum(len(share.times) for share in shares)

    @property
    def latencies(self) -> Latencies:
        """How long each dispatch took."""
        return Latencies([time for share in self.shares for time in share.times])

    @property
    def tries(self) -> float:
        """How many tries a commit took (count)."""
        commits = sum(share.commits for share in self.shares)
        return (commits + sum(share.conflicts for share in self.shares)) / max(1, commits)


def one_each(contender: Contender) -> Contender:
    """Return the same, with every commit that of one action: nothing that waits is taken along."""
    from phoenix_sessions.shared import acting

    def contend(count: int) -> float:
        most = vars(acting)["MOST"]
        vars(acting)["MOST"] = 1
        try:
            return contender(count)
        finally:
            vars(acting)["MOST"] = most

    return contend
