"""While an engine is cut off again and again no event comes twice or late, and none is lost without a gap."""

import contextlib
import itertools
import threading

import pytest
from parity.engines import postgresql_server, tables
from racing import until

from phoenix_sessions import BackendUnavailable, Gap, StreamEvent
from phoenix_sessions.backends.database import DatabaseBackend

EACH = 1000
PUBLISHERS = 4


class Redis:
    """A server of the test's own, whose clients are killed, and which is killed itself."""

    def __init__(self, folder):
        from backends.redis_servers import RedisServer

        self._server = RedisServer(folder)

    def backend(self):
        from phoenix_sessions.backends.redis import RedisBackend

        return RedisBackend({"url": self._server.url, "timeout": 1.0})

    def cut(self, number):
        if number % 4 == 3:
            self._server.stop()
            self._server.start()
        else:
            with self._server.client() as client:
                client.client_kill_filter(_type=("pubsub", "normal")[number % 2], skipme=True)

    def end(self):
        self._server.stop()


class PostgreSQL:
    """A database of the test's own, whose connections are ended."""

    def __init__(self, options, name):
        self._options, self._name = options, name

    def backend(self):
        return DatabaseBackend(self._options)

    def cut(self, number):
        import psycopg

        which = " AND query LIKE 'LISTEN%%'" if number % 2 else ""
        ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s{which}"
        with psycopg.connect(host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True) as server:
            server.execute(ends, [self._name])

    def end(self):
        pass


@pytest.fixture(params=["redis", "postgresql"])
def engine(request, tmp_path, django_db_blocker):
    if request.param == "redis":
        pytest.importorskip("redis")
        engine = Redis(tmp_path)
        yield engine
        engine.end()
    else:
        with django_db_blocker.unblock(), postgresql_server() as server, tables("cut", **server) as place:
            yield PostgreSQL(place["OPTIONS"], server["NAME"])


def publish(stream, name):
    for number in range(EACH):
        if number % 2:
            stream.publish_nowait("n", (name, number))
        else:
            with contextlib.suppress(BackendUnavailable):
                stream.publish("n", (name, number))


def publish_the_end(streams, told):
    """Publish until all are told: a cut that is not noticed yet makes a gap of what comes next."""
    numbers = itertools.count(EACH)

    def published():
        number = next(numbers)
        for name in range(PUBLISHERS):
            streams[name % 2].publish("n", (name, number))
        return all(told_the_end(heard) for heard in told)

    until(published, timeout=30)


def told_the_end(heard):
    rest = list(itertools.takewhile(lambda item: isinstance(item, StreamEvent), reversed(heard)))
    return {item.payload[0] for item in rest if item.payload[1] >= EACH} == set(range(PUBLISHERS))


def assert_nothing_is_lost_silently(items):
    last = dict.fromkeys(range(PUBLISHERS), -1)
    sure = dict.fromkeys(range(PUBLISHERS), True)
    for item in items:
        if isinstance(item, Gap):
            sure = dict.fromkeys(sure, False)
            continue
        name, number = item.payload
        assert number > last[name], f"{item} came again, or late"
        assert number == last[name] + 1 or not sure[name], f"what came before {item} was lost, and no gap says so"
        last[name], sure[name] = number, True
    return last, sure


def test_whatever_is_cut_nothing_is_lost_without_a_gap_and_nothing_comes_twice(engine, start_worker, system_clock):
    backends = [engine.backend(), engine.backend()]
    workers = [start_worker(backend, system_clock) for backend in backends]
    streams = [worker.stream("room") for worker in workers]
    told, over = [[], [], []], threading.Event()
    listeners = [streams[each % 2].subscribe(heard.append, limit=10**6) for each, heard in enumerate(told)]

    def cut():
        number = 0
        while not over.wait(0.05):
            engine.cut(number)
            number += 1

    cutter = threading.Thread(target=cut)
    cutter.start()
    publishers = [threading.Thread(target=publish, args=(streams[name % 2], name)) for name in range(PUBLISHERS)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join(120)
    over.set()
    cutter.join(60)
    publish_the_end(streams, told)
    for listener in listeners:
        listener.unsubscribe()
    for heard in told:
        last, sure = assert_nothing_is_lost_silently(heard)
        assert all(number >= EACH for number in last.values())
        assert all(sure.values())
    assert any(isinstance(each, Gap) for each in told[0])
    for backend in backends:
        backend.close()
