"""What management commands tell about the sessions in a shared backend, which needs no running server.

Rules:
    1. What the engine does not say is not known: an error, or None; never a zero.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from phoenix_sessions import sessions
from phoenix_sessions.backends.base import Backend
from phoenix_sessions.core.errors import BackendError, InvalidSnapshot
from phoenix_sessions.shared.birth import decode_birth

UNREADABLE = "(unreadable)"


@dataclass(frozen=True)
class Stored:
    """A session in the engine.

    Attributes:
        id: Its id.
        process: The dotted path of its process class.
        started: When it was started (seconds since 1970), None = that cannot be read.
    """

    id: str
    process: str
    started: float | None


def shared_backend() -> Backend | None:
    """Return the backend of the settings if it is a shared one.

    Raises:
        CommandError: The settings are wrong.
    """
    try:
        backend = sessions.backend
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    return backend if backend.shared else None


def page(backend: Backend, cursor: str | None, count: int) -> tuple[list[Stored], str | None]:
    """Return some sessions, and where to go on; None = that were all.

    Raises:
        CommandError: The engine cannot be asked.
    """
    try:
        found = backend.scan(cursor, count)
    except BackendError as error:
        raise CommandError(str(error)) from error
    except (ValueError, IndexError) as error:
        raise CommandError(f"{cursor!r} is no cursor of this backend: {error}") from error
    return [_stored(id, birth) for id, birth in found.sessions], found.cursor


def count_by_process(backend: Backend, page_size: int = 1000) -> dict[str, int]:
    """Count all sessions, by the dotted path of their process class; goes through them page after page.

    Raises:
        CommandError: The engine cannot be asked.
    """
    processes: dict[str, str] = {}  # by id: one may come twice
    cursor: str | None = None
    while True:
        found, cursor = page(backend, cursor, page_size)
        processes |= {each.id: each.process for each in found}
        if cursor is None:
            return dict(Counter(processes.values()))


def count(backend: Backend, *, by_process: bool) -> dict[str, Any]:
    """Return how many sessions there are, as ``stored`` and, if wanted, ``stored_by_process``.

    Raises:
        CommandError: The engine cannot be asked.
    """
    if by_process:
        counted = count_by_process(backend)
        return {"stored": sum(counted.values()), "stored_by_process": counted}
    try:
        return {"stored": backend.count(), "stored_by_process": None}
    except BackendError as error:
        raise CommandError(
            f"{error} (with very many sessions, --by-process takes its time to count them page after page)"
        ) from error


def _stored(id: str, data: bytes) -> Stored:
    with contextlib.suppress(InvalidSnapshot):
        birth = decode_birth(data)
        return Stored(id, birth.process, birth.started)
    return Stored(id, UNREADABLE, None)
