"""A chat that is served for the bench: a real daphne on loopback, and the database beneath it.

Rules:
    1. PostgreSQL is as it is installed; only that its commits wait for the disk is asked for. Both chats have the same.
    2. The database is made for one run and dropped after it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from . import servers
from .served import Daphne

OURS = "bench.chat_site:application"
USUAL = "bench.chat_usual_site:application"
ENVIRON = "BENCH_CHAT"
"""The variable that has what a site is told, as JSON."""
STARTING = 60.0
"""How long (seconds) a server may take to begin."""

Database = dict[str, Any]


@contextlib.contextmanager
def database(engine: str) -> Iterator[Database]:
    """Make a database of ``"postgresql"`` or ``"sqlite"``, give Django's setting for it, and drop it."""
    if engine == "postgresql":
        with servers.database("phoenix_sessions_bench_chat") as made:
            yield {**made, "OPTIONS": {"options": "-c synchronous_commit=on"}}
        return
    with tempfile.TemporaryDirectory() as folder:
        init = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"
        name = f"{folder}/chat.sqlite3"
        yield {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {"init_command": init, "timeout": 20}}


def told(database: Database, key: str, **more: Any) -> dict[str, str]:
    """Return the environment of a site.

    Args:
        database: Django's setting.
        key: Of the tokens.
        **more: What else it is told.
    """
    return {ENVIRON: json.dumps({"database": database, "key": key, **more})}


@contextlib.contextmanager
def served(application: str, environ: dict[str, str]) -> Iterator[Daphne]:
    """Serve it, and end the server."""
    daphne = Daphne(application, **environ)
    try:
        until_it_listens(daphne.port)
        yield daphne
    finally:
        daphne.stop()


def until_it_listens(port: int) -> None:
    """Wait until the server answers; it holds the port from the beginning, so connecting proves nothing.

    Raises:
        TimeoutError: It does not.
    """
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=STARTING) as probe:
            probe.sendall(b"GET /chat/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            if b" 200 " in probe.recv(100):
                return
        time.sleep(0.1)
    raise TimeoutError(f"the server did not get ready within {STARTING:g} s")
