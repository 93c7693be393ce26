"""``manage.py chat_retention``: removes messages, and tries of deliveries, that are older than so many days.

Rules:
    1. It goes in batches, each a short transaction, while the site runs; it may be stopped at any time and run again.
    2. ``--dry-run`` says what would be done, and does nothing.
    3. What a reader sees then, ``storage.retention`` says.
"""

from __future__ import annotations

import datetime
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from ...errors import ChatError
from ...storage.connection import now
from ...storage.retention import Removed, remove_deliveries, remove_messages

BATCH: Final = 500


class Command(BaseCommand):
    """Remove, batch after batch, until nothing old is left."""

    help = (
        "Removes chat messages and logged deliveries that are older than --days; run it regularly, for instance once "
        "a day. The last message of each conversation keeps its place, as a deleted one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare --days, --only, --batch and --dry-run."""
        parser.add_argument("--days", type=_positive, required=True, help="what is older than so many days goes")
        parser.add_argument("--only", choices=["messages", "deliveries"], help="leave the other as it is")
        parser.add_argument(
            "--batch", type=_positive, default=BATCH, metavar="COUNT", help=f"removed at once (default {BATCH})"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove, and print how many there were."""
        try:
            before = now() - datetime.timedelta(days=options["days"])
        except OverflowError as error:
            raise CommandError(f"--days {options['days']} is before the beginning of the calendar") from error
        said = "Would remove" if options["dry_run"] else "Removed"
        if options["only"] != "deliveries":
            count, emptied = _all(remove_messages, before, options)
            self.stdout.write(f"{said} {count} messages, and the content of {emptied} more that were the last.")
        if options["only"] != "messages":
            count, _ = _all(remove_deliveries, before, options)
            self.stdout.write(f"{said} {count} logged deliveries.")


def _all(remove: Callable[..., Removed], before: datetime.datetime, options: dict[str, Any]) -> tuple[int, int]:
    count = emptied = 0
    cursor: str | None = ""
    try:
        while cursor is not None:
            done = remove(before, cursor=cursor, limit=options["batch"], dry_run=options["dry_run"])
            count, emptied, cursor = count + done.removed, emptied + done.emptied, done.cursor
    except ChatError as error:
        raise CommandError(f"{count} were done, and then: {error.message}") from error
    return count, emptied


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError
    return value
