"""A chart for each group, as SVG: how long each contender of each row takes, on a logarithmic scale.

The same report gives the same file: no date, no random ids. Text stays text, which keeps the file small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from .measure import Fact, Result
from .report import Report
from .table import number

FIRST, OTHER, MISSED = "#0b6e4f", "#b8c4cc", "#b3261e"
INK, FAINT = "#22272b", "#6b757c"
INCHES_PER_BAR = 0.22
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


class Bar(NamedTuple):
    """One bar: where it lies, whom it shows, how long it is, from where to where it varied, and what is written."""

    place: float
    label: str
    length: float
    least: float
    most: float
    first: bool
    note: str
    missed: bool


def draw(report: Report, directory: Path) -> list[Path]:
    """Write a chart of each group that has rows or numbers; returns the files."""
    directory.mkdir(parents=True, exist_ok=True)
    return [path for group in report.groups for path in _draw(group, report, directory / f"{group}.svg")]


def _draw(group: str, report: Report, path: Path) -> Iterator[Path]:
    results = [each for each in report.groups[group] if isinstance(each, Result)]
    panels: list[tuple[str, list[Bar], dict[float, str]]] = []
    if results:
        panels.append(("microseconds per operation; whisker: least and most", *_times(results)))
    for unit, facts in _by_unit(report).get(group, {}).items():
        panels.append((unit, _numbers(facts), {}))
    if not panels:
        return
    rows = [len(bars) + len(titles) + 2 for _, bars, titles in panels]
    with mpl.rc_context(STYLE):
        drawing = Drawing(figsize=(10, sum(rows) * INCHES_PER_BAR + 0.5), layout="constrained")
        drawing.suptitle(_title(group, report), fontsize=9, color=INK)
        axes = drawing.subplots(len(panels), 1, squeeze=False, height_ratios=rows)
        for (label, bars, titles), axis in zip(panels, axes[:, 0], strict=True):
            _panel(axis, label, bars, titles)
        drawing.savefig(path, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    yield path


def _panel(axis: Any, label: str, bars: Sequence[Bar], titles: dict[float, str]) -> None:
    """Draw the bars, each with its note behind it, and a title above each row's."""
    axis.set_xscale("log")
    left = min(bar.least for bar in bars) / 2
    right = max(bar.most for bar in bars)
    axis.set_xlim(left, right * (right / left))  # the notes need half of the room
    axis.set_ylim(max(bar.place for bar in bars) + 0.6, min([bar.place for bar in bars] + list(titles)) - 0.6)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.xaxis.set_major_locator(LogLocator(numticks=7))
    axis.xaxis.set_minor_locator(NullLocator())
    for bar in bars:
        axis.barh(bar.place, bar.length - left, left=left, height=0.74, color=FIRST if bar.first else OTHER)
        axis.plot([bar.least, bar.most], [bar.place, bar.place], color=INK, linewidth=0.8)
        color = MISSED if bar.missed else FAINT
        end = (bar.most, bar.place)
        axis.annotate(bar.note, end, (4, 0), textcoords="offset points", va="center", color=color, fontsize=7)
    for place, title in titles.items():
        axis.annotate(
            title,
            (0, place),
            (-4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center",
            fontweight="bold",
            color=INK,
        )
    axis.set_yticks([bar.place for bar in bars], [bar.label for bar in bars], color=INK)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel(label, color=FAINT)
    axis.grid(axis="x", color="#e6eaed", linewidth=0.6)
    axis.set_axisbelow(True)


def _times(results: Sequence[Result]) -> tuple[list[Bar], dict[float, str]]:
    bars, titles, place = [], {}, 0.0
    for result in results:
        titles[place] = result.name
        for nth, (name, time) in enumerate(result.times.items()):
            place += 1
            spread = (time.median * 1e6, time.min * 1e6, time.max * 1e6)
            missed = any(figure.contender == name and not result.met(figure) for figure in result.figures)
            bars.append(Bar(place, name, *spread, not nth, _note(result, name), missed))
        place += 1.4
    return bars, titles


def _note(result: Result, contender: str) -> str:
    """Return the time, how it compares with the first contender's, and the figure to reach."""
    time = f"{number(result.times[contender].median * 1e6)} µs"
    if contender not in result.ratios:
        return time
    first, ratio = next(iter(result.times)), result.ratios[contender].median
    told = f"{first} {ratio:,.1f} times this" if ratio >= 1 else f"{1 / ratio:,.1f} times {first}"
    figures = [figure for figure in result.figures if figure.contender == contender]
    limits = [
        f"≤ {number(each.at_most)}" if each.at_most is not None else f"≥ {number(each.at_least or 0)}"
        for each in figures
    ]
    verdicts = [
        f"{limit} {'met' if result.met(each) else 'missed'}" for limit, each in zip(limits, figures, strict=True)
    ]
    return f"{time}, {told}" + (f" ({', '.join(verdicts)})" if verdicts else "")


def _numbers(facts: Sequence[Fact]) -> list[Bar]:
    return [
        Bar(place, fact.name, fact.value, fact.value, fact.value, _ours(fact), _value(fact), fact.met is False)
        for place, fact in enumerate(facts)
    ]


def _ours(fact: Fact) -> bool:
    """Return whether it is a number of ours: it is to reach something, or says so."""
    return fact.met is not None or "ours" in fact.name


def _value(fact: Fact) -> str:
    limits = [
        f"{sign} {number(limit)}" for sign, limit in (("≤", fact.at_most), ("≥", fact.at_least)) if limit is not None
    ]
    verdict = f" ({' and '.join(limits)} {'met' if fact.met else 'missed'})" if limits else ""
    return f"{number(fact.value)} {fact.unit}{verdict}"


def _by_unit(report: Report) -> dict[str, dict[str, list[Fact]]]:
    """Return the numbers above zero, which a logarithmic scale can show, by group and unit."""
    groups: dict[str, dict[str, list[Fact]]] = {}
    for group, measured in report.groups.items():
        for each in measured:
            if isinstance(each, Fact) and each.value > 0:
                groups.setdefault(group, {}).setdefault(each.unit, []).append(each)
    return groups


def _title(group: str, report: Report) -> str:
    return f"{group}: {report.machine['python']}, {report.machine['cpu']}"
