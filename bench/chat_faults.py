"""``python -m bench.chat_faults``: what of a chat is lost, doubled, out of order or never told when things go wrong.

Real workers (daphne) on loopback, with a Redis and a database in PostgreSQL of their own; clients on WebSockets send
numbered messages until these are acknowledged, and in the end what each has seen is held against the database. The
machinery is that of ``tests/faults/chat``, whose tests are short versions of the same.

Rules:
    1. The exit code is 1 if anything was lost, doubled or out of order, a client did not see everything, or was told
       what it should not have been; then the folder with the logs of the servers is kept, and named.
    2. Every server is ended and the database dropped, whatever happens; no scenario takes longer than twice
       ``--patience``, and what its start takes.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

TESTS = Path(__file__).resolve().parent.parent / "tests"
COUNTS = ("sent", "acknowledged", "stored", "given", "left", "lost", "repeated", "holes", "disordered", "unequal")

if TYPE_CHECKING:
    from faults.chat.scenarios import Report, Scenario, Size


def main(arguments: list[str] | None = None) -> int:
    """Run the scenarios and show what came of them; returns the exit code."""
    sys.path.insert(0, str(TESTS))
    from faults.chat import scenarios

    options = _parse(arguments, list(scenarios.ALL))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    console = Console(width=150)
    reports: dict[str, Report] = {}
    for name in options.scenario or scenarios.ALL:
        for seed in range(options.seed, options.seed + options.seeds):
            console.print(f"{name}, seed {seed}: {scenarios.ALL[name].__doc__}", highlight=False)
            reports[f"{name}, {seed}"] = _run(console, scenarios.ALL[name], options.workers, _size(options, seed))
    _show(console, reports, options)
    return int(any(report.findings for report in reports.values()))


def _parse(arguments: list[str] | None, names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chat_faults", description=(__doc__ or "").partition(":")[2])
    parser.add_argument("--scenario", action="append", choices=names, help="again for several (default: all)")
    parser.add_argument("--conversations", type=int, default=10)
    parser.add_argument("--senders", type=int, default=50, help="in each conversation (default: 50)")
    parser.add_argument("--messages", type=int, default=10, help="of each sender (default: 10)")
    parser.add_argument("--rate", type=float, help="messages a second, of all together (default: as fast as it goes)")
    parser.add_argument("--ahead", type=int, default=1, help="messages before an acknowledgement (default: 1)")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--every", type=float, default=2, help="seconds between two faults (default: 2)")
    parser.add_argument("--clients", type=int, default=20, help="that come and go (default: 20)")
    parser.add_argument("--leaves", type=int, default=100, help="how often each does (default: 100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from that one (default: 1)")
    parser.add_argument("--patience", type=float, default=300, help="seconds for a scenario (default: 300)")
    return parser.parse_args(arguments)


def _size(options: argparse.Namespace, seed: int) -> Size:
    from faults.chat.scenarios import Size

    given: dict[str, Any] = {**vars(options), "seed": seed}
    return Size(**{name: value for name, value in given.items() if name not in ("scenario", "seeds", "workers")})


def _run(console: Console, scenario: Scenario, workers: int, size: Size) -> Report:
    from faults.chat.ground import ground

    folder = Path(tempfile.mkdtemp(prefix="chat-faults-"))
    kept = True
    try:
        with ground(folder, workers) as here:
            report = scenario(here, size)
        kept = bool(report.findings)
    finally:
        if kept:
            console.print(f"  the logs are in {folder}", highlight=False)
        else:
            shutil.rmtree(folder)
    verdict = report.outcome.verdict
    for told, counts in (("closed", verdict.closes), ("answered", verdict.refusals)):
        for kind, count in counts.most_common():
            console.print(f"  {told}, {count} times: {kind}", highlight=False)
    for name, value in report.outcome.trouble.notes.items():
        console.print(f"  {name}: {value}", highlight=False)
    for finding in report.findings:
        console.print(f"  FAILED: {finding}", highlight=False)
    return report


def _show(console: Console, reports: dict[str, Report], options: argparse.Namespace) -> None:
    table = Table(title=f"{options.workers} workers, {options.conversations} times {options.senders} senders")
    for column in ("scenario", *COUNTS, "seconds", "caught\nup, s", ""):
        table.add_column(column, justify="left" if column in ("scenario", "") else "right")
    for name, report in reports.items():
        outcome = report.outcome
        counts = [f"{getattr(outcome.verdict, count):,}" for count in COUNTS]
        times = f"{outcome.seconds:.1f}", f"{outcome.catching_up:.1f}"
        table.add_row(name, *counts, *times, "FAILED" if report.findings else "ok")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
