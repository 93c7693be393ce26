"""The tables that a person reads."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from .measure import Fact, LeftOut, Result, Spread
from .report import Report

T = TypeVar("T", Result, Fact)


def show(report: Report, old: Report | None = None) -> None:
    """Print everything; each ratio beside that of the old report, if there is one."""
    console = Console(width=180)
    for name, value in report.machine.items():
        console.print(f"{name}: {value}", highlight=False)
    for group, measured in report.groups.items():
        results = [each for each in measured if isinstance(each, Result)]
        facts = [each for each in measured if isinstance(each, Fact)]
        if results:
            console.print(_results(group, results, _by_name(old, group, Result)))
        if facts:
            console.print(_facts(group, facts, _by_name(old, group, Fact)))
        for each in measured:
            if isinstance(each, LeftOut):
                console.print(f"{group}: left out: {each.name}: {each.why}", highlight=False, markup=False)
    for group in report.failed:
        console.print(f"{group}: FAILED, see above; what it measured before is shown", highlight=False)


def show_soak(answers: Counter[tuple[str, str]], events: Counter[str], log: Counter[str], checks: list[Any]) -> None:
    """Print what was answered, told and logged, and the checks."""
    console = Console(width=130)
    verbs = Table("action", "answers", title="Actions and their answers")
    for verb in sorted({verb for verb, _ in answers}):
        mine = Counter({answer: count for (each, answer), count in answers.items() if each == verb})
        verbs.add_row(verb, ", ".join(f"{answer} {count:,}" for answer, count in mine.most_common()))
    console.print(verbs)
    lines = Table("times", "event, or line in the log", title="What the package told")
    for line, count in (*events.most_common(), *log.most_common()):
        lines.add_row(f"{count:,}", line)
    console.print(lines)
    results = Table("phase", "check", "", "seen", title="Checks")
    for phase, name, holds, seen in checks:
        results.add_row(phase, name, {True: "ok", False: "FAILED", None: "too short to tell"}[holds], seen)
    console.print(results, markup=False)


def _results(group: str, results: list[Result], old: dict[str, Result]) -> Table:
    title = f"{group}: time per operation; the row's first contender beside each other one: median (min-max)"
    table = Table("work", "contender", title=title)
    for heading in ("time, µs", "first / this", "this / first", "figure", *(["was"] if old else [])):
        table.add_column(heading, justify="right")
    for result in results:
        before = old.get(result.name)
        for place, (name, time) in enumerate(result.times.items()):
            ratio = result.ratios.get(name)
            was = before.ratios.get(name) if before else None
            table.add_row(
                "" if place else result.name,
                name,
                spread(time, 1e6),
                spread(ratio) if ratio else "",
                spread(ratio.inverse()) if ratio else "",
                verdicts(result, name),
                *([f"{was.median:.3g}" if was else ""] if old else []),
                end_section=place == len(result.times) - 1,
            )
    return table


def _facts(group: str, facts: list[Fact], old: dict[str, Fact]) -> Table:
    table = Table("number", title=f"{group}: numbers")
    for heading in ("", "unit", "figure", *(["was"] if old else [])):
        table.add_column(heading, justify="left" if heading == "unit" else "right")
    for fact in facts:
        was = old.get(fact.name)
        judged = "" if fact.met is None else verdict(fact.met, fact.at_most, fact.at_least)
        before = [number(was.value) if was else ""] if old else []
        table.add_row(fact.name, number(fact.value), fact.unit, judged, *before)
    return table


def _by_name(report: Report | None, group: str, kind: type[T]) -> dict[str, T]:
    measured = report.groups.get(group, []) if report else []
    return {each.name: each for each in measured if isinstance(each, kind)}


def verdicts(result: Result, contender: str) -> str:
    """Return which figures the ratio to this contender meets or misses."""
    figures = [figure for figure in result.figures if figure.contender == contender]
    return ", ".join(verdict(result.met(figure), figure.at_most, figure.at_least) for figure in figures)


def verdict(met: bool, at_most: float | None, at_least: float | None) -> str:
    """Return whether a figure is met, and the figure."""
    limits = [f"{sign} {number(limit)}" for sign, limit in (("≤", at_most), ("≥", at_least)) if limit is not None]
    return f"{'met' if met else 'missed'}: {' and '.join(limits)}"


def spread(of: Spread, scale: float = 1.0) -> str:
    """Return the median, and least and most."""
    return f"{number(of.median * scale)} ({number(of.min * scale)}-{number(of.max * scale)})"


def number(value: float) -> str:
    """Return three digits of it, and never an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
