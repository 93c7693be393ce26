"""The Redis backend lives through what happens to servers."""

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from backends.redis_servers import RedisServer, answering_port, free_port, silent_port, trickling_port, wait_for

from phoenix_sessions import BackendUnavailable
from phoenix_sessions.backends.base import Point
from phoenix_sessions.backends.conformance import ID, RECORD, Listener, LoopThread, Verbs, step
from phoenix_sessions.backends.redis import RedisBackend, options
from phoenix_sessions.backends.redis.cluster import ClusterLink
from phoenix_sessions.backends.redis.links import Sending
from phoenix_sessions.backends.redis.scripts import NODES
from phoenix_sessions.backends.redis.watch import pause

TIMEOUT = 0.6


@pytest.fixture
def server(tmp_path):
    """A server that keeps what it holds when it is started anew."""
    server = RedisServer(tmp_path, "appendonly yes", "appendfsync always")
    yield server
    server.stop()


@pytest.fixture
def loop():
    loop = LoopThread()
    yield loop
    loop.stop()


@pytest.fixture(params=["sync", "async"])
def way(request, loop):
    """The loop on which async twins are called, or None for the verbs themselves."""
    return loop if request.param == "async" else None


@pytest.fixture
def make(loop):
    """A function that returns a backend."""
    backends = []

    def make(server, **options):
        backends.append(RedisBackend({"url": server.url, "timeout": TIMEOUT, **options}))
        return backends[-1]

    yield make
    for backend in backends:
        backend.close()
        loop.run(backend.aclose())


@pytest.fixture
def here(make, server, way):
    """The verbs of a worker whose connection is open already."""
    verbs = Verbs(make(server), way)
    verbs.create(ID, RECORD, None)
    return verbs


class Url:
    """What stands for a server.

    Attributes:
        url: Where it would be.
    """

    def __init__(self, rest):
        self.url = f"redis://{rest}"


def unavailable(verbs, verb, *args):
    """Call a verb that cannot be done; return its error."""
    begin = time.monotonic()
    with pytest.raises(BackendUnavailable) as caught:
        getattr(verbs, verb)(*args)
    assert time.monotonic() - begin < TIMEOUT + 1
    return caught.value


async def test_two_who_find_that_nodes_have_left_a_cluster_do_not_get_in_each_others_way():
    link = ClusterLink(options.read({"url": "redis://127.0.0.1:1", "cluster": True}))
    with answering_port(b"nothing", None) as one, answering_port(b"nothing", None) as other:
        nodes = link._topology._nodes = [("127.0.0.1", one), ("127.0.0.1", other)]
        for node in nodes:
            await (await link._link(node)).ask(Sending(), NODES, ())
        link._topology._nodes = []
        new = [("127.0.0.1", 2), ("127.0.0.1", 3)]
        await asyncio.gather(*map(link._link, new))
        assert not set(nodes) & set(link._links)
        await link.aclose()


# -- the server forgets, begins anew, is not there ---------------------------------------------------------------------


def test_a_server_that_forgot_its_scripts_is_told_them_again(here, server):
    with server.client() as client:
        client.script_flush()
    here.commit(ID, step(1))
    assert here.load(ID).at == Point(7, 1)


@pytest.mark.parametrize(
    ("verb", "args"),
    [("load", (ID,)), ("commit", (ID, step(1))), ("touch", (ID, None)), ("count", ()), ("claim", ("a", "me", 1.0))],
)
def test_nobody_notices_that_a_server_began_anew(here, server, verb, args):
    server.stop()
    server.start()
    getattr(here, verb)(*args)
    assert here.load(ID).state == (args[1].state if verb == "commit" else RECORD.state)


def test_what_was_not_sent_was_certainly_not_done(here, server):
    server.stop()
    assert not unavailable(here, "commit", ID, step(1)).maybe
    assert not unavailable(here, "load", ID).maybe


def test_a_commit_that_was_not_answered_is_tried_again_and_applied_once(here, server):
    change = step(1, log=(b"entry",))
    with server.frozen():
        assert unavailable(here, "commit", ID, change).maybe
    assert here.commit(ID, change) == ()
    assert (here.load(ID).at, here.log(ID)) == (change.to, [b"entry"])


def test_a_late_answer_is_nobodys(here, server):
    with server.frozen():
        unavailable(here, "load", ID)
    here.commit(ID, step(1))
    assert here.load(ID).at == Point(7, 1)


def test_a_connection_that_is_never_open_is_given_up(make, way):
    with silent_port() as port:
        assert not unavailable(Verbs(make(Url(f":password@127.0.0.1:{port}/1")), way), "commit", ID, step(1)).maybe


@pytest.mark.parametrize(
    ("word", "maybe"), [(b"AUTH", False), (b"SETINFO", False), (b"SELECT", False), (b"EVALSHA", True)]
)
def test_an_answer_that_comes_byte_by_byte_takes_no_more_time_than_others(make, way, word, maybe):
    with trickling_port(word) as port:
        verbs = Verbs(make(Url(f":password@127.0.0.1:{port}/1")), way)
        begin = time.monotonic()
        assert unavailable(verbs, "commit", ID, step(1)).maybe is maybe
        assert time.monotonic() - begin < TIMEOUT + 0.3


@pytest.mark.parametrize("word", [b"AUTH", b"EVALSHA"])
def test_who_waits_for_a_connection_waits_no_longer_than_others(make, word):
    with trickling_port(word) as port, ThreadPoolExecutor() as pool:
        backend = make(Url(f":password@127.0.0.1:{port}/1"), max_connections=1)
        begin = time.monotonic()
        for load in [pool.submit(backend.load, ID) for _ in range(3)]:
            assert isinstance(load.exception(), BackendUnavailable)
        assert time.monotonic() - begin < TIMEOUT + 0.3


def test_a_port_that_nobody_listens_to_is_told_at_once(make, way):
    begin = time.monotonic()
    assert not unavailable(Verbs(make(Url(f"127.0.0.1:{free_port()}")), way), "create", ID, RECORD, None).maybe
    assert time.monotonic() - begin < TIMEOUT


# -- the server refuses ------------------------------------------------------------------------------------------------


def test_a_full_server_changes_nothing(here, server):
    here.commit(ID, step(1, log=(b"entry",)))
    with server.client() as client:
        client.config_set("maxmemory", 1)
    error = unavailable(here, "commit", ID, step(2, to=Point(8, 0), log=(b"another",), actions=(b"8 bytes.",)))
    assert not error.maybe
    assert not unavailable(here, "create", "another", RECORD, None).maybe
    assert (here.load(ID).at, here.log(ID)) == (Point(7, 1), [b"entry"])


def test_what_was_perhaps_done_stays_so_when_it_is_refused_then(make, way):
    answers = iter(
        [lambda connection: connection.shutdown(socket.SHUT_RDWR), lambda connection: connection.sendall(refusal)]
    )
    refusal = b"-READONLY You can't write against a read only replica.\r\n"
    with answering_port(b"EVALSHA", lambda connection: next(answers)(connection)) as port:
        assert unavailable(Verbs(make(Url(f"127.0.0.1:{port}")), way), "commit", ID, step(1)).maybe


@pytest.mark.parametrize(
    "refusal",
    ["LOADING Redis is loading the dataset in memory", "NOAUTH Authentication required.", "BUSY Redis is busy"],
)
def test_what_was_refused_was_certainly_not_done(make, way, refusal):
    with answering_port(b"EVALSHA", lambda connection: connection.sendall(f"-{refusal}\r\n".encode())) as port:
        assert not unavailable(Verbs(make(Url(f"127.0.0.1:{port}")), way), "commit", ID, step(1)).maybe


def test_a_replica_refuses_until_it_is_promoted(here, server, tmp_path):
    with server.client() as client:
        client.replicaof("127.0.0.1", free_port())
        assert not unavailable(here, "commit", ID, step(1)).maybe
        client.replicaof("NO", "ONE")
    here.commit(ID, step(1))


def test_a_user_who_may_not_publish_is_told(here, make, server, way):
    with server.client() as client:
        client.acl_setuser(
            "mute", enabled=True, passwords=["+secret"], commands=["+@all"], keys=["*"], reset_channels=True
        )

    class Mute:
        url = server.url.replace("redis://", "redis://mute:secret@")

    mute = Verbs(make(Mute), way)
    error = unavailable(mute, "commit", ID, step(1, notice=b"changed"))
    assert error.maybe
    assert "publish" in str(error)


# -- watches -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def worker(make, server):
    return make(server)


@pytest.fixture
def listener(make, server, loop):
    listener = Listener(make(server), loop)
    listener.add(ID)
    yield listener
    listener.stop()


def test_a_watch_goes_on_when_the_server_began_anew(worker, server, listener):
    server.stop()
    listener.until("lost")
    server.start()
    listener.until("watching", ID)
    worker.tell(ID, b"again")
    assert listener.until("noticed", ID, b"again") == [("noticed", ID, b"again")]


def test_a_watch_notices_that_its_server_is_silent(worker, server, listener):
    with server.frozen():
        listener.until("lost")
    listener.until("watching", ID)
    worker.tell(ID, b"again")
    listener.until("noticed", ID, b"again")


def test_a_watch_that_hears_nothing_for_a_while_is_not_lost(worker, listener):
    with pytest.raises(AssertionError):
        listener.until("lost", timeout=3 * TIMEOUT)
    worker.tell(ID, b"still")
    listener.until("noticed", ID, b"still")


def test_sessions_that_were_added_while_the_server_was_away_are_watched(worker, server, listener, loop):
    server.stop()
    listener.until("lost")
    for number in range(300):
        loop.call(listener.watch.add, f"visitor-{number}")
    server.start()
    listener.until("watching", "visitor-299")
    worker.tell("visitor-7", b"hello")
    listener.until("noticed", "visitor-7", b"hello")


def test_a_watch_asks_again_soon_however_often_it_has_failed():
    assert [pause(failures) <= 2 for failures in (1, 7, 1100, 10**9)] == [True] * 4
    assert pause(1) < pause(5) < pause(10**9)


# -- sentinels ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(tmp_path):
    """A server, its replica, and a Sentinel that watches over both."""
    for name in ("first", "second", "sentinel"):
        (tmp_path / name).mkdir()
    first = RedisServer(tmp_path / "first", "repl-diskless-sync-delay 0")
    second = RedisServer(tmp_path / "second", f"replicaof 127.0.0.1 {first.port}")
    with first.client() as client:
        wait_for(lambda: client.info("replication")["connected_slaves"])  # or the Sentinel finds it 10 s later
    sentinel = RedisServer(
        tmp_path / "sentinel",
        f"sentinel monitor sessions 127.0.0.1 {first.port} 1",
        "sentinel down-after-milliseconds sessions 200",
        "sentinel failover-timeout sessions 2000",
        sentinel=True,
    )
    with sentinel.client() as client:
        client.execute_command("SENTINEL DEBUG", "INFO-PERIOD", 100, "PING-PERIOD", 100, "ASK-PERIOD", 100)
    yield first, second, sentinel
    for server in (sentinel, second, first):
        server.stop()


def test_sessions_are_followed_to_the_server_that_sentinels_name(watched, make, loop):
    first, second, sentinel = watched
    backend = make(first, sentinels=[("127.0.0.1", sentinel.port)], service="sessions", timeout=1.0)
    ways = Verbs(backend, None), Verbs(backend, loop)
    listener = Listener(backend, loop)
    listener.add(ID)
    ways[0].create(ID, RECORD, None)
    ways[1].commit(ID, step(1))
    with second.client() as client, sentinel.client() as overseer:
        wait_for(lambda: client.exists("phoenix_sessions:{visitor}"))
        wait_for(lambda: overseer.execute_command("SENTINEL REPLICAS", "sessions"))
    first.stop()

    def found(verbs):
        try:
            return verbs.load(ID).at == Point(7, 1)
        except BackendUnavailable:
            return False

    wait_for(lambda: all(map(found, ways)))
    listener.until("watching", ID, timeout=10)
    ways[1].commit(ID, step(2, notice=b"changed"))
    listener.until("noticed", ID, b"changed")
    assert ways[0].load(ID).at == Point(7, 2)
    listener.stop()
