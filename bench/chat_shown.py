"""What ``chat_load`` has seen: a table, and a chart as SVG."""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from .charts import FAINT, FIRST, INK, OTHER, STYLE
from .chat_client import Tally
from .machine import describe

PERCENTILES = (50, 95, 99)


class Seen(NamedTuple):
    """What a run has seen.

    Attributes:
        tally: Of all clients.
        began: When the warm-up was over.
        client, server: Processor time that the clients and the server have used (seconds); not a number if unknown.
        where: Which server it was, in words.
    """

    tally: Tally
    began: float
    client: float
    server: float
    where: str


def show(console: Console, seen: Seen, options: argparse.Namespace) -> None:
    """Print the table."""
    table = Table(title=f"{options.rate:g} messages a second for {options.seconds:g} s", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in [*_counts(seen), *_times(seen), *_processor(seen), *_errors(seen.tally)]:
        table.add_row(name, value)
    console.print(table)


def _counts(seen: Seen) -> Iterator[tuple[str, str]]:
    tally = seen.tally
    yield "sent, warm-up included", f"{tally.sent:,}"
    yield "acknowledged", f"{tally.acknowledged:,}"
    yield "echoed to their senders", f"{len(tally.echoes):,}"
    yield "received on all sockets", f"{tally.received:,}"


def _times(seen: Seen) -> Iterator[tuple[str, str]]:
    measured = [(due + took, took) for due, took in seen.tally.echoes if due >= seen.began]
    if measured:
        last = max(moment for moment, _ in measured)
        yield "echoed a second, when warm", f"{len(measured) / (last - seen.began):,.0f}"
    for percent, value in zip(PERCENTILES, percentiles([took for _, took in measured]), strict=True):
        yield f"own echo, when warm, p{percent}", f"{value * 1000:,.1f} ms"


def _processor(seen: Seen) -> Iterator[tuple[str, str]]:
    for name, used in (("server", seen.server), ("clients", seen.client)):
        if not math.isnan(used):
            yield f"processor time for a message, {name}", f"{1e6 * used / max(1, seen.tally.sent):,.0f} µs"
    yield "the clients were late, p95", f"{percentiles(seen.tally.late)[1] * 1000:,.1f} ms"


def _errors(tally: Tally) -> Iterator[tuple[str, str]]:
    yield "errors", f"{sum(tally.errors.values()):,}"
    for name, count in sorted(tally.errors.items()):
        if count:
            yield f"  {name}", f"{count:,}"


def percentiles(times: Sequence[float]) -> list[float]:
    """Return ``PERCENTILES`` of times; none is not a number."""
    if len(times) < 2:
        return [times[0] if times else float("nan")] * len(PERCENTILES)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return [cuts[percent - 1] for percent in PERCENTILES]


def draw(seen: Seen, options: argparse.Namespace) -> None:
    """Write the chart: how many messages came back in each second, and how long that took."""
    seconds: dict[int, list[float]] = {}
    for due, took in seen.tally.echoes:
        seconds.setdefault(math.floor(due + took - seen.began), []).append(took)
    places = sorted(seconds)
    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(8, 5), layout="constrained")
        machine = describe()
        what = f"{options.participants} sockets in {options.conversations} conversations, {options.rate:g} messages/s"
        drawing.suptitle(f"{what}: {seen.where}, {machine['python']}, {machine['cpu']}", fontsize=9, color=INK)
        upper, lower = drawing.subplots(2, 1, sharex=True)
        upper.bar(places, [len(seconds[place]) for place in places], color=FIRST, width=0.9)
        upper.set_ylabel("echoes in this second", color=FAINT)
        for nth, (percent, color) in enumerate(zip(PERCENTILES, (FIRST, INK, OTHER), strict=True)):
            values = [percentiles(seconds[place])[nth] * 1000 for place in places]
            lower.plot(places, values, color=color, marker="o", markersize=3, label=f"p{percent}")
        lower.set_ylabel("own echo (ms)", color=FAINT)
        lower.set_xlabel("second; before 0 is the warm-up", color=FAINT)
        lower.set_ylim(bottom=0)
        lower.legend(frameon=False)
        for axis in (upper, lower):
            axis.grid(axis="y", color="#e6eaed", linewidth=0.6)
            axis.set_axisbelow(True)
        drawing.savefig(options.chart, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
