"""Latency: from a commit to the frame that leaves a consumer, which is an ASGI application on the bench's own loop.

Rules:
    1. The time is from just before the dispatch, or the group_send, until the server's ``send`` gets the frame.
    2. A sample's time is the median of its commits. All commits of a contender together give the 99th percentile.
    3. From another thread: a plain thread dispatches, as a sync view does; group_send is run on the loop by
       ``run_coroutine_threadsafe``, since the in-memory layer works on one loop only.
    4. The floor is a bare loop that encodes the value and sends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median, quantiles
from time import perf_counter

from .. import layers
from ..measure import Contender, Effort, Fact, Figure, LeftOut, Measured, Row, run
from ..site import configure

PATIENCE = 60.0
"""How long (seconds) a sample may take before the bench gives up."""
REST = 0.001
"""Seconds between two commits of the row whose commits come out of the blue."""

Commit = Callable[[], Awaitable[float]]
"""Commits, and returns when it began (performance counter)."""

loop = asyncio.new_event_loop()
thread = ThreadPoolExecutor(1)


class Live:
    """A contender and the one connection that it pushes to."""

    def __init__(self, contender: str) -> None:
        from phoenix_sessions import sessions

        from .. import live
        from ..connection import Connection

        self.ours = contender == live.OURS
        application, self._push = loop.run_until_complete(live.prepare(contender, 1))
        self._dispatch = sessions.ref(live.ID).dispatch
        self._connection = loop.run_until_complete(_connected(Connection, application, self.ours))

    async def here(self) -> float:
        """Commit on the loop."""
        began = perf_counter()
        await self._push("count")
        return began

    async def elsewhere(self) -> float:
        """Commit on another thread."""
        return await loop.run_in_executor(thread, self._on_thread)

    def _on_thread(self) -> float:
        began = perf_counter()
        if self.ours:
            self._dispatch("count.next")
        else:
            asyncio.run_coroutine_threadsafe(self._push("count"), loop).result()  # type: ignore[arg-type]
        return began

    async def latencies(self, commit: Commit, count: int, rest: float) -> list[float]:
        """Return how long (seconds) each commit took to become a frame."""
        taken = []
        async with asyncio.timeout(PATIENCE):
            for _ in range(count):
                began = await commit()
                taken.append(await self._connection.arrival(rest) - began)
        return taken


async def _connected(connection: type, application: object, ours: bool) -> object:
    made = connection(application, ours)
    if ours:
        await made.arrival(0)  # the first frame, with all values
    await asyncio.sleep(0.1)
    return made


def measure(effort: Effort) -> Iterator[Measured]:
    """Measure the latencies."""
    configure()
    from ..live import FLOOR, OURS

    effort = replace(effort, seconds=0.02 if effort.quick else 0.1)
    lives = {name: Live(name) for name in (OURS, FLOOR, *layers.names())}
    without_redis = {name: each for name, each in lives.items() if name in (OURS, FLOOR, layers.MEMORY)}
    figure = Figure(layers.MEMORY, at_least=20)
    yield from _row("commit to frame, same loop", lives, "here", 0.0, effort, figure)
    yield from _row("commit to frame, same loop, after a rest of 1 ms", without_redis, "here", REST, effort)
    yield from _row("commit to frame, from another thread", lives, "elsewhere", 0.0, effort)
    if why := layers.why_no_redis():
        yield LeftOut(f"{layers.PUBSUB}; {layers.REDIS}", why)


def _row(
    name: str, lives: dict[str, Live], where: str, rest: float, effort: Effort, *figures: Figure
) -> Iterator[Measured]:
    seen: dict[str, list[float]] = {contender: [] for contender in lives}
    contenders = {contender: _contender(live, where, rest, seen[contender]) for contender, live in lives.items()}
    yield run(Row(name, contenders, figures, limit=2_000, unsteady=tuple(lives)), effort)
    for contender, each in seen.items():
        yield Fact(f"{name}: {contender}, p99", quantiles(each, n=100)[98] * 1e6, "µs")


def _contender(live: Live, where: str, rest: float, seen: list[float]) -> Contender:
    commit: Commit = getattr(live, where)

    def sample(count: int) -> float:
        taken = loop.run_until_complete(live.latencies(commit, count, rest))
        seen.extend(taken)
        return median(taken) * count

    return sample
