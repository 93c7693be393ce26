"""A worker of the backends group: an OS process with a Django of its own that dispatches when it is told to.

It reads lines of JSON from stdin, first the databases (see ``engines``), then a verb with its arguments at a time:

    ["use", engine]                     its sessions are in this engine from now on
    ["dispatch", ids, tasks, count]     so many tasks dispatch so often, together, each going through ids of its own

    ["grow", ids]                       loads these sessions

and answers each with a line of JSON: None, a ``Share``, or how much larger it is for each session (bytes).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from . import engines
from .documents import SMALL
from .memory import resident_bytes

EVENT = "phoenix_sessions.conflict"


@dataclass(frozen=True)
class Share:
    """What one worker did.

    Attributes:
        began: When (seconds, by the clock of all processes).
        ended: When.
        times: How long each dispatch took (seconds).
        commits: How many commits succeeded (count); those of dispatches that wait together are one.
        conflicts: How many did not, as somebody was faster (count).
    """

    began: float
    ended: float
    times: list[float]
    commits: int
    conflicts: int


class Worker:
    """What the lines ask for."""

    def __init__(self) -> None:
        from phoenix_sessions import telemetry

        self.runner = asyncio.Runner()
        self.conflicts = 0
        self.tries = 0
        telemetry.attach("bench", EVENT, self._note)

    def _note(self, *event: Any) -> None:
        self.conflicts += 1

    def use(self, engine: str) -> None:
        """Go over to another engine, and count what is committed there."""
        from phoenix_sessions import sessions

        engines.use(engine)
        backend: Any = sessions.backend
        commit = backend.acommit

        async def counted(*arguments: Any) -> tuple[bytes, ...]:
            self.tries += 1
            return await commit(*arguments)

        backend.acommit = counted

    def dispatch(self, ids: list[str], tasks: int, count: int) -> dict[str, Any]:
        """Dispatch, and say how it went."""
        self.tries = self.conflicts = 0
        times: list[float] = []
        began = perf_counter()
        self.runner.run(self._dispatch_all(ids, tasks, count, times))
        ended = perf_counter()
        return asdict(Share(began, ended, times, self.tries - self.conflicts, self.conflicts))

    def grow(self, ids: list[str]) -> float:
        """Load sessions, and return what each takes."""
        gc.collect()
        before = resident_bytes()
        self.runner.run(self._dispatch_all(ids, 1, len(ids), []))
        gc.collect()
        return (resident_bytes() - before) / len(ids)

    async def _dispatch_all(self, ids: list[str], tasks: int, count: int, times: list[float]) -> None:
        from phoenix_sessions import sessions

        async def dispatch(own: list[str], often: int) -> None:
            refs = [sessions.ref(id) for id in own]
            for number in range(often):
                start = perf_counter()
                await refs[number % len(refs)].adispatch(SMALL, 1)
                times.append(perf_counter() - start)

        share = -(-count // tasks)
        own = [ids[first::tasks] or ids for first in range(tasks)]
        await asyncio.gather(*(dispatch(each, share) for each in own))


def main() -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what else is printed goes to stderr
    engines.set_up(json.loads(sys.stdin.readline()))
    worker = Worker()
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        print(json.dumps(getattr(worker, verb)(*arguments)), file=answers, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
