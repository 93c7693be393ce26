"""What ``chat_load`` has seen: a table, and a chart as SVG."""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from .charts import FAINT, FIRST, INK, OTHER, STYLE
from .chat_client import Tally
from .machine import describe

PERCENTILES = (50, 95, 99)


def show(console: Console, tally: Tally, options: argparse.Namespace, began: float) -> None:
    """Print the table."""
    table = Table(title=f"{options.rate:g} messages a second for {options.seconds:g} s", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    measured = [(moment, took) for moment, took in tally.echoes if moment - took >= began]
    times = [took for _, took in measured]
    table.add_row("sent, warm-up included", f"{tally.sent:,}")
    table.add_row("acknowledged", f"{tally.acknowledged:,}")
    table.add_row("echoed to their senders", f"{len(tally.echoes):,}")
    table.add_row("received on all sockets", f"{tally.received:,}")
    if times:
        last = max(moment for moment, _ in measured)
        table.add_row("echoed a second, when warm", f"{len(times) / (last - began):,.0f}")
    for percent, value in zip(PERCENTILES, percentiles(times), strict=True):
        table.add_row(f"own echo, when warm, p{percent}", f"{value * 1000:,.1f} ms")
    table.add_row("errors", f"{sum(tally.errors.values()):,}")
    for name, count in sorted(tally.errors.items()):
        if count:
            table.add_row(f"  {name}", f"{count:,}")
    console.print(table)


def percentiles(times: Sequence[float]) -> list[float]:
    """Return ``PERCENTILES`` of times; none is not a number."""
    if len(times) < 2:
        return [times[0] if times else float("nan")] * len(PERCENTILES)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return [cuts[percent - 1] for percent in PERCENTILES]


def draw(tally: Tally, options: argparse.Namespace, began: float) -> None:
    """Write the chart: how many messages came back in each second, and how long that took."""
    seconds: dict[int, list[float]] = {}
    for moment, took in tally.echoes:
        seconds.setdefault(math.floor(moment - began), []).append(took)
    places = sorted(seconds)
    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(8, 5), layout="constrained")
        machine = describe()
        what = f"{options.participants} sockets in {options.conversations} conversations, {options.rate:g} messages/s"
        drawing.suptitle(f"{what}: {options.where}, {machine['python']}, {machine['cpu']}", fontsize=9, color=INK)
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
