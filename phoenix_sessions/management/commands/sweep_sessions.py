"""``manage.py sweep_sessions``: removes sessions that are over their time from where the site keeps them.

Rules:
    1. An expired session is refused whether it was swept away or not: sweeping saves room, and nothing depends on it.
    2. It goes in batches, each of which is over soon, so that running servers do not wait for long.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from phoenix_sessions import sessions
from phoenix_sessions.backends.base import Backend
from phoenix_sessions.core.errors import BackendError

BATCH: Final = 1000


class Command(BaseCommand):
    """Sweep, batch after batch, until nothing is left to remove."""

    help = (
        "Removes sessions that are over their time, as clearsessions does for Django's own; run it regularly, for "
        "instance once a day. A backend that removes them by itself has nothing to sweep, and the command says so."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare --batch."""
        parser.add_argument(
            "--batch",
            type=_positive,
            default=BATCH,
            metavar="COUNT",
            help=f"sessions removed at once (default {BATCH})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, and print how many sessions were removed."""
        backend = _backend()
        name = type(backend).__name__
        if not backend.shared:
            self.stdout.write(f"Nothing to sweep: with {name}, sessions are in the server's memory, and end there.")
        elif type(backend).sweep is Backend.sweep:
            self.stdout.write(f"Nothing to sweep: the engine of {name} removes expired sessions by itself.")
        else:
            self.stdout.write(f"Removed {_sweep(backend, options['batch'])} expired sessions.")


def _backend() -> Backend:
    try:
        backend: Backend = sessions.backend
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    return backend


def _sweep(backend: Backend, batch: int) -> int:
    removed, last = 0, batch
    try:
        while last >= batch:
            last = backend.sweep(batch)
            removed += last
    except BackendError as error:
        raise CommandError(f"{removed} expired sessions were removed, and then: {error}") from error
    return removed


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError
    return value
