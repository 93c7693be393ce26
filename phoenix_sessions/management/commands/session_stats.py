"""``manage.py session_stats``: what the sessions of the running server do and hold.

Rules:
    1. Sessions live in the memory of the server's processes, so they are asked; without an answer there are no figures.
    2. A shared backend has the sessions whether a server runs or not, so it is asked for their number besides. What
       then nobody says is None, never a zero.
"""

from __future__ import annotations

import contextlib
import math
import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any, Final

import msgspec
from django.core.management.base import BaseCommand, CommandError

from phoenix_sessions.inspection import ask_all
from phoenix_sessions.management.stored import count, shared_backend

SUMS: Final = ("sessions", "subscribers", "dispatches", "dispatch_rate", "mailbox_depth", "memory", "max_sessions")

NOBODY: Final = (
    "No running server answered. Sessions live in the memory of the server's processes, so this command asks them: "
    "start the server as the same user and with the same settings. "
    "A process answers once it has started its first session that can expire."
)


class Command(BaseCommand):
    """Ask the running server processes and add up what they say."""

    help = (
        "Shows how many sessions run and what they do. The sessions are in the memory of the running server processes, "
        "which are asked over a private Unix socket; when none answers, the command says so and exits with 1. With a "
        "shared backend, which is asked how many sessions it has, it needs no running server."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare --json, --by-process and --watch."""
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
        parser.add_argument(
            "--by-process",
            action="store_true",
            help="count the sessions in the shared backend by process class, which goes through all of them",
        )
        parser.add_argument(
            "--watch", type=_positive, metavar="SECONDS", help="print again every SECONDS until interrupted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the figures, once or again and again."""
        with contextlib.suppress(KeyboardInterrupt):
            self._print(options["json"], options["by_process"])
            while options["watch"]:
                time.sleep(options["watch"])
                self._print(options["json"], options["by_process"])

    def _print(self, as_json: bool, by_process: bool) -> None:
        answers = ask_all()
        stored = self._stored(by_process, alone=not answers)
        if not answers and stored is None:
            raise CommandError(NOBODY)
        total = add_up(answers, stored)
        self.stdout.write(msgspec.json.encode(total).decode() if as_json else table(total))

    def _stored(self, by_process: bool, *, alone: bool) -> dict[str, Any] | None:
        """Return what the shared backend has, or None if there is none, or beside other figures, if it does not say."""
        backend = shared_backend()
        if backend is None:
            return None
        try:
            return count(backend, by_process=by_process)
        except CommandError as error:
            if alone:
                raise
            self.stderr.write(str(error))
            return None


def add_up(answers: list[dict[str, Any]], stored: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the sums over all processes, and each one's answer under ``processes``.

    Args:
        answers: What the processes say; if none does, their figures are None.
        stored: What the shared backend says.
    """
    total: dict[str, Any] = {name: sum(answer[name] for answer in answers) if answers else None for name in SUMS}
    total["memory_average"] = round(total["memory"] / total["sessions"]) if total["sessions"] else total["sessions"]
    total["uptime"] = max((answer["uptime"] for answer in answers), default=None)
    by_process: Counter[str] = Counter()
    for answer in answers:
        by_process.update(answer["by_process"])
    total["by_process"] = dict(by_process) if answers else None
    return {**total, "stored": None, "stored_by_process": None, **(stored or {}), "processes": answers}


def table(total: dict[str, Any]) -> str:
    """Return the sums as lines for people."""
    rows = [*(_served(total) if total["processes"] else [("server processes", "none answers")]), *_kept(total)]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _served(total: dict[str, Any]) -> list[tuple[str, str]]:
    pids = ", ".join(str(answer["pid"]) for answer in total["processes"])
    return [
        ("server processes", f"{len(total['processes'])} (pid {pids})"),
        ("uptime", f"{total['uptime']:.0f} s"),
        ("sessions", f"{total['sessions']} of at most {total['max_sessions']}"),
        *_counts(total["by_process"]),
        ("subscribers", str(total["subscribers"])),
        ("dispatches", f"{total['dispatches']} ({total['dispatch_rate']:.1f}/s)"),
        ("messages waiting", str(total["mailbox_depth"])),
        ("memory", f"{total['memory'] / 1024:.1f} KiB ({total['memory_average']} bytes a session)"),
    ]


def _kept(total: dict[str, Any]) -> list[tuple[str, str]]:
    if total["stored"] is None:
        return []
    return [("in the engine", f"{total['stored']} sessions"), *_counts(total["stored_by_process"] or {})]


def _counts(by_process: dict[str, int]) -> list[tuple[str, str]]:
    return [(f"  {path}", str(number)) for path, number in sorted(by_process.items())]


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value
