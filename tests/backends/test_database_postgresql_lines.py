"""The backend on PostgreSQL: lines that are lost, cut, or dead without a word."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from backends.database_places import POSTGRESQL, watching
from backends.tcp_line import TcpLine
from django.db import connections

from phoenix_sessions.backends.base import Point
from phoenix_sessions.backends.conformance import RECORD, step
from phoenix_sessions.backends.database import statements
from phoenix_sessions.backends.database.notices import pack, unpack
from phoenix_sessions.core.errors import BackendUnavailable

TIMEOUT = 1.5  # seconds; on a busy machine it may take a while to connect
LATE = TIMEOUT + 1


@pytest.fixture
def alias(postgresql):
    return postgresql


@pytest.fixture
def line(alias, monkeypatch):
    """A line to the server, of which the alias "line" knows."""
    with TcpLine(POSTGRESQL["port"]) as line:
        monkeypatch.setitem(connections.settings, "line", {**connections.settings[alias], "PORT": str(line.port)})
        yield line


def _pids(backend):
    return [each.connection.info.backend_pid for each in backend._connections._lot.idle]


def _terminate(alias, *pids):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s::int[]) AS pid", [list(pids)])


def test_an_idle_connection_that_the_server_gave_up_is_replaced(alias, backend):
    backend.create("visitor", RECORD, None)
    first = _pids(backend)
    _terminate(alias, *first)
    backend.commit("visitor", step(1))
    assert backend.load("visitor").at == Point(7, 1)
    assert _pids(backend) != first


def _lose_in_a_transaction(alias, backend, *statements):
    with backend._connections.work() as work, work.transaction():
        _terminate(alias, work.connection.connection.info.backend_pid)
        for statement in statements:
            work.write(statement)


def test_a_connection_that_is_lost_in_a_transaction_has_done_nothing(alias, backend):
    backend.create("visitor", RECORD, None)
    with pytest.raises(BackendUnavailable) as caught:
        _lose_in_a_transaction(alias, backend, "DELETE FROM phoenix_sessions_session")
    assert not caught.value.maybe
    assert backend.load("visitor") == RECORD


def test_a_connection_that_is_lost_at_the_commit_may_have_done_it(alias, backend):
    with pytest.raises(BackendUnavailable) as caught:
        _lose_in_a_transaction(alias, backend)
    assert caught.value.maybe
    assert backend.count() == 0


# -- lines that are dead -------------------------------------------------------------------------------------------


@pytest.fixture(params=["sync", "async"])
def call(request):
    """Calls a verb, or its twin on a loop of its own, and returns its error, and how long that took (seconds)."""

    ways = {
        "sync": lambda backend, verb, *args: getattr(backend, verb)(*args),
        "async": lambda backend, verb, *args: asyncio.run(getattr(backend, f"a{verb}")(*args)),
    }

    def call(backend, verb, *args):
        began = time.monotonic()
        with pytest.raises(BackendUnavailable) as caught:
            ways[request.param](backend, verb, *args)
        return caught.value, time.monotonic() - began

    return call


@pytest.mark.parametrize(
    ("verb", "args", "maybe"),
    [
        ("load", ("visitor",), False),
        ("commit", ("visitor", step(1, log=(b"entry",))), True),
        ("touch", ("visitor", None), True),
        ("delete", ("visitor", None, b"gone"), False),  # its transaction has not come to its end
        ("claim", ("lease", "me", 10.0), False),
    ],
)
def test_a_server_that_goes_silent_is_unavailable_in_time(call, make, line, verb, args, maybe):
    backend = make(alias="line", timeout=TIMEOUT)
    backend.create("visitor", RECORD, None)
    line.freeze()
    error, took = call(backend, verb, *args)
    assert (error.maybe, took < LATE) == (maybe, True)
    line.mend()
    assert backend.load("visitor") == RECORD


def _take_over_and_lose(alias, backend, fence):
    with backend._connections.work() as work:
        work.write(statements.TAKE_OVER, id="visitor", fence=fence)
        _terminate(alias, work.connection.connection.info.backend_pid)
        work.rows(statements.LOAD, id="visitor")


@pytest.mark.parametrize(("fence", "done"), [(2, True), (1, False)])
def test_what_was_done_by_one_statement_stays_done_when_the_line_is_lost_at_the_next(alias, backend, fence, done):
    backend.create("visitor", RECORD, None, 1)
    with pytest.raises(BackendUnavailable) as caught:
        _take_over_and_lose(alias, backend, fence)
    assert caught.value.maybe is done


def _go_silent_in_a_transaction(backend, line):
    with backend._connections.work() as work, work.transaction():
        line.freeze()
        work.write("SELECT 1")


def test_a_server_that_goes_silent_between_two_statements_is_unavailable_in_time(make, line):
    backend = make(alias="line", timeout=TIMEOUT)
    began = time.monotonic()
    with pytest.raises(BackendUnavailable) as caught:
        _go_silent_in_a_transaction(backend, line)
    assert (caught.value.maybe, time.monotonic() - began < LATE) == (False, True)


def test_a_server_to_which_no_connection_comes_about_is_unavailable_in_time(call, make, line):
    line.freeze()
    backend = make(alias="line", timeout=TIMEOUT)
    error, took = call(backend, "commit", "visitor", step(1))
    assert (error.maybe, took < LATE) == (False, True)


def test_attempts_to_connect_take_up_places_until_they_are_over(make, line):
    line.freeze()
    backend = make(alias="line", timeout=TIMEOUT)
    with ThreadPoolExecutor(8) as pool:
        errors = [future.exception() for future in [pool.submit(backend.count) for _ in range(8)]]
    assert ["no connection in" in str(error) for error in errors] == [True] * 8
    with pytest.raises(BackendUnavailable, match="all 8 connections of this process are busy"):
        backend.count()
    connecting = [thread for thread in threading.enumerate() if thread.name == "phoenix_sessions-connect"]
    assert len(connecting) <= 8
    line.mend()
    for thread in connecting:
        thread.join(10)
    assert (backend.count(), len(backend._connections._open)) == (0, 1)


async def test_a_watch_whose_line_goes_dead_says_so_and_watches_again(alias, make, line):
    backend, there = make(alias="line", timeout=TIMEOUT), make()
    async with watching(backend, "visitor") as told:
        assert await told.next() == ("watching", "visitor")
        line.freeze()
        assert await told.next() == ("lost",)
        line.mend()
        assert await told.next() == ("watching", "visitor")
        await there.atell("visitor", b"here again")
        assert await told.next() == ("noticed", "visitor", b"here again")


async def test_a_watch_hears_what_comes_while_it_asks_whether_the_line_is_dead(make):
    backend, there = make(timeout=1), make()
    sent, end = 0, time.monotonic() + 3
    async with watching(backend, "visitor") as told:
        assert await told.next() == ("watching", "visitor")
        while time.monotonic() < end:
            await there.atell("visitor", b"%d" % sent)
            sent += 1
        heard = [await told.next() for _ in range(sent)]
    assert heard == [("noticed", "visitor", b"%d" % number) for number in range(sent)]


# -- watches -------------------------------------------------------------------------------------------------------


def _listeners(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
        return [pid for (pid,) in cursor.fetchall()]


async def test_a_watch_whose_connection_is_lost_says_so_and_watches_again(alias, backend):
    both = [("watching", "another"), ("watching", "visitor")]
    async with watching(backend, "visitor", "another") as told:
        assert sorted([await told.next(), await told.next()]) == both
        [pid] = await asyncio.to_thread(_listeners, alias)
        await asyncio.to_thread(_terminate, alias, pid)
        assert await told.next() == ("lost",)
        assert sorted([await told.next(), await told.next()]) == both
        await backend.atell("visitor", b"here again")
        assert await told.next() == ("noticed", "visitor", b"here again")
    await asyncio.to_thread(connections.close_all)


async def test_a_notice_that_is_too_long_comes_empty(backend):
    async with watching(backend, "visitor") as told:
        await told.next()
        await backend.atell("visitor", b"x" * 5900)
        await backend.atell("visitor", b"x" * 6000)
        events = [await told.next(), await told.next()]
    assert events == [("noticed", "visitor", b"x" * 5900), ("noticed", "visitor", b"")]


@pytest.mark.parametrize("notice", [b"", b"notice", bytes(range(256)), b"x" * 5900])
def test_notices_survive_their_way_through_text(notice):
    assert unpack(pack("visitor", notice)) == ("visitor", notice)


@pytest.mark.parametrize("payload", ["visitor", "visitor ", "visitor !", "visitor YQ"])
def test_payloads_of_others_are_empty_notices(payload):
    assert unpack(payload) == ("visitor", b"")
