"""What the tests of the database backend stand on: databases of their own, and a watcher."""

import asyncio
import contextlib
import os

from conftest import require
from django.core.management import call_command
from django.db import connections

POSTGRESQL = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}


@contextlib.contextmanager
def tables(alias, **settings):
    """Yield the alias of a database that has the tables."""
    connections.settings[alias] = {**connections.settings["default"], **settings}
    try:
        call_command("migrate", "phoenix_sessions_database", database=alias, verbosity=0)
        yield alias
    finally:
        connections[alias].close()
        del connections[alias], connections.settings[alias]


@contextlib.contextmanager
def database_of_postgresql():
    """Yield the settings of a database of our own at the machine's PostgreSQL."""
    import psycopg

    name = f"phoenix_sessions_backend_{os.getpid()}"
    try:
        server = psycopg.connect(**POSTGRESQL, dbname="postgres", autocommit=True, connect_timeout=2)
    except psycopg.OperationalError as error:
        require(False, f"PostgreSQL does not answer on 127.0.0.1:5432 as postgres: {error}")
    with server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield postgresql_settings(name, POSTGRESQL["port"])
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def postgresql_settings(name, port):
    """Return what DATABASES says about a database of PostgreSQL, which does not wait for its disk."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "HOST": POSTGRESQL["host"],
        "PORT": str(port),
        "USER": POSTGRESQL["user"],
        "OPTIONS": {"options": "-c synchronous_commit=off"},
    }


class Told:
    """A watcher that waits for what it is told."""

    def __init__(self):
        self.events = asyncio.Queue()

    def watching(self, id):
        self.events.put_nowait(("watching", id))

    def noticed(self, id, notice):
        self.events.put_nowait(("noticed", id, notice))

    def lost(self):
        self.events.put_nowait(("lost",))

    async def next(self):
        return await asyncio.wait_for(self.events.get(), 10)


@contextlib.asynccontextmanager
async def watching(backend, *ids):
    """Yield what a watcher is told of sessions, while the watch runs."""
    told = Told()
    watch = backend.watch(told)
    for id in ids:
        watch.add(id)
    running = asyncio.ensure_future(watch.run())
    try:
        yield told
    finally:
        running.cancel()
        await asyncio.wait([running])
