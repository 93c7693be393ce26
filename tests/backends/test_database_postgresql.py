"""The backend on the site's database, on PostgreSQL: the contract, the ways of a commit, and who waits for whom."""

import contextlib
import itertools
import threading
import time

import pytest
from backends.database_places import POSTGRESQL
from backends.tcp_line import TcpLine
from django.db import connections, transaction

from phoenix_sessions.backends.base import Point
from phoenix_sessions.backends.conformance import (
    RECORD,
    BackendConformance,
    Verbs,
    entries,
    outcome,
    random_walk,
    step,
)
from phoenix_sessions.backends.database import DatabaseBackend
from phoenix_sessions.backends.memory import MemoryBackend
from phoenix_sessions.core.errors import BackendError, BackendUnavailable, Conflict
from phoenix_sessions.testing import FakeClock


@pytest.fixture
def alias(postgresql):
    return postgresql


@pytest.fixture(scope="module")
def standing(postgresql_database):
    """A clock, and two backends on it that stay connected: to connect takes longer than most tests."""
    clock = FakeClock()
    backends = [DatabaseBackend({"alias": postgresql_database}, clock=clock) for _ in range(2)]
    yield clock, *backends
    for backend in backends:
        backend.close()


@pytest.fixture
def lines(alias, make, monkeypatch):
    """Makes a backend whose line to the server can go dead, and its line."""
    with contextlib.ExitStack() as stack:

        def begin(**options):
            line = stack.enter_context(TcpLine(POSTGRESQL["port"]))
            name = f"line {line.port}"
            monkeypatch.setitem(connections.settings, name, {**connections.settings[alias], "PORT": str(line.port)})
            return make(alias=name, **options), line

        yield begin


@pytest.mark.usefixtures("alias")
class TestPostgreSQL(BackendConformance):
    @pytest.fixture
    def clock(self, standing):
        return standing[0]

    @pytest.fixture
    def backend(self, standing):
        return standing[1]

    @pytest.fixture
    def other(self, standing):
        return standing[2]

    @pytest.fixture
    def unclocked(self, make):
        return make(clock=None)

    @pytest.fixture
    def dead(self, lines):
        backend, line = lines(timeout=0.3)
        line.freeze()
        return backend

    @pytest.fixture
    def lossy(self, lines, clock):
        backend, line = lines(timeout=1.5, clock=clock)  # on a busy machine it may take a while to connect

        @contextlib.contextmanager
        def losing():
            backend.count()  # what comes has a connection
            with line.losing_answers():
                yield

        return backend, losing

    @pytest.mark.parametrize("seed", range(5))  # half as many: each takes a third of a second
    def test_a_random_walk_leads_to_the_same(self, here, there, clock, seed):
        super().test_a_random_walk_leads_to_the_same(here, there, clock, seed)


# -- the ways of a commit ------------------------------------------------------------------------------------------


def test_what_one_statement_declines_to_do_the_steps_do_alike(clock, make, monkeypatch):
    stepping, model = make(), MemoryBackend({}, clock)
    monkeypatch.setattr(stepping._engine, "at_once", False)
    for verb, args in itertools.islice(random_walk(1, clock, model), 300):
        assert outcome(Verbs(stepping, None), verb, args) == outcome(model, verb, args)


def statements(backend, verb, *args):
    """Return the first words of what a verb says to the server, and its result or error."""
    sent = []

    def remember(execute, sql, params, many, context):
        sent.append(sql.split()[0])
        return execute(sql, params, many, context)

    with backend._connections._lot.idle[0].execute_wrapper(remember):
        try:
            result = verb(*args)
        except BackendError as error:
            result = error
    return sent, result


def test_a_commit_is_one_statement(make):
    backend = make(clock=None)
    backend.create("visitor", RECORD, None)
    change = step(1, log=(b"entry",), actions=(b"12345678",), notice=b"notice", ttl=60, fence=3)
    assert statements(backend, backend.commit, "visitor", change) == (["WITH"], ())


def test_a_conflict_is_two_statements_and_no_lock(backend):
    backend.create("visitor", RECORD, None)
    backend.commit("visitor", step(1))
    sent, error = statements(backend, backend.commit, "visitor", step(1, id=b"another "))
    assert (sent, error.record.at) == (["WITH", "SELECT"], Point(7, 1))


def test_names_that_lie_across_two_others_are_new(backend):
    backend.create("visitor", RECORD, None)
    backend.commit("visitor", step(1, id=b"abcdefgh", actions=(b"abcdefgh",)))
    backend.commit("visitor", step(2, after=b"abcdefgh", id=b"ijklmnop", actions=(b"ijklmnop",)))
    assert backend.commit("visitor", step(3, after=b"ijklmnop", id=b"efghijkl", actions=(b"efghijkl",))) == ()
    assert backend.load("visitor").at == Point(7, 3)


# -- who waits for whom --------------------------------------------------------------------------------------------


def test_a_session_that_is_locked_for_too_long_is_unavailable(alias, make):
    backend = make(timeout=2)
    backend.create("visitor", RECORD, None)
    began = time.monotonic()
    with transaction.atomic(using=alias):
        connections[alias].cursor().execute("SELECT 1 FROM phoenix_sessions_session FOR UPDATE")
        with pytest.raises(BackendUnavailable) as caught:
            backend.commit("visitor", step(1))
    assert not caught.value.maybe
    assert time.monotonic() - began < 2
    backend.commit("visitor", step(1))


@contextlib.contextmanager
def lined_up(alias, *calls):
    """Yield the cursor that holds all sessions, while each call waits behind the one before; they go on afterwards."""
    with contextlib.ExitStack() as stack, transaction.atomic(using=alias):
        cursor = connections[alias].cursor()
        cursor.execute("SELECT 1 FROM phoenix_sessions_session FOR UPDATE")
        for number, (function, *args) in enumerate(calls, 1):
            thread = threading.Thread(target=function, args=args)
            thread.start()
            stack.callback(thread.join)
            while _waiting(cursor) < number:
                pass
        yield cursor


def _waiting(cursor):
    cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw at first
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return cursor.fetchone()[0]


def _commit(backend, change, failures):
    try:
        backend.commit("visitor", change)
    except BackendError as error:
        failures.append(error)


def test_who_waited_for_another_commit_sees_the_conflict(alias, make):
    backend, failures = make(timeout=20), []
    backend.create("visitor", RECORD, None)
    with lined_up(alias, (_commit, backend, step(1), failures)) as cursor:
        cursor.execute("UPDATE phoenix_sessions_session SET version = 5")
    assert [(type(error), error.record.at) for error in failures] == [(Conflict, Point(7, 5))]


@pytest.mark.parametrize(
    ("change", "log"),
    [
        (step(1, to=Point(8, 0), log=(b"new",)), [b"new"]),
        (step(1, log=(b"last",), log_limit=1), [b"last"]),
        (step(1, log=(b"last",), log_limit=0), []),
        (step(1, log=(b"last",)), [b"first", b"added", b"last"]),
    ],
)
def test_who_waited_for_entries_of_the_log_leaves_those_that_are_to_stay(alias, make, change, log):
    backend, failures = make(timeout=20), []
    backend.create("visitor", RECORD, None)
    backend.commit("visitor", entries(b"first"))
    added = entries(b"added")
    with lined_up(alias, (_commit, backend, added, failures), (_commit, backend, change, failures)):
        pass
    assert (failures, backend.load("visitor").at, backend.log("visitor")) == ([], change.to, log)
    backend.commit("visitor", step(2, at=change.to, to=change.to._replace(version=9), log=(b"x",), log_limit=1))
    with connections[alias].cursor() as cursor:  # what was left has gone with the next entry
        cursor.execute("SELECT convert_from(entry, 'utf8') FROM phoenix_sessions_log")
        assert cursor.fetchall() == [("x",)]


# -- settings ------------------------------------------------------------------------------------------------------


def test_commits_off_the_disk_are_said_to_be_not_durable(make):
    assert (make(synchronous_commit="off").durable, make(synchronous_commit="on").durable) == (False, True)


def test_synchronous_commit_is_the_connections(alias, make):
    connections.settings[alias]["OPTIONS"] = {"options": "-c work_mem=1MB"}
    for option in ("on", "off"):
        with make(synchronous_commit=option)._connections.work() as work:
            settings = work.rows("SHOW synchronous_commit"), work.rows("SHOW work_mem")
            assert settings == ([(option,)], [("1MB",)])
