"""``manage.py list_sessions``: the sessions in a shared backend, page after page.

Rules:
    1. A page at a time, as there may be millions; the last line says how to get the next one.
"""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from django.core.management.base import BaseCommand, CommandError

from phoenix_sessions.management.stored import Stored, page, shared_backend

COUNT: Final = 100


class Command(BaseCommand):
    """Print a page of sessions."""

    help = (
        "Lists sessions in the shared backend: id, process class, and when it was started. It needs no running server. "
        "Sessions in the memory of servers cannot be listed from here; see session_stats."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare --count, --cursor and --json."""
        parser.add_argument(
            "--count", type=_positive, default=COUNT, metavar="N", help=f"sessions of a page, about (default {COUNT})"
        )
        parser.add_argument("--cursor", metavar="CURSOR", help="where to go on, as the page before says")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the page, and where to go on."""
        backend = shared_backend()
        if backend is None:
            raise CommandError("There is no shared backend: sessions are in the memory of servers; try session_stats.")
        found, cursor = page(backend, options["cursor"], options["count"])
        if options["json"]:
            told = {"sessions": [asdict(each) for each in found], "cursor": cursor}
            self.stdout.write(msgspec.json.encode(told).decode())
            return
        for each in found:
            self.stdout.write(_line(each))
        if cursor is not None:
            self.stderr.write(f"There may be more: --cursor {cursor!r}")


def _line(stored: Stored) -> str:
    started = stored.started
    when = "-" if started is None else datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds")
    return f"{stored.id}  {stored.process}  {when}"


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError
    return value
