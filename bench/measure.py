"""How time is taken.

Rules:
    1. The contenders of a row run interleaved (A B C D, A B C D, ...): a slow moment of the machine hits all.
    2. A contender is called with a count, does its work that often, and returns the seconds of the work alone.
    3. Its count is calibrated, which warms it up, so that one sample takes about ``seconds``.
    4. Garbage is collected before each sample and the collector is off during it.
    5. A ratio is the median of the ratios of each round, not a ratio of two medians.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

Contender = Callable[[int], float]

GC_POLICY = "collected before each sample, off during it"


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds (count, at least 7) and the length of one sample (seconds)."""

    repeats: int
    seconds: float


FULL = Effort(repeats=11, seconds=0.05)
QUICK = Effort(repeats=7, seconds=0.01)


@dataclass(frozen=True)
class Spread:
    """Median, least and most of the repeats."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, samples: list[float]) -> Spread:
        return cls(median(samples), min(samples), max(samples))


@dataclass(frozen=True)
class Row:
    """One kind of work.

    Attributes:
        name: What is done.
        contenders: Who does it; "ours" is first and "floor" second.
        limit: The most that one sample may do (count), for work that leaves something behind.
        target: The most that "ours" may cost (multiple of the floor), or None.
    """

    name: str
    contenders: Mapping[str, Contender]
    limit: int = 10_000_000
    target: float | None = None


@dataclass(frozen=True)
class Result:
    """What was measured of a row: time per operation (seconds) and "ours" as a multiple of each other contender."""

    name: str
    repeats: int
    target: float | None
    times: dict[str, Spread]
    ratios: dict[str, Spread]


def run(row: Row, effort: Effort) -> Result:
    """Measure a row."""
    counts = {name: _calibrate(each, effort.seconds, row.limit) for name, each in row.contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in row.contenders}
    for _ in range(effort.repeats):
        for name, contender in row.contenders.items():
            samples[name].append(_sample(contender, counts[name]) / counts[name])
    ratios = {
        name: Spread.of([ours / other for ours, other in zip(samples["ours"], others, strict=True)])
        for name, others in samples.items()
        if name != "ours"
    }
    times = {name: Spread.of(each) for name, each in samples.items()}
    return Result(row.name, effort.repeats, row.target, times, ratios)


def timed(work: Callable[[], object], count: int) -> float:
    """Return the seconds that ``count`` calls take."""
    repeat = range(count)
    start = perf_counter()
    for _ in repeat:
        work()
    return perf_counter() - start


def _sample(contender: Contender, count: int) -> float:
    gc.collect()
    gc.disable()
    try:
        return contender(count)
    finally:
        gc.enable()


def _calibrate(contender: Contender, seconds: float, limit: int) -> int:
    count = min(16, limit)
    while True:
        took = _sample(contender, count)
        if count >= limit or took >= seconds / 2:
            return max(1, min(limit, round(count * seconds / max(took, 1e-9))))
        count = min(limit, count * 4)
