"""``python -m bench.faults``: what is lost, doubled or late when workers die, the engine goes away, or a site changes.

Real workers (daphne) behind a balancer, on loopback, with an engine of their own; clients send numbered increments,
and in the end each session is asked which of them it has seen. The machinery is that of ``tests/faults``, whose tests
are short versions of the same.

Rules:
    1. The exit code is 1 if something that was acknowledged is lost or was applied twice, or a scenario did not keep
       to what it promises; then the folder with the logs of the servers is kept, and named.
    2. Every server is ended, whatever happens.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from .servers import POSTGRESQL

if TYPE_CHECKING:
    from faults.scenarios import Report, Size

TESTS = Path(__file__).resolve().parent.parent / "tests"
DATABASE = "phoenix_sessions_faults"
BACKENDS = ("redis", "postgresql", "sqlite", "memory")
COLUMNS = (
    "scenario",
    "sent",
    "acknow-\nledged",
    "applied",
    "unknown,\napplied",
    "unknown,\nnot applied",
    "doubled",
    "lost",
    "longest\nanswer, s",
    "recovery,\ns",
    "per\nsecond",
    "",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the scenarios and show what came of them; returns the exit code."""
    sys.path.insert(0, str(TESTS))
    from faults import scenarios

    options = _parse(arguments, list(scenarios.ALL), scenarios.ONLY_REDIS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    console = Console(width=150)
    reports: dict[str, Report] = {}
    with _database(options.backend) as database:
        size = _size(options, database)
        for name in options.scenario:
            console.print(f"{name}: {scenarios.ALL[name].__doc__}", highlight=False)
            reports[name] = _run(console, scenarios.ALL[name], size)
    _show(console, reports, f"{options.backend}, {options.workers} workers, seed {options.seed}")
    return int(any(report.failed for report in reports.values()))


def _parse(arguments: list[str] | None, names: list[str], only_redis: set[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=(__doc__ or "").partition(":")[2])
    parser.add_argument("--scenario", action="append", choices=names, help="again for several (default: all)")
    parser.add_argument("--backend", choices=BACKENDS, default="redis", help="memory: the control, loses all")
    parser.add_argument("--increments", type=int, default=100_000, help="in each scenario (default: 100,000)")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--every", type=float, default=4, help="seconds between two faults (default: 4)")
    parser.add_argument("--pause", type=float, default=15, help="seconds that something stands still (default: 15)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    possible = [name for name in names if options.backend == "redis" or name not in only_redis]
    options.scenario = options.scenario or possible
    if impossible := [name for name in options.scenario if name not in possible]:
        parser.error(f"only on redis: {', '.join(impossible)}")
    return options


def _size(options: argparse.Namespace, database: dict[str, Any]) -> Size:
    from faults.load import Load
    from faults.scenarios import Size

    load = Load(
        increments=options.increments,
        sessions=options.sessions,
        writers=options.writers,
        watchers=min(20, options.sessions),
        seed=options.seed,
    )
    return Size(load, options.workers, options.every, options.pause, engine=options.backend, database=database)


def _run(console: Console, scenario: Any, size: Size) -> Report:
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    kept = True
    try:
        report: Report = scenario(folder, size)
        kept = report.failed
    finally:
        if kept:
            console.print(f"  the logs are in {folder}", highlight=False)
        else:
            shutil.rmtree(folder)
    for kind, count in report.outcome.verdict.errors.most_common():
        console.print(f"  error, {count} times: {kind}", highlight=False)
    for name, value in report.outcome.trouble.notes.items():
        console.print(f"  {name}: {value}", highlight=False)
    for finding in report.findings:
        console.print(f"  FAILED: {finding}", highlight=False)
    return report


def _show(console: Console, reports: dict[str, Report], title: str) -> None:
    table = Table(title=title)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("scenario", "") else "right")
    for name, report in reports.items():
        verdict, outcome = report.outcome.verdict, report.outcome
        counts = (
            verdict.sent,
            verdict.acknowledged,
            verdict.applied,
            verdict.unknown_applied,
            verdict.unknown_not_applied,
            verdict.doubled,
            len(verdict.lost),
        )
        table.add_row(
            name,
            *(f"{count:,}" for count in counts),
            f"{verdict.longest:.2f}",
            "" if outcome.recovery is None else f"{outcome.recovery:.2f}",
            f"{verdict.acknowledged / outcome.seconds:,.0f}",
            "FAILED" if report.failed else "ok",
        )
    console.print(table)


@contextlib.contextmanager
def _database(backend: str) -> Iterator[dict[str, Any]]:
    """Make a database in PostgreSQL, give Django's setting for it, and drop it."""
    if backend != "postgresql":
        yield {}
        return
    import psycopg

    with psycopg.connect(dbname="postgres", autocommit=True, **POSTGRESQL) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
        try:
            where = {name.upper(): value for name, value in POSTGRESQL.items()}
            yield {"ENGINE": "django.db.backends.postgresql", "NAME": DATABASE, **where}
        finally:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


if __name__ == "__main__":
    sys.exit(main())
