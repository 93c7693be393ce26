"""What the sessions of a cluster live in, as the site's environment says it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .redis_server import RedisServer

Environment = Mapping[str, str]

TESTS: Final = Path(__file__).resolve().parent.parent
SITE: Final = {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")])),
    "DJANGO_SETTINGS_MODULE": "faults.site.settings",
}

REDIS = "phoenix_sessions.backends.redis.RedisBackend"
DATABASE = "phoenix_sessions.backends.database.DatabaseBackend"


def in_memory(**more: Any) -> Environment:
    """Each worker has sessions of its own."""
    return _environment(more)


def in_redis(server: RedisServer, timeout: float = 3.0, **more: Any) -> Environment:
    """All workers share what this Redis holds.

    Args:
        server: The Redis.
        timeout: How long a worker waits for it (seconds).
        more: Other settings of PHOENIX_SESSIONS.
    """
    options = {"url": server.url, "prefix": "faults", "timeout": timeout}
    return _environment({"BACKEND": REDIS, "OPTIONS": options, **more})


def in_sqlite(path: Path, timeout: float = 3.0, **more: Any) -> Environment:
    """All workers share a file."""
    return _in_database({"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}, timeout, more)


def in_postgresql(database: Mapping[str, Any], timeout: float = 3.0, **more: Any) -> Environment:
    """All workers share this database, which is given as in Django's DATABASES."""
    return _in_database(database, timeout, more)


def _in_database(database: Mapping[str, Any], timeout: float, more: Mapping[str, Any]) -> Environment:
    """Make the tables, and return the site's environment."""
    sessions = {"BACKEND": DATABASE, "OPTIONS": {"timeout": timeout}, **more}
    environment = {**_environment(sessions), "FAULTS_DATABASES": json.dumps({"default": dict(database)})}
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(command, env={**os.environ, **SITE, **environment}, check=True)
    return environment


def _environment(sessions: Mapping[str, Any]) -> Environment:
    return {**SITE, "FAULTS_SESSIONS": json.dumps(sessions)}
