"""Who waits for whom: threads on sessions of their own and on one, and single dispatches among fifty writers."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from phoenix_sessions import SessionRef, sessions

from .. import writers
from ..floors import BareSession, Shop
from ..measure import Contender, Effort, Fact, Figure, Measured, Row, run, timed
from ..site import configure

THREADS = 8
WRITERS = 50
EVERY = 0.001
"""How long a writer pauses that does not write without a break (seconds)."""
BOUND = WRITERS * sys.getswitchinterval() * 1e3
"""What the 99th percentile is to keep to (milliseconds): a turn of the interpreter (5 ms) for each writer."""
ACTION = "counter.add", 1


def measure(effort: Effort) -> Iterator[Measured]:
    """Measure throughput, then the latency of single dispatches."""
    configure()
    longer = replace(effort, seconds=0.1 if effort.quick else 0.25)  # many of the interpreter's turns of 5 ms
    refs = [sessions.start_session(f"session-{number}", Shop) for number in range(THREADS)]
    yield run(_row(f"{THREADS} threads on {THREADS} sessions", refs, 0.9), longer)
    yield run(_row(f"{THREADS} threads on one session", refs[:1] * THREADS, 0.6), longer)
    yield from _latencies(refs[0], 1.0 if effort.quick else 3.0)


def _row(name: str, refs: list[SessionRef], share: float) -> Row:
    """Return a row whose throughput is to be that share of one thread's."""
    bare = f"{THREADS} threads, bare reducer and one lock"
    contenders: dict[str, Contender] = {
        f"{THREADS} threads": _spread([partial(ref.dispatch, *ACTION) for ref in refs]),
        "one thread": partial(timed, partial(refs[0].dispatch, *ACTION)),
        bare: _spread([_locked_reducer()] * THREADS),
    }
    return Row(name, contenders, (Figure("one thread", at_most=1 / share),), unsteady=("one thread", bare))


def _locked_reducer() -> Callable[[], None]:
    bare, lock = BareSession(), threading.Lock()

    def dispatch() -> None:
        with lock:
            bare.dispatch()

    return dispatch


def _spread(works: Sequence[Callable[[], object]]) -> Contender:
    """Return the contender that has the work done by a thread each, all at the same time."""

    def contend(count: int) -> float:
        each = -(-count // len(works))
        took = writers.together([partial(timed, work, each) for work in works])
        return took * count / (each * len(works))

    return contend


def _latencies(ref: SessionRef, seconds: float) -> Iterator[Fact]:
    ours, floor, async_ours = partial(ref.dispatch, *ACTION), _locked_reducer(), partial(ref.adispatch, *ACTION)
    yield from _facts("among 50 threads that write without a break", writers.among(ours, WRITERS, seconds, EVERY))
    yield from _facts("the same, bare reducer and one lock", writers.among(floor, WRITERS, seconds, EVERY), None)
    yield from _facts("of 50 threads that write every ms", writers.threads(ours, WRITERS, seconds, EVERY))
    for how, pause in (("whenever it is their turn", 0.0), ("every ms", EVERY)):
        latencies = asyncio.run(writers.tasks(async_ours, WRITERS, seconds, pause))
        yield from _facts(f"of 50 tasks of one loop that write {how}", latencies)


def _facts(whose: str, latencies: writers.Latencies, at_most: float | None = BOUND) -> Iterator[Fact]:
    for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
        limit = at_most if name == "p99" else None
        yield Fact(f"{name} of a dispatch {whose}", latencies.percentile(share) * 1e3, "ms", limit)
