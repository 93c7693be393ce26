"""Starting sessions and ending them: what each contender does, timed in two parts.

Ids are made beforehand. The bare objects are put into a dict and deleted from it. Tasks, threads and actors are given
no id, check none and are entered in no registry (pykka's actors in its own).
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from phoenix_sessions import sessions

from . import peers
from .floors import BareSession, Shop, ids
from .measure import Contender

Seconds = tuple[float, float]
"""What starting and ending took."""


def ours(count: int) -> Seconds:
    names = ids(count)
    start = perf_counter()
    for name in names:
        sessions.start_session(name, Shop)
    middle = perf_counter()
    for name in names:
        sessions.terminate(name)
    return middle - start, perf_counter() - middle


def floor(count: int) -> Seconds:
    names, table = ids(count), {}
    start = perf_counter()
    for name in names:
        table[name] = BareSession()
    middle = perf_counter()
    for name in names:
        del table[name]
    return middle - start, perf_counter() - middle


def tasks(count: int) -> Seconds:
    return peers.loop.run_until_complete(_tasks(count))


async def _tasks(count: int) -> Seconds:
    start = perf_counter()
    started = await peers.start_tasks(count)
    middle = perf_counter()
    await peers.end_tasks(started)
    return middle - start, perf_counter() - middle


def threads(count: int) -> Seconds:
    return _threaded(peers.ThreadSession, count)


def actors(count: int) -> Seconds:
    return _threaded(peers.PykkaSession.started, count)


def _threaded(start_one: Callable[[], peers.Asked], count: int) -> Seconds:
    start = perf_counter()
    started = [start_one() for _ in range(count)]
    middle = perf_counter()
    for session in started:
        session.stop()
    return middle - start, perf_counter() - middle


CONTENDERS: dict[str, Callable[[int], Seconds]] = {
    "ours": ours,
    "bare objects": floor,
    "asyncio task": tasks,
    "pykka": actors,
    "thread and queue": threads,
}


def starters() -> dict[str, Contender]:
    """Return the contenders, for the first part."""
    return {name: lambda count, both=both: both(count)[0] for name, both in CONTENDERS.items()}  # type: ignore[misc]


def enders() -> dict[str, Contender]:
    """Return the contenders, for the second part."""
    return {name: lambda count, both=both: both(count)[1] for name, both in CONTENDERS.items()}  # type: ignore[misc]
