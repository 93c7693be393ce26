"""The tables that a person reads."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table

from .measure import Result, Spread

PEERS = ("task", "thread")


def show(machine: dict[str, str], results: list[Result], memory: dict[str, dict[str, float]]) -> None:
    """Print everything."""
    console = Console(width=130)
    for name, value in machine.items():
        console.print(f"{name}: {value}", highlight=False)
    console.print(_times(results))
    console.print(_memory(memory))


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


def _times(results: list[Result]) -> Table:
    table = Table(
        title="Time per operation: median (min-max); ours as a multiple of the floor, peers as multiples of ours"
    )
    for heading in ("work", "ours µs", "floor µs", "ours / floor", "figure", "task / ours", "thread / ours"):
        table.add_column(heading, justify="left" if heading == "work" else "right")
    for result in results:
        times, ratios = result.times, result.ratios
        table.add_row(
            result.name,
            _spread(times["ours"], 1e6),
            _spread(times["floor"], 1e6),
            _spread(ratios["floor"]),
            _verdict(result),
            *(_inverse(ratios[peer]) for peer in PEERS),
        )
    return table


def _memory(memory: dict[str, dict[str, float]]) -> Table:
    table = Table(title="Bytes per idle session with two small slices, each kind in a fresh process")
    for heading in ("kind", "sessions", "resident", "Python objects", "resident / ours"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind, row in memory.items():
        share = row["rss"] / memory["ours"]["rss"]
        table.add_row(kind, f"{row['count']:,.0f}", f"{row['rss']:,.0f}", f"{row['traced']:,.0f}", f"{share:.2f} x")
    return table


def _verdict(result: Result) -> str:
    if result.target is None:
        return ""
    return f"{'met' if result.ratios['floor'].median <= result.target else 'missed'}: {result.target:g}"


def _spread(spread: Spread, scale: float = 1.0) -> str:
    return f"{spread.median * scale:.2f} ({spread.min * scale:.2f}-{spread.max * scale:.2f})"


def _inverse(spread: Spread) -> str:
    return f"{1 / spread.median:.1f} ({1 / spread.max:.1f}-{1 / spread.min:.1f})"
