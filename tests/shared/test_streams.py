"""Streams over a shared backend: one order for the listeners of all workers, and a gap for whatever may be lost."""

import asyncio
import threading

import pytest
from django.test import override_settings
from parity.engines import postgresql_server, tables
from racing import until
from runtime.test_fork import FORK, run
from shared.lab import LabBackend, lost, refused, settle
from shared.test_fork import ON_REDIS, on_redis  # noqa: F401

from phoenix_sessions import (
    BackendUnavailable,
    EventTooLarge,
    Gap,
    NotSerializable,
    SessionNotFound,
    SessionProcess,
    StreamEvent,
    telemetry,
)
from phoenix_sessions.backends.database import DatabaseBackend
from phoenix_sessions.backends.memory import MemoryBackend
from phoenix_sessions.core.events import MAX_EVENT_BYTES
from phoenix_sessions.shared import lanes
from phoenix_sessions.shared.parcels import DATA_BYTES

INTERRUPTED, RESUMED = Gap("interrupted", live=False), Gap("resumed", live=True)
UNPUBLISHED, MISSED = Gap("unpublished", live=True), Gap("missed", live=True)
LIMIT = 100_000


class Engine(LabBackend):
    """The backend in memory, as if it were shared; ``before`` and ``after`` know its tells too."""

    shared = True

    def tell(self, id, notice):
        if self._before["tell"]:
            self._before["tell"].pop(0)(id, notice)
        super().tell(id, notice)
        if self._after["tell"]:
            self._after["tell"].pop(0)(id, notice)


@pytest.fixture
def backend(clock):
    return Engine({}, clock)


@pytest.fixture
def near(here):
    return here.stream("conversation:01H")


@pytest.fixture
def far(there):
    return there.stream("conversation:01H")


@pytest.fixture
def told(far, settled):
    """What a listener in the other worker is told."""
    told = []
    with far.subscribe(told.append):
        yield told


def numbers(items):
    return [item.payload if isinstance(item, StreamEvent) else item.reason for item in items]


# -- how events travel -------------------------------------------------------------------------------------------------


def test_listeners_of_all_workers_are_told_once(near, told, settled):
    own = []
    with near.subscribe(own.append):
        near.publish("message", {"seq": 7})
        settled()
        assert own == told == [StreamEvent("message", {"seq": 7})]


def test_plain_data_keeps_its_types(near, told, settled):
    payload = {"set": {1}, "tuple": (1, None), "bytes": b"\x00", "large": 2**70}
    near.publish("message", payload)
    settled()
    assert told == [StreamEvent("message", payload)]


async def test_async_twins_do_the_same(near, far):
    async with far.listen() as events:
        await near.apublish("message", 1)
        assert near.publish_nowait("message", 2)
        assert numbers([await anext(events), await anext(events)]) == [1, 2]


def test_who_comes_and_misses_nothing_is_no_gap(near, far, settled):
    seen = []
    telemetry.attach("test", "phoenix_sessions.stream.gap", lambda *event: seen.append(event))
    try:
        with far.subscribe(seen.append):
            pass
    finally:
        telemetry.detach("test")
    assert seen == []


def test_what_the_engine_cannot_carry_is_refused(near, told, settled):
    with pytest.raises(NotSerializable):
        near.publish("message", object())
    with pytest.raises(EventTooLarge, match="conversation:01H"):
        near.publish_nowait("message", "x" * MAX_EVENT_BYTES)
    near.publish("message", "x" * (MAX_EVENT_BYTES - 5))
    settled()
    assert [len(each) for each in numbers(told)] == [MAX_EVENT_BYTES - 5]


def test_events_that_wait_go_together(near, told, settled, backend):
    tells, entered, go_on = [], threading.Event(), threading.Event()
    backend.before("tell", lambda *_: (entered.set(), go_on.wait(10)), *[lambda *_: tells.append(1)] * 9)
    near.publish_nowait("n", 0)
    assert entered.wait(10)
    for number in range(1, 101):
        near.publish_nowait("n", number)
    go_on.set()
    settled()
    assert numbers(told) == list(range(101))
    assert len(tells) < 5


def test_who_listens_later_is_told_from_then_on(here, there, near, far, settled):
    near.publish("n", 1)
    told = []
    with far.subscribe(told.append):
        near.publish("n", 2)
        settled()  # what is on its way may be told to who comes now
        with far.subscribe(told.append):
            near.publish("n", 3)
            settled()
    assert numbers(told) == [2, 3, 3]
    assert len(there.shared.engine.hub) == 0


def test_sessions_in_memory_stay_there_when_streams_are_shared(configure, start_worker, backend, monkeypatch):
    configure(DURABILITY="memory")
    monkeypatch.setattr(SessionProcess, "some_are_stored", False)  # other tests have made such classes
    near, far = start_worker(backend), start_worker(backend)
    told = []
    with far.stream("room").subscribe(told.append):
        near.stream("room").publish("n", 1)
        settle(near, far)
        with pytest.raises(SessionNotFound):
            far.find_session("nobody")
    assert numbers(told) == [1]
    assert not backend.asked


# -- what may be lost --------------------------------------------------------------------------------------------------


def test_a_lost_answer_repeats_nothing(near, told, settled, backend):
    backend.after("tell", lost)
    near.publish("n", 1)
    near.publish("n", 2)
    settled()
    assert numbers(told) == [1, 2]


def test_a_lost_answer_repeats_nothing_across_an_interruption(near, told, there, settled, backend):
    hub = there.shared.engine.hub
    entered, go_on = threading.Event(), threading.Event()
    backend.after("tell", lambda *_: (entered.set(), go_on.wait(10), lost()))
    publisher = threading.Thread(target=near.publish, args=("n", 1))
    publisher.start()
    assert entered.wait(10)
    settle(there)
    hub.lost()
    hub.watching("stream:conversation:01H")
    go_on.set()
    publisher.join(10)
    settled()
    assert told == [StreamEvent("n", 1), INTERRUPTED, RESUMED]


def test_who_could_not_publish_is_told_and_listeners_have_a_gap(near, told, settled, backend):
    backend.before("tell", *[refused] * 1000)
    with pytest.raises(BackendUnavailable) as caught:
        near.publish("n", 1)
    assert not caught.value.maybe
    backend.calm()
    near.publish("n", 2)
    settled()
    assert told == [UNPUBLISHED, StreamEvent("n", 2)]


def test_what_may_have_been_published_comes_once_and_leaves_a_gap(near, told, settled, backend):
    backend.after("tell", *[lost] * 1000)
    with pytest.raises(BackendUnavailable) as caught:
        near.publish("n", 1)
    assert caught.value.maybe
    backend.calm()
    near.publish("n", 2)
    settled()
    assert told == [StreamEvent("n", 1), UNPUBLISHED, StreamEvent("n", 2)]


def test_a_gap_that_is_owed_is_told_also_if_nobody_publishes_again(near, told, settled, backend, monkeypatch):
    monkeypatch.setattr(lanes, "LATER", 0.01)
    backend.before("tell", *[refused] * 60)
    with pytest.raises(BackendUnavailable):
        near.publish("n", 1)
    until(lambda: told == [UNPUBLISHED])


def test_who_does_not_wait_is_bounded_and_leaves_a_gap(near, told, settled, backend):
    entered, go_on = threading.Event(), threading.Event()
    backend.before("tell", lambda *_: (entered.set(), go_on.wait(10)))
    near.publish_nowait("n", -1)
    assert entered.wait(10)
    taken = [near.publish_nowait("n", number) for number in range(lanes.MAX_WAITING + 10)]
    assert taken == [True] * lanes.MAX_WAITING + [False] * 10
    go_on.set()
    settled()
    said = numbers(told)
    assert said.count("unpublished") >= 1
    assert [each for each in said if each != "unpublished"][-1] <= lanes.MAX_WAITING


def test_many_bytes_are_bounded_too(near, told, settled, backend):
    entered, go_on = threading.Event(), threading.Event()
    backend.before("tell", lambda *_: (entered.set(), go_on.wait(10)))
    near.publish_nowait("n", -1)
    assert entered.wait(10)
    taken = [near.publish_nowait("n", bytes(60_000)) for _ in range(30)]
    assert taken.count(True) == lanes.MAX_WAITING_BYTES // 60_032
    go_on.set()
    settled()


def test_a_watch_that_was_interrupted_leaves_gaps_and_what_came_meanwhile_is_not_told(near, far, told, there, settled):
    hub = there.shared.engine.hub
    near.publish("n", 1)
    settled()
    hub.lost()
    near.publish("n", 2)
    settled()
    assert told == [StreamEvent("n", 1), INTERRUPTED]
    hub.watching("stream:conversation:01H")
    near.publish("n", 3)
    settled()
    assert told == [StreamEvent("n", 1), INTERRUPTED, RESUMED, StreamEvent("n", 3)]


async def test_gaps_that_follow_one_another_are_taken_as_one(near, far, there):
    async with far.listen() as events:
        hub = there.shared.engine.hub
        hub.lost()
        assert not events.live
        hub.watching("stream:conversation:01H")
        await near.apublish("n", 1)
        assert [await anext(events), await anext(events)] == [RESUMED, StreamEvent("n", 1)]


def test_a_notice_that_says_nothing_leaves_a_gap(near, told, settled, backend):
    backend.tell("stream:conversation:01H", b"\xc1")
    near.publish("n", 1)
    settled()
    assert told == [MISSED, StreamEvent("n", 1)]


def test_a_notice_that_never_came_leaves_a_gap(near, told, settled, backend):
    near.publish("n", 1)
    backend._watches.tell = lambda id, notice: None
    near.publish("n", 2)
    del backend._watches.tell
    near.publish("n", 3)
    settled()
    assert told == [StreamEvent("n", 1), MISSED, StreamEvent("n", 3)]


class Deaf(Engine):
    """Never begins to watch."""

    def watch(self, watcher):
        watch = super().watch(watcher)
        watch.add = lambda id: None
        return watch


async def test_who_cannot_listen_is_told_in_time(start_worker, clock):
    worker = start_worker(Deaf({}, clock))
    with pytest.raises(BackendUnavailable):
        async with worker.stream("room").listen(timeout=0.01):
            pass
    with pytest.raises(BackendUnavailable):
        await worker.stream("room").asubscribe(print, timeout=0.01)
    assert len(worker._streams()) == 0


# -- engines -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgresql(django_db_blocker):
    """The options of a database at PostgreSQL."""
    with django_db_blocker.unblock(), postgresql_server() as server, tables("streams", **server) as place:
        yield place["OPTIONS"]


@pytest.fixture(params=["memory", "redis", "postgresql"])
def workers(request, start_worker, system_clock):
    """Two workers on an engine."""
    if request.param == "memory":
        engine = Engine({}, system_clock)
        backends = [engine, engine]
    elif request.param == "redis":
        make = request.getfixturevalue("redis_backends")
        backends = [make(), make()]
    else:
        options = request.getfixturevalue("postgresql")
        backends = [DatabaseBackend(options), DatabaseBackend(options)]
    yield [start_worker(backend, system_clock) for backend in backends]
    for backend in backends:
        backend.close()


def test_eight_threads_in_two_workers_have_one_order_for_all_listeners(workers):
    streams = [worker.stream("conversation:01H") for worker in workers]
    told = [[], [], [], []]
    listeners = [streams[each % 2].subscribe(heard.append, limit=LIMIT) for each, heard in enumerate(told)]

    def work(name):
        stream = streams[name % 2]
        for number in range(50):
            if number % 3:
                stream.publish_nowait("n", (name, number))
            else:
                stream.publish("n", (name, number))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    until(lambda: all(len(each) >= 400 for each in told))
    for listener in listeners:
        listener.unsubscribe()
    assert told[0] == told[1] == told[2] == told[3]
    for name in range(8):
        assert [number for by, number in numbers(told[0]) if by == name] == list(range(50))


@pytest.mark.parametrize("size", [DATA_BYTES - 200, DATA_BYTES, 5_895, 8_000, MAX_EVENT_BYTES - 5])
def test_events_around_the_bounds_of_the_engines_come_whole(workers, size):
    told = []
    name = "c" * 128  # the longest: it is a part of what NOTIFY carries
    with workers[1].stream(name).subscribe(told.append):
        workers[0].stream(name).publish("n" * 64, bytes(size))
        workers[0].stream(name).publish("n", "last")
        until(lambda: len(told) == 2)
    assert numbers(told) == [bytes(size), "last"]


async def test_listeners_on_the_event_loop(workers):
    near, far = (worker.stream("room") for worker in workers)
    async with far.listen() as one, far.listen() as two, near.listen() as three:
        await asyncio.gather(*[near.apublish("n", number) for number in range(50)])
        told = [numbers([await anext(events) for _ in range(50)]) for events in (one, two, three)]
    assert told[0] == told[1] == told[2] == list(range(50))


def test_postgresql_cut_off_leaves_a_gap(start_worker, system_clock, postgresql):
    import psycopg
    from django.db import connections

    near, far = (start_worker(DatabaseBackend(postgresql), system_clock) for _ in range(2))
    told = []
    with far.stream("room").subscribe(told.append), near.stream("room").subscribe(lambda event: None):
        near.stream("room").publish("n", 1)
        until(lambda: told)
        name = connections.settings["streams"]["NAME"]
        with psycopg.connect(host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        until(lambda: RESUMED in told)
        near.stream("room").publish("n", 2)
        until(lambda: told[-1] == StreamEvent("n", 2))
    assert told == [StreamEvent("n", 1), INTERRUPTED, RESUMED, StreamEvent("n", 2)]
    for worker in (near, far):
        worker.backend.close()


def test_redis_killed_leaves_a_gap(start_worker, system_clock, tmp_path):
    pytest.importorskip("redis")
    from backends.redis_servers import RedisServer

    from phoenix_sessions.backends.redis import RedisBackend

    server = RedisServer(tmp_path)
    backends = [RedisBackend({"url": server.url, "timeout": 1.0}) for _ in range(2)]
    near, far = (start_worker(backend, system_clock) for backend in backends)
    told = []
    try:
        with far.stream("room").subscribe(told.append):
            near.stream("room").publish("n", 1)
            until(lambda: told)
            server.stop()
            until(lambda: told[-1] == INTERRUPTED)
            assert near.stream("room").publish_nowait("n", 2)
            server.start()
            until(lambda: RESUMED in told)
            near.stream("room").publish("n", 3)
            until(lambda: told[-1] == StreamEvent("n", 3))
    finally:
        server.stop()
        for backend in backends:
            backend.close()
    said = numbers(told)
    assert said[:3] == [1, "interrupted", "resumed"]  # the second was sent again: before or after the watch was back
    assert said[3:] in ([3], [2, 3])


# -- engines that carry no notices -------------------------------------------------------------------------------------


class Mute(MemoryBackend):
    """Other workers see the same sessions, and nobody tells them of changes."""

    shared = True
    carries_notices = False


async def test_without_notices_events_stay_in_their_worker_and_a_gap_says_so(start_worker, clock):
    backend = Mute({}, clock)
    near, far = (start_worker(backend).stream("room") for _ in range(2))
    told = []
    with await far.asubscribe(told.append):
        async with near.listen() as events:
            await near.apublish("n", 1)
            assert [await anext(events), await anext(events)] == [Gap("local", live=False), StreamEvent("n", 1)]
            assert not events.live
        near.publish_nowait("n", 2)
    assert told == []
    assert len(backend._watches._by_id) == 0


@pytest.mark.django_db(transaction=True)
@override_settings(DEBUG=False)
def test_sqlite_is_such_an_engine(start_worker, clock, file_database):
    worker = start_worker(DatabaseBackend({"alias": file_database}, clock))
    told = []
    with worker.stream("room").subscribe(told.append):
        worker.stream("room").publish("n", 1)
    assert told == [Gap("local", live=False), StreamEvent("n", 1)]
    assert not worker.supervisor.background.running


# -- workers that stop and fork ----------------------------------------------------------------------------------------


def test_what_was_published_without_waiting_goes_out_before_a_stop_is_over(here, near, told, there):
    for number in range(500):
        near.publish_nowait("n", number)
    assert here.stop(10)
    settle(there)
    assert numbers(told) == list(range(500))


def test_a_stop_tells_who_listens(there, near, told, settled):
    near.publish("n", 1)
    settled()
    assert there.stop(10)
    near.publish("n", 2)
    assert told == [StreamEvent("n", 1), Gap("stopped", live=False)]


def test_a_forked_child_publishes_as_itself_and_has_listeners_of_its_own(on_redis):  # noqa: F811
    code = (
        FORK
        + on_redis
        + """
import time
stream = sessions.stream("room")
heard = []
listener = stream.subscribe(lambda event: heard.append(getattr(event, "payload", event)))
stream.publish("n", 1)
def wait(heard, count):
    end = time.monotonic() + 10
    while len(heard) < count and time.monotonic() < end:
        time.sleep(0.01)
wait(heard, 1)
def child():
    told = []
    sessions.stream("room").subscribe(lambda event: told.append(getattr(event, "payload", event)))
    sessions.stream("room").publish("n", 2)
    wait(told, 1)
    print("child", *told, *heard)
in_child(child)
stream.publish("n", 3)
wait(heard, 3)
print("parent", *heard)
"""
    )
    assert run(code) == ["child", "2", "1", "parent", "1", "2", "3"]
