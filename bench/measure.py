"""How time is taken.

Rules:
    1. The contenders of a row run interleaved (A B C D, A B C D, ...): a slow moment of the machine hits all.
    2. A contender is called with a count, does its work that often, and returns the seconds of the work alone.
    3. Its count is calibrated, which warms it up, so that one sample takes about ``Effort.seconds``.
    4. Garbage is collected before each sample and the collector is off during it.
    5. A ratio is the median of the ratios of each round, not a ratio of two medians.
    6. A row that looks worse than ``expected`` is measured again, at most ``AGAIN`` times, and each of its ratios is
       judged by its best run: another program on the machine can make a ratio worse, but hardly better.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from timeit import Timer

Contender = Callable[[int], float]
"""Does its work ``count`` times; returns the seconds of the work alone."""

GC_POLICY = "collected before each sample, off during it"
AGAIN = 2
TOLERANCE = 1.3
"""How much greater than expected a ratio may be (multiple)."""


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds (count, at least 7) and the length of one sample (seconds)."""

    repeats: int
    seconds: float
    quick: bool


FULL = Effort(repeats=11, seconds=0.05, quick=False)
QUICK = Effort(repeats=7, seconds=0.02, quick=True)


@dataclass(frozen=True)
class Spread:
    """Median, least and most of the repeats."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, samples: list[float]) -> Spread:
        return cls(median(samples), min(samples), max(samples))

    def inverse(self) -> Spread:
        """Return the spread of the ratios turned round."""
        return Spread(1 / self.median, 1 / self.max, 1 / self.min)


@dataclass(frozen=True)
class Figure:
    """What a row is to reach against one of its contenders.

    Attributes:
        contender: Which.
        at_most: The first contender takes at most so many times as long as this one ("ours / floor").
        at_least: This one takes at least so many times as long as the first contender ("peer / ours").
    """

    contender: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True)
class Row:
    """One kind of work.

    Attributes:
        name: What is done.
        contenders: Who does it; the first is what is judged, normally "ours".
        figures: What is to be reached.
        limit: The most that one sample may do (count), for work that leaves something behind.
        unsteady: Contenders whose time depends on how the system schedules threads. They are shown, and judged by the
            figures, but a baseline says nothing about them.
    """

    name: str
    contenders: Mapping[str, Contender]
    figures: tuple[Figure, ...] = ()
    limit: int = 10_000_000
    unsteady: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What was measured of a row.

    Attributes:
        name: The row's.
        repeats: How many rounds (count).
        times: Time per operation of each contender (seconds).
        ratios: The first contender's time as a multiple of each other's.
        figures: The row's.
        unsteady: The row's.
    """

    name: str
    repeats: int
    times: dict[str, Spread]
    ratios: dict[str, Spread]
    figures: tuple[Figure, ...] = ()
    unsteady: tuple[str, ...] = ()

    def met(self, figure: Figure) -> bool:
        """Return whether the median of the ratios reaches the figure."""
        ratio = self.ratios[figure.contender].median
        return within(ratio, figure.at_most, None) and within(1 / ratio, None, figure.at_least)

    def steady(self) -> dict[str, float]:
        """Return the medians of the ratios that a baseline may judge."""
        return {name: ratio.median for name, ratio in self.ratios.items() if name not in self.unsteady}


@dataclass(frozen=True)
class Fact:
    """A number that is no ratio of two contenders: bytes, a pause, a 99th percentile.

    Attributes:
        name: What it is.
        value: The number.
        unit: Of what.
        at_most: What it is to stay within, if anything.
        at_least: What it is to reach, if anything.
    """

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether it is what it is to be; None if nothing is asked."""
        if self.at_most is None and self.at_least is None:
            return None
        return within(self.value, self.at_most, self.at_least)


@dataclass(frozen=True)
class LeftOut:
    """A row, or a contender of one, that could not be measured here, and why (``"no Redis at 127.0.0.1:6379"``)."""

    name: str
    why: str


Measured = Result | Fact | LeftOut

expected: dict[str, dict[str, float]] = {}
"""The ratios of a baseline, by row and contender."""


def within(value: float, at_most: float | None, at_least: float | None) -> bool:
    """Return whether the value keeps to the limits that there are."""
    return (at_most is None or value <= at_most) and (at_least is None or value >= at_least)


def run(row: Row, effort: Effort) -> Result:
    """Measure a row."""
    result = _once(row, effort)
    for _ in range(AGAIN):
        if not worse(result, expected.get(row.name, {})):
            break
        result = _better(result, _once(row, effort))
    return result


def worse(result: Result, than: Mapping[str, float]) -> dict[str, float]:
    """Return the ratios that are more than ``TOLERANCE`` times what they were."""
    steady = result.steady()
    return {name: steady[name] for name, old in than.items() if name in steady and steady[name] > old * TOLERANCE}


def timed(work: Callable[[], object], count: int) -> float:
    """Return the seconds that ``count`` calls take."""
    repeat = range(count)
    start = perf_counter()
    for _ in repeat:
        work()
    return perf_counter() - start


def looped(statement: str, setup: str = "pass", **names: object) -> Contender:
    """Return a contender that runs the statement in a bare loop, without a call around it.

    Args:
        statement: Python code.
        setup: Python code that runs before each sample, not timed; what it binds is local, and fast to look up.
        **names: What both know.
    """
    return Timer(statement, setup, globals=names).timeit


def _once(row: Row, effort: Effort) -> Result:
    counts = {name: _calibrate(each, effort.seconds, row.limit) for name, each in row.contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in row.contenders}
    for _ in range(effort.repeats):
        for name, contender in row.contenders.items():
            samples[name].append(_sample(contender, counts[name]) / counts[name])
    times = {name: Spread.of(each) for name, each in samples.items()}
    first, *others = samples
    ratios = {
        name: Spread.of([mine / other for mine, other in zip(samples[first], samples[name], strict=True)])
        for name in others
    }
    return Result(row.name, effort.repeats, times, ratios, row.figures, row.unsteady)


def _better(one: Result, other: Result) -> Result:
    """Return the second, with each ratio that was better in the first."""
    ratios = {name: min(one.ratios[name], other.ratios[name], key=lambda ratio: ratio.median) for name in one.ratios}
    return replace(other, ratios=ratios)


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
