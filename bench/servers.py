"""The servers beneath other people's sessions, if they run on this machine.

Redis: database 9, where the keys of a run are deleted after it.
PostgreSQL: a database of its own, made for one run and dropped after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOOPBACK = "127.0.0.1"
REDIS_PORT = 6379
POSTGRESQL_PORT = 5432
REDIS = f"redis://{LOOPBACK}:{REDIS_PORT}/9"
PREFIX = "phoenix-sessions-bench"
"""What the names of all keys in Redis begin with."""
POSTGRESQL: dict[str, Any] = {"host": LOOPBACK, "port": POSTGRESQL_PORT, "user": "postgres"}
DATABASE = "phoenix_sessions_bench"


def why_no_redis() -> str | None:
    """Return why Redis cannot be used, or None if it can."""
    try:
        import redis
    except ImportError:
        return "the package redis is not installed"
    try:
        redis.Redis.from_url(REDIS).ping()
    except redis.RedisError as error:
        return f"no Redis at {LOOPBACK}:{REDIS_PORT} ({type(error).__name__})"
    return None


def forget_keys() -> None:
    """Delete what the bench has left in Redis."""
    import redis

    client = redis.Redis.from_url(REDIS)
    for key in client.scan_iter(f"{PREFIX}*"):
        client.delete(key)


def why_no_postgresql() -> str | None:
    """Return why PostgreSQL cannot be used, or None if it can."""
    try:
        import psycopg
    except ImportError:
        return "the package psycopg is not installed"
    try:
        psycopg.connect(dbname="postgres", connect_timeout=2, **POSTGRESQL).close()
    except psycopg.Error as error:
        return f"no PostgreSQL at {LOOPBACK}:{POSTGRESQL_PORT} for the user postgres ({type(error).__name__})"
    return None


@contextmanager
def database(name: str = DATABASE) -> Iterator[dict[str, Any]]:
    """Make a database in PostgreSQL, give Django's setting for it, and drop it; its connections are kept open.

    What a run that was killed has left is dropped first.

    Raises:
        RuntimeError: Another run has it.
    """
    import psycopg

    with psycopg.connect(dbname="postgres", autocommit=True, **POSTGRESQL) as connection:
        taken = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [name]).fetchone()
        if taken != (True,):
            raise RuntimeError(f"another run of the bench has the database {name}: wait for it")
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": name,
                "HOST": POSTGRESQL["host"],
                "PORT": POSTGRESQL["port"],
                "USER": POSTGRESQL["user"],
                "CONN_MAX_AGE": None,
            }
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
