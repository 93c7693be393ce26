"""The database backend's connections and threads: few, its own, waited for not too long, and closed in the end."""

import asyncio
import contextlib
import gc
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connections

from phoenix_sessions.backends.base import Point
from phoenix_sessions.backends.conformance import RECORD, step
from phoenix_sessions.backends.database import DatabaseBackend
from phoenix_sessions.core.errors import BackendUnavailable

WRITER = Path(__file__).with_name("database_writer.py")


@pytest.fixture(params=["sqlite", "postgresql"])
def alias(request):
    """The alias of a database of the tests' own."""
    return request.getfixturevalue(request.param)


def test_processes_that_share_a_database_lose_no_change(alias, backend):
    backend.create("visitor", RECORD, None)
    database = {key: connections.settings[alias].get(key, "") for key in ("ENGINE", "NAME", "HOST", "PORT", "USER")}
    command = [sys.executable, str(WRITER), json.dumps(database), "25"]
    writers = [subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert (backend.load("visitor").state, len(backend.log("visitor"))) == (b"75", 75)


def test_threads_share_a_few_connections(backend):
    backend.create("visitor", RECORD, None)
    for _ in range(20):
        thread = threading.Thread(target=backend.load, args=("visitor",))
        thread.start()
        thread.join()
    assert len(backend._connections._lot.idle) == 1


def test_when_all_connections_are_busy_for_too_long_it_is_unavailable(make):
    backend = make(timeout=2)
    with contextlib.ExitStack() as lent:
        for _ in range(8):
            lent.enter_context(backend._connections.work())
        with pytest.raises(BackendUnavailable, match="all 8 connections of this process are busy"):
            backend.count()
    assert backend.count() == 0


def test_coroutines_wait_no_longer_than_the_timeout(make):
    backend = make(timeout=0.2)
    gate = threading.Event()

    async def ask():
        busy = [asyncio.ensure_future(backend._athread(gate.wait)) for _ in range(8)]
        await asyncio.sleep(0)
        with pytest.raises(BackendUnavailable) as caught:
            await backend.aload("visitor")
        gate.set()
        await asyncio.gather(*busy, return_exceptions=True)
        return caught.value

    assert not asyncio.run(ask()).maybe


def test_what_waits_for_a_thread_when_all_is_closed_is_done_and_leaves_nothing_open(backend):
    gate = threading.Event()
    busy = [backend._connections.submit(gate.wait) for _ in range(8)]
    waiting = backend._connections.submit(backend.create, "visitor", RECORD, None)
    backend.close()
    gate.set()
    for future in [*busy, waiting]:
        future.result(10)
    assert backend._connections._open == set()
    assert backend.count() == 1


def test_a_connection_that_is_in_use_when_all_is_closed_is_closed_when_it_is_put_back(backend):
    with backend._connections.work() as work:
        backend.close()
        assert work.rows("SELECT 1") == [(1,)]
    assert backend._connections._open == set()


def test_a_backend_that_is_forgotten_leaves_nothing_open(alias):
    backend = DatabaseBackend({"alias": alias})
    backend.count()
    opened = backend._connections._open
    assert len(opened) == 1
    del backend
    gc.collect()
    assert opened == set()


def test_coroutines_and_closing_do_not_get_in_each_others_way(backend):
    done = threading.Event()

    def close():
        while not done.wait(0.001):  # without a pause, nobody else would get the interpreter on a busy machine
            backend.close()

    async def ask():
        await backend.acreate("visitor", RECORD, None)
        for _ in range(50):
            assert await backend.aload("visitor") == RECORD

    closer = threading.Thread(target=close)
    closer.start()
    try:
        asyncio.run(ask())
    finally:
        done.set()
        closer.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(backend):
    asyncio.run(backend.acreate("visitor", RECORD, None))
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(backend.acommit("visitor", step(1)))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert backend.load("visitor").at == Point(7, 1)
