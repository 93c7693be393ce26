"""What the chat's workers stand on: a database and a Redis of their own, and the workers."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from faults.child import Child
from faults.engines import TESTS
from faults.redis_server import RedisServer

POSTGRESQL: Final = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}
KEY: Final = "the-key-of-the-faults-" + "x" * 40
"""Of the participants' tokens."""


class ChatWorker(Child):
    """A daphne that serves the chat."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder / f"{name}.log", environment)
        self.name = name

    def command(self) -> list[str]:
        options = ["-v", "0", "-b", "127.0.0.1", "-p", str(self.port.number)]
        return [sys.executable, "-m", "daphne", *options, "faults.chat.asgi:application"]


class Ground:
    """Workers, and what is beneath them.

    Attributes:
        database: The name of the database.
        redis: The Redis.
        workers: The workers; those of ``faults.troubles`` take it for a cluster.
        environment: What a process needs to be one of them.
    """

    def __init__(self, folder: Path, database: str, redis: RedisServer, count: int) -> None:
        self.database = database
        self.redis = redis
        given = {"database": _setting(database), "redis": redis.url, "key": KEY}
        python_path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
        self.environment = {"CHAT_FAULTS": json.dumps(given), "PYTHONPATH": python_path}
        self.workers = [ChatWorker(f"worker-{number}", folder, self.environment) for number in range(count)]

    @property
    def ports(self) -> list[int]:
        """Where the workers listen, also those that are dead."""
        return [worker.port.number for worker in self.workers]

    def prepare(self, conversations: Sequence[Sequence[str]], endpoint: str | None = None) -> list[str]:
        """Make conversations of these participants, and return their ids.

        Args:
            conversations: The participants of each.
            endpoint: The URL of all agents.
        """
        given = json.dumps({"conversations": conversations, "endpoint": endpoint})
        command, environment = [sys.executable, "-m", "faults.chat.site"], {**os.environ, **self.environment}
        made = subprocess.run(
            command, env=environment, input=given, stdout=subprocess.PIPE, text=True, check=True, timeout=120
        )
        ids: list[str] = json.loads(made.stdout)
        return ids

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return what a statement finds in the database."""
        with psycopg.connect(dbname=self.database, **POSTGRESQL) as connection:
            return connection.execute(statement, values).fetchall()

    def mend(self) -> None:
        """Start the workers that do not run, and wait until all serve."""
        for worker in self.workers:
            if worker.pid is None:
                worker.start()
        for worker in self.workers:
            worker.wait_ready()


@contextmanager
def ground(folder: Path, count: int = 3) -> Iterator[Ground]:
    """Make the database, and start Redis and the workers; leave nothing behind."""
    with ExitStack() as stack:
        name = f"phoenix_chat_faults_{os.getpid()}_{secrets.token_hex(3)}"
        postgres = stack.enter_context(psycopg.connect(dbname="postgres", autocommit=True, **POSTGRESQL))
        postgres.execute(f"CREATE DATABASE {name}")
        stack.callback(postgres.execute, f"DROP DATABASE {name} WITH (FORCE)")
        server = RedisServer(folder, fsync=None)
        stack.callback(server.end)
        server.start()
        server.wait_ready()
        made = Ground(folder, name, server, count)
        for worker in made.workers:
            stack.callback(worker.end)
        made.prepare([])
        made.mend()
        yield made


def _setting(database: str) -> dict[str, Any]:
    where = {name.upper(): value for name, value in POSTGRESQL.items()}
    return {"ENGINE": "django.db.backends.postgresql", "NAME": database, "CONN_MAX_AGE": None, **where}
