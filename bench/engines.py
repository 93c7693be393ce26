"""The engines of the backends group, and the settings with which a process has its sessions in one of them.

Rules:
    1. A process is set up once, for all engines of a run (``Places``); ``use`` changes from one to the next.
    2. PostgreSQL's sessions are in one database, whether commits wait for the disk or not; SQLite's are in a file of a
       temporary directory; Redis' are in the bench's own database. All is gone after a run.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from . import servers
from .site import configure

REDIS: Final = "Redis"
POSTGRESQL: Final = "PostgreSQL"
POSTGRESQL_OFF: Final = "PostgreSQL, synchronous_commit off"
SQLITE: Final = "SQLite"

_REDIS_BACKEND: Final = "phoenix_sessions.backends.redis.RedisBackend"
_DATABASE_BACKEND: Final = "phoenix_sessions.backends.database.DatabaseBackend"
_OPTIONS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    REDIS: (_REDIS_BACKEND, {"url": servers.REDIS, "prefix": f"{servers.PREFIX}:"}),
    POSTGRESQL: (_DATABASE_BACKEND, {"alias": "postgresql", "timeout": 20}),
    POSTGRESQL_OFF: (_DATABASE_BACKEND, {"alias": "postgresql", "timeout": 20, "synchronous_commit": "off"}),
    SQLITE: (_DATABASE_BACKEND, {"alias": "sqlite", "timeout": 20}),
}
_APPS: Final = ["phoenix_sessions", "phoenix_sessions.backends.database", "bench"]
_LIMITS: Final[dict[str, Any]] = {"RATE_LIMIT": None, "MAX_SESSIONS": 1_000_000, "BACKEND_PATIENCE": 20}

Places = dict[str, dict[str, Any]]
"""Django's DATABASES: "postgresql" if there is one, and "sqlite"."""


@contextlib.contextmanager
def places() -> Iterator[tuple[Places, dict[str, str]]]:
    """Make the databases, give them, and why an engine is missing; remove them, and what is left in Redis."""
    missing = {REDIS: servers.why_no_redis(), POSTGRESQL: servers.why_no_postgresql()}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        found: Places = {"sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder, "db.sqlite3"))}}
        if missing[POSTGRESQL] is None:
            found["postgresql"] = stack.enter_context(servers.database())
        if missing[REDIS] is None:
            stack.callback(servers.forget_keys)
        yield found, {name: why for name, why in missing.items() if why is not None}


def names(missing: dict[str, str]) -> list[str]:
    """Return the engines that there are."""
    return [name for name in _OPTIONS if name.partition(",")[0] not in missing]


def set_up(found: Places) -> None:
    """Set Django up, once in a process."""
    import logging

    logging.getLogger("phoenix_sessions").setLevel(logging.CRITICAL)  # an engine that goes is no news here
    default = {"default": found.get("postgresql") or found["sqlite"]}
    configure({"DATABASES": {**default, **found}, "INSTALLED_APPS": _APPS}, **_LIMITS)


def migrate(found: Places) -> None:
    """Make the tables."""
    from django.core.management import call_command
    from django.db import connections

    for alias in found:
        call_command("migrate", database=alias, verbosity=0)
        connections[alias].close()


def use(name: str) -> None:
    """Have sessions in this engine from now on."""
    from django.conf import settings
    from django.core.signals import setting_changed

    backend, options = _OPTIONS[name]
    settings.PHOENIX_SESSIONS = {**_LIMITS, "BACKEND": backend, "OPTIONS": options}
    setting_changed.send(sender=None, setting="PHOENIX_SESSIONS", value=settings.PHOENIX_SESSIONS, enter=True)
