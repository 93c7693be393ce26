"""Contenders whose sample is the median of single operations, or many at once, on threads or on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median
from time import perf_counter

from . import writers
from .measure import Contender, timed

Work = Callable[[], object]
AsyncWork = Callable[[], Awaitable[object]]


def p50(work: Work) -> Contender:
    """Return the contender whose time is the median's, so often."""

    def contend(count: int) -> float:
        times = []
        for _ in range(count):
            start = perf_counter()
            work()
            times.append(perf_counter() - start)
        return median(times) * count

    return contend


def ap50(runner: asyncio.Runner, work: AsyncWork) -> Contender:
    """Return the same for coroutines, one after the other on one loop."""

    async def contend(count: int) -> float:
        times = []
        for _ in range(count):
            start = perf_counter()
            await work()
            times.append(perf_counter() - start)
        return median(times) * count

    return lambda count: runner.run(contend(count))


def threads(number: int, work: Work) -> Contender:
    """Return the contender that has so many threads do the work at the same time."""

    def contend(count: int) -> float:
        each = -(-count // number)
        return writers.together([partial(timed, work, each)] * number) * count / (each * number)

    return contend


def tasks(runner: asyncio.Runner, number: int, work: AsyncWork) -> Contender:
    """Return the contender that has so many tasks of one loop do the work at the same time."""

    async def often(count: int) -> None:
        for _ in range(count):
            await work()

    async def contend(count: int) -> float:
        each = -(-count // number)
        start = perf_counter()
        await asyncio.gather(*(often(each) for _ in range(number)))
        return (perf_counter() - start) * count / (each * number)

    return lambda count: runner.run(contend(count))
