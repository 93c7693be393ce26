"""The engines that the parity suite runs on, each with a place of its own that is gone afterwards."""

import contextlib
import os
import secrets
import uuid
from importlib.util import find_spec

from conftest import require
from django.core.management import call_command
from django.db import connections

PATIENT = 30.0
"""How long (seconds) a verb may take: on the clock of these tests all patience passes at once, so nobody asks again."""

DATABASE = "phoenix_sessions.backends.database.DatabaseBackend"


@contextlib.contextmanager
def redis_place():
    """Yield the settings of sessions in the machine's own Redis."""
    require(find_spec("redis"), "redis-py is not installed")
    import redis

    with redis.Redis() as client:
        try:
            client.ping()
        except redis.ConnectionError:
            require(False, "no Redis answers at 127.0.0.1:6379")
        prefix = f"test-{uuid.uuid4().hex}:"
        yield {
            "BACKEND": "phoenix_sessions.backends.redis.RedisBackend",
            "OPTIONS": {"prefix": prefix, "timeout": PATIENT},
        }
        if keys := list(client.scan_iter(f"{prefix}*")):
            client.delete(*keys)


def empty_tables(alias):
    """Forget all sessions of a database."""
    with connections[alias].cursor() as cursor:
        for table in ("session", "log", "lease"):
            cursor.execute(f"DELETE FROM phoenix_sessions_{table}")


@contextlib.contextmanager
def tables(alias, **settings):
    """Yield the settings of sessions in a database of our own, which has the tables."""
    connections.settings[alias] = {**connections.settings["default"], **settings}
    call_command("migrate", "phoenix_sessions_database", database=alias, verbosity=0)
    try:
        yield {"BACKEND": DATABASE, "OPTIONS": {"alias": alias, "poll_interval": 0.02, "timeout": PATIENT}}
    finally:
        connections[alias].close()
        del connections[alias], connections.settings[alias]


@contextlib.contextmanager
def postgresql_server():
    """Yield the settings of a database of our own at the machine's PostgreSQL."""
    require(find_spec("psycopg"), "psycopg is not installed")
    import psycopg

    name = f"phoenix_sessions_parity_{os.getpid()}_{secrets.token_hex(4)}"
    server = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}
    try:
        postgres = psycopg.connect(**server, dbname="postgres", autocommit=True, connect_timeout=2)
    except psycopg.OperationalError as error:
        require(False, f"PostgreSQL does not answer on 127.0.0.1:5432 as postgres: {error}")
    postgres.execute(f"CREATE DATABASE {name}")
    try:
        yield {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "HOST": server["host"],
            "PORT": str(server["port"]),
            "USER": server["user"],
            "OPTIONS": {"options": "-c synchronous_commit=off"},
        }
    finally:
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
        postgres.close()
