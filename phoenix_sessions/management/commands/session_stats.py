"""``manage.py session_stats``: what the sessions of the running server do and hold.

Rules:
    1. Sessions live in the memory of the server's processes, so they are asked; without an answer there are no figures.
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
        "which are asked over a private Unix socket; when none answers, the command says so and exits with 1."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare --json and --watch."""
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
        parser.add_argument(
            "--watch", type=_positive, metavar="SECONDS", help="print again every SECONDS until interrupted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the figures, once or again and again."""
        with contextlib.suppress(KeyboardInterrupt):
            self._print(options["json"])
            while options["watch"]:
                time.sleep(options["watch"])
                self._print(options["json"])

    def _print(self, as_json: bool) -> None:
        answers = ask_all()
        if not answers:
            raise CommandError(NOBODY)
        total = add_up(answers)
        self.stdout.write(msgspec.json.encode(total).decode() if as_json else table(total))


def add_up(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums over all processes, and each one's answer under ``processes``."""
    total: dict[str, Any] = {name: sum(answer[name] for answer in answers) for name in SUMS}
    total["memory_average"] = round(total["memory"] / total["sessions"]) if total["sessions"] else 0
    total["uptime"] = max(answer["uptime"] for answer in answers)
    by_process: Counter[str] = Counter()
    for answer in answers:
        by_process.update(answer["by_process"])
    return {**total, "by_process": dict(by_process), "processes": answers}


def table(total: dict[str, Any]) -> str:
    """Return the sums as lines for people."""
    pids = ", ".join(str(answer["pid"]) for answer in total["processes"])
    rows = [
        ("server processes", f"{len(total['processes'])} (pid {pids})"),
        ("uptime", f"{total['uptime']:.0f} s"),
        ("sessions", f"{total['sessions']} of at most {total['max_sessions']}"),
        *((f"  {path}", str(count)) for path, count in sorted(total["by_process"].items())),
        ("subscribers", str(total["subscribers"])),
        ("dispatches", f"{total['dispatches']} ({total['dispatch_rate']:.1f}/s)"),
        ("messages waiting", str(total["mailbox_depth"])),
        ("memory", f"{total['memory'] / 1024:.1f} KiB ({total['memory_average']} bytes a session)"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value
