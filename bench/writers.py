"""Many who write at the same time: threads or tasks, and how long each dispatch of theirs takes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter


def together(works: Sequence[Callable[[], object]]) -> float:
    """Do all of this at the same time, each on a thread of its own; returns the seconds until the last has ended."""
    ready = threading.Barrier(len(works) + 1)

    def run(work: Callable[[], object]) -> None:
        ready.wait()
        work()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    ready.wait()
    start = perf_counter()
    for thread in threads:
        thread.join()
    return perf_counter() - start


@dataclass(frozen=True)
class Latencies:
    """How long each dispatch took (seconds)."""

    times: list[float]

    def percentile(self, share: float) -> float:
        """Return the time that this share of them (0 to 1) keeps to."""
        return sorted(self.times)[min(len(self.times) - 1, int(len(self.times) * share))]


def threads(dispatch: Callable[[], object], count: int, seconds: float, pause: float | None = None) -> Latencies:
    """Let so many threads dispatch for so long, with a pause after each dispatch or without a break."""
    times: list[float] = []
    until = perf_counter() + seconds

    def write() -> None:
        mine, start = [], 0.0
        while start < until:
            start = perf_counter()
            dispatch()
            mine.append(perf_counter() - start)
            if pause is not None:
                time.sleep(pause)
        times.extend(mine)

    together([write] * count)
    return Latencies(times)


def among(dispatch: Callable[[], object], count: int, seconds: float, pause: float) -> Latencies:
    """Let one more dispatch now and then, with a pause after each, while so many threads do without a break."""
    latencies: list[Latencies] = []
    crowd, one = partial(threads, dispatch, count, seconds), partial(threads, dispatch, 1, seconds, pause)
    together([crowd, lambda: latencies.append(one())])
    return latencies[0]


async def tasks(
    adispatch: Callable[[], Awaitable[object]], count: int, seconds: float, pause: float = 0.0
) -> Latencies:
    """Let so many tasks of this loop dispatch for so long; others have their turn after each dispatch."""
    times: list[float] = []
    until = perf_counter() + seconds

    async def write() -> None:
        start = 0.0
        while start < until:
            start = perf_counter()
            await adispatch()
            times.append(perf_counter() - start)
            await asyncio.sleep(pause)

    await asyncio.gather(*(write() for _ in range(count)))
    return Latencies(times)
