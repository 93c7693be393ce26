"""The backend on the site's database, on SQLite: the contract, and what a file that others have open does to us."""

import contextlib
import gc
import sqlite3
import time

import pytest
from backends.database_places import watching
from django.db import connections

from phoenix_sessions.backends.base import Point
from phoenix_sessions.backends.conformance import RECORD, BackendConformance, step
from phoenix_sessions.backends.database import DatabaseBackend
from phoenix_sessions.core.errors import BackendError, BackendUnavailable


@pytest.fixture
def alias(sqlite):
    return sqlite


class TestSQLite(BackendConformance):
    @pytest.fixture
    def backend(self, make):
        return make()

    @pytest.fixture
    def other(self, make):
        return make()

    @pytest.fixture
    def unclocked(self, make):
        return make(clock=None)

    @pytest.fixture
    def dead(self, make, tmp_path):
        nowhere = tmp_path / "nowhere" / "sessions.sqlite3"
        connections.settings["nowhere"] = {**connections.settings["default"], "NAME": str(nowhere)}
        yield make(alias="nowhere", timeout=0.2)
        del connections.settings["nowhere"]


def test_a_file_that_is_locked_for_too_long_is_unavailable(file, make):
    backend = make(timeout=0.3)
    backend.create("visitor", RECORD, None)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(BackendUnavailable, match="locked") as caught:
        backend.commit("visitor", step(1))
    assert not caught.value.maybe
    assert backend.load("visitor") == RECORD  # readers wait for nobody
    holder.execute("ROLLBACK")
    holder.close()
    backend.commit("visitor", step(1))


def test_a_file_that_cannot_change_to_wal_yet_is_waited_for(file, make):
    backend = make(timeout=0.3)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM phoenix_sessions_session").fetchall()
        began = time.monotonic()
        with pytest.raises(BackendUnavailable, match="locked") as caught:
            backend.count()
        assert not caught.value.maybe
        assert 0.25 < time.monotonic() - began < 1
        del caught  # with its traceback; a connection that was left open would say so
        gc.collect()
    assert backend.count() == 0


def test_writers_of_one_process_wait_for_each_other_but_not_for_too_long(make):
    backend = make(timeout=0.1)
    with backend._connections._writing:
        with pytest.raises(BackendUnavailable, match="other threads of this process write"):
            backend.create("visitor", RECORD, None)
        assert backend.count() == 0
    backend.create("visitor", RECORD, None)


@pytest.mark.django_db(transaction=True)
def test_the_test_database_in_memory_will_do(clock):
    backend = DatabaseBackend({}, clock=clock)
    backend.create("visitor", RECORD, 60)
    backend.commit("visitor", step(1, ttl=60))
    assert backend.load("visitor").at == Point(7, 1)
    clock.advance(60)
    assert backend.sweep() == 1
    backend.close()


def test_a_row_that_makes_no_sense_is_an_error(alias, backend):
    backend.create("visitor", RECORD, None)
    with connections[alias].cursor() as cursor:
        cursor.execute("UPDATE phoenix_sessions_session SET state = 'text'")
    with pytest.raises(BackendError, match="makes no sense"):
        backend.load("visitor")


def test_sqlite_says_what_it_can_do(backend):
    assert (backend.shared, backend.durable, backend.native_async, backend.carries_notices) == (
        True,
        True,
        False,
        False,
    )


async def test_a_watch_that_asks_is_lost_with_the_database_and_watches_again(file, backend):
    async with watching(backend, "visitor") as told:
        events = [await told.next()]
        for now, then in (("session", "away"), ("away", "session")):
            with contextlib.closing(sqlite3.connect(file)) as database:
                database.execute(f"ALTER TABLE phoenix_sessions_{now} RENAME TO phoenix_sessions_{then}")
            events.append(await told.next())
    assert events == [("watching", "visitor"), ("lost",), ("watching", "visitor")]
