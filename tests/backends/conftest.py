"""Databases for the tests of the database backend; a module says which one is its ``alias``."""

import shutil

import pytest
from backends import database_places
from django.db import connections

from phoenix_sessions.backends.database import DatabaseBackend


@pytest.fixture(scope="module")
def empty_file(tmp_path_factory, django_db_blocker):
    """A file with the tables, and nothing in them."""
    path = tmp_path_factory.mktemp("database") / "empty.sqlite3"
    with django_db_blocker.unblock(), database_places.tables("empty", NAME=path):
        pass
    return path


@pytest.fixture
def file(empty_file, tmp_path):
    return shutil.copy(empty_file, tmp_path / "sessions.sqlite3")


@pytest.fixture
def sqlite(file, django_db_blocker):
    """The alias of a file of the test's own, which trusts the machine to write it to the disk."""
    options = {"init_command": "PRAGMA synchronous=OFF"}
    connections.settings["sqlite"] = {**connections.settings["default"], "NAME": str(file), "OPTIONS": options}
    with django_db_blocker.unblock():
        yield "sqlite"
        if hasattr(connections._connections, "sqlite"):
            connections["sqlite"].close()
            del connections["sqlite"]
    del connections.settings["sqlite"]


@pytest.fixture(scope="module")
def postgresql_database(django_db_blocker):
    """The alias of a database of PostgreSQL, with the tables."""
    pytest.importorskip("psycopg")
    with (
        database_places.database_of_postgresql() as settings,
        django_db_blocker.unblock(),
        database_places.tables("postgresql", **settings) as alias,
    ):
        yield alias


@pytest.fixture
def postgresql(postgresql_database, monkeypatch):
    """The alias, with empty tables."""
    monkeypatch.setitem(connections.settings, postgresql_database, dict(connections.settings[postgresql_database]))
    with connections[postgresql_database].cursor() as cursor:
        cursor.execute(";".join(f"DELETE FROM phoenix_sessions_{table}" for table in ("session", "log", "lease")))
    return postgresql_database


@pytest.fixture
def make(alias, clock):
    """Makes a backend of the options, and closes it."""
    made = []

    def make(clock=clock, **options):
        made.append(DatabaseBackend({"alias": alias, "poll_interval": 0.02, **options}, clock=clock))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def backend(make):
    return make()
