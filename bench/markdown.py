"""The tables as Markdown, for ``bench/README.md``."""

from __future__ import annotations

from collections.abc import Iterator

from .measure import Fact, LeftOut, Measured, Result
from .report import Report
from .table import number, spread, verdict, verdicts

RESULTS = ("work", "contender", "time, µs", "first / this", "this / first", "figure")
FACTS = ("number", "", "unit", "figure")


def render(report: Report) -> str:
    """Return a section for each group."""
    return "\n".join(line for group, measured in report.groups.items() for line in _section(group, measured))


def _section(group: str, measured: list[Measured]) -> Iterator[str]:
    yield f"### {group}"
    results = [each for each in measured if isinstance(each, Result)]
    if results:
        yield from _heading(RESULTS)
        for result in results:
            yield from _rows(result)
        yield ""
    facts = [each for each in measured if isinstance(each, Fact)]
    if facts:
        yield from _heading(FACTS)
        for fact in facts:
            judged = "" if fact.met is None else verdict(fact.met, fact.at_most, fact.at_least)
            yield _line(fact.name, number(fact.value), fact.unit, judged)
        yield ""
    for each in measured:
        if isinstance(each, LeftOut):
            yield f"Left out: {each.name}: {each.why}\n"


def _rows(result: Result) -> Iterator[str]:
    for place, (name, time) in enumerate(result.times.items()):
        ratio = result.ratios.get(name)
        ratios = (spread(ratio), spread(ratio.inverse())) if ratio else ("", "")
        yield _line("" if place else f"**{result.name}**", name, spread(time, 1e6), *ratios, verdicts(result, name))


def _heading(names: tuple[str, ...]) -> Iterator[str]:
    yield _line(*names)
    yield "|" + "---|" * len(names)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("missed:", "**missed**:")
