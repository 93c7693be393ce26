"""Many sessions: what a start, an end and an expiry cost beside a thousand others, and beside a million.

Rows: the collector is off, and what lives is frozen, for a full pass over a million sessions takes seconds. Facts: the
collector is as Python sets it, unless "frozen" says that ``gc.freeze()`` was called when the crowd had come.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from statistics import median
from time import perf_counter

from .. import starting
from ..crowd import Crowd
from ..measure import Effort, Fact, Figure, Measured, Row, run
from ..pauses import Pauses
from ..site import configure

MANY = 2_000
"""How many sessions one sample starts or ends."""
TIMES = 3
"""How often a crowd expires: the longest pause of each time says as much about the machine, so the median counts."""
LEISURE = 50e-6
"""What is allowed for the start of each session of the crowd (seconds), so that none is due before all have come."""
QUIET = 1.0
"""How long the ticks are watched with nothing going on (seconds)."""
PATIENCE = 120.0


def measure(effort: Effort) -> Iterator[Measured]:
    """Measure starts and ends, then expiry."""
    configure()
    sizes = (1_000, 10_000, 50_000) if effort.quick else (1_000, 100_000, 1_000_000)
    few, some = Crowd(sizes[0]), Crowd(sizes[1])
    with Pauses() as pauses:
        many = Crowd(sizes[2])
    yield Fact(f"{_n(many)} starts in a row, each", many.seconds / len(many) * 1e6, "us")
    yield Fact(f"longest pause while {_n(many)} start", pauses.longest * 1e3, "ms")
    start = perf_counter()
    gc.collect()
    yield Fact(f"a full gc pass over {_n(many)} sessions", (perf_counter() - start) * 1e3, "ms")
    gc.freeze()
    yield run(_starts(few, some, many), effort)
    yield run(_ends(few, some, many), effort)
    yield Fact(f"a tick of the expiry with nothing due, {_n(many)} live", _tick(many) * 1e3, "ms", at_most=1)
    yield from _expiry(many, len(many) // 10)


def _starts(few: Crowd, some: Crowd, many: Crowd) -> Row:
    contenders = {
        f"at {_n(many)}": many.start,
        f"at {_n(few)}": few.start,
        f"at {_n(some)}": some.start,
        "bare objects": lambda count: starting.floor(count)[0],
    }
    figures = Figure(f"at {_n(few)}", at_most=1 / 0.7), Figure("bare objects", at_most=4)
    return Row("start", contenders, figures, MANY)


def _ends(few: Crowd, some: Crowd, many: Crowd) -> Row:
    contenders = {
        f"at {_n(many)}": many.terminate,
        f"at {_n(few)}": few.terminate,
        f"at {_n(some)}": some.terminate,
        "dict deletion": lambda count: starting.floor(count)[1],
    }
    return Row("terminate", contenders, (Figure("dict deletion", at_most=4),), MANY)


def _tick(crowd: Crowd) -> float:
    """Return what a sweep takes that finds nobody (median, seconds)."""
    sweep, times = crowd.manager.supervisor.expiry.sweep, []
    for _ in range(1001):
        start = perf_counter()
        sweep()
        times.append(perf_counter() - start)
    return median(times)


def _expiry(crowd: Crowd, count: int) -> Iterator[Fact]:
    quiet = [_quiet() for _ in range(TIMES)]
    yield Fact(f"longest pause with nothing going on, median of {TIMES}", median(quiet) * 1e3, "ms")
    for frozen in (False, True):
        longest = [_expire(crowd, count, frozen) for _ in range(TIMES)]
        name = f"longest pause while {count:,} of {len(crowd) + count:,} expire{', frozen' if frozen else ''}"
        yield Fact(f"{name}, median of {TIMES}", median(longest) * 1e3, "ms", at_most=10)


def _quiet() -> float:
    with Pauses() as pauses:
        time.sleep(QUIET)
    return pauses.longest


def _expire(crowd: Crowd, count: int, frozen: bool) -> float:
    """Let so many join and expire together; returns the longest pause from just before until the last is gone."""
    gc.unfreeze()
    gc.collect()
    stay, due = len(crowd), time.monotonic() + count * LEISURE + 1
    crowd.join_for(count, due)
    if frozen:
        gc.freeze()
    time.sleep(max(0.0, due - time.monotonic() - 0.2))
    with Pauses() as pauses:
        crowd.wait_for_only(stay, PATIENCE)
    return pauses.longest


def _n(crowd: Crowd) -> str:
    """Return how many there are, in words that fit a table."""
    thousands = round(len(crowd) / 1000)
    return f"{thousands // 1000}M" if thousands >= 1000 else f"{thousands}k"
