"""The Redis backend keeps the contract on a Redis Cluster, and follows sessions from node to node."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from backends.redis_servers import RedisCluster, RedisServer, free_port, wait_for
from redis.crc import key_slot

from phoenix_sessions import BackendUnavailable, Conflict, SessionNotFound
from phoenix_sessions.backends.base import Point
from phoenix_sessions.backends.conformance import ID, RECORD, BackendConformance, Listener, LoopThread, Verbs, step
from phoenix_sessions.backends.redis import RedisBackend


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture
def prefix():
    return f"test-{uuid.uuid4().hex}:"


def make(cluster, prefix, **options):
    return RedisBackend({"url": cluster.url, "cluster": True, "prefix": prefix}, **options)


class TestRedisCluster(BackendConformance):
    @pytest.fixture
    def backend(self, cluster, prefix, clock):
        backend = make(cluster, prefix, clock=clock)
        yield backend
        backend.close()

    @pytest.fixture
    def other(self, cluster, prefix, clock):
        backend = make(cluster, prefix, clock=clock)
        yield backend
        backend.close()

    @pytest.fixture
    def unclocked(self, cluster, prefix):
        backend = make(cluster, prefix)
        yield backend
        backend.close()


# -- nodes -------------------------------------------------------------------------------------------------------------

TIMEOUT = 1.0


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
def form(tmp_path, way):
    """A function that forms a cluster of the test's own, and returns it, and the verbs of a backend."""
    clusters, backends = [], []

    def form(**kwargs):
        clusters.append(RedisCluster(tmp_path, **kwargs))
        backends.append(RedisBackend({"url": clusters[-1].url, "cluster": True, "timeout": TIMEOUT}))
        return clusters[-1], Verbs(backends[-1], way)

    yield form
    for backend in backends:
        backend.close()
        if way is not None:
            way.run(backend.aclose())
    for cluster in clusters:
        cluster.stop()


@pytest.fixture
def workers(cluster, prefix, loop):
    """A function that returns another worker's backend."""
    cluster.empty()
    backends = []

    def worker(timeout=TIMEOUT):
        backends.append(RedisBackend({"url": cluster.url, "cluster": True, "prefix": prefix, "timeout": timeout}))
        return backends[-1]

    yield worker
    for backend in backends:
        backend.close()
        loop.run(backend.aclose())


@pytest.fixture
def here(workers, way):
    return Verbs(workers(), way)


@pytest.fixture
def both(workers, loop):
    """The verbs of two workers, and of one the async twins."""
    return Verbs(workers(), None), Verbs(workers(), loop)


@pytest.fixture
def owner(cluster, prefix):
    """A function that returns the node that has a session."""

    def owner(id):
        return next(node for node in cluster.nodes if node.owns(f"{prefix}{{{id}}}"))

    return owner


@pytest.fixture
def move(cluster, prefix, owner):
    """A function that moves a session's slot to another node, and pauses at each step."""

    begun = []

    def move(id, target=None):
        source, key = owner(id), f"{prefix}{{{id}}}"
        target = target or next(node for node in cluster.nodes if node is not source)
        there, back = cluster.move(key, source, target), cluster.move(key, target, source)
        begun.append((there, back))
        return there

    yield move
    for moving in begun:
        for each in moving:
            for _ in each:
                """The slot must not be left on its way."""


def test_sessions_are_on_all_nodes_and_are_found_on_all(here, cluster):
    ids = {f"visitor-{number}" for number in range(30)}
    for id in ids:
        here.create(id, RECORD, None)
    for node in cluster.nodes:
        with node.client() as client:
            assert client.dbsize() > 0
    pages, cursor = [], None
    while not pages or cursor is not None:
        found, cursor = here.scan(cursor, 3)
        pages.append(found)
    assert len(pages) > 3
    assert {id for page in pages for id, _ in page} == ids
    assert here.count() == 30


def test_a_node_that_is_silent_holds_up_its_own_sessions_only(both, owner):
    ids = [f"visitor-{number}" for number in range(30)]
    for id in ids:
        both[0].create(id, RECORD, None)
    silent = owner(ids[0])
    other = next(id for id in ids if owner(id) is not silent)
    both[1].load(ids[0])
    with silent.frozen():
        for version, verbs in enumerate(both, 1):
            begin = time.monotonic()
            with pytest.raises(BackendUnavailable) as caught:
                verbs.commit(ids[0], step(1))
            assert caught.value.maybe
            assert time.monotonic() - begin < TIMEOUT + 1
            verbs.commit(other, step(version))
    assert both[0].load(other).at == Point(7, 2)


def test_nobody_notices_that_a_node_began_anew(both, cluster, owner):
    for verbs in both:
        assert verbs.count() == 0
    node = owner(ID)
    node.stop()
    node.start()
    cluster.wait_until_whole()
    for verbs in both:
        verbs.create(ID, RECORD, None)
        verbs.delete(ID, None, b"")


def test_a_session_is_followed_to_another_node(here, workers, way, move):
    there = Verbs(workers(), way)
    for verbs in (here, there):
        verbs.count()
    here.create(ID, RECORD, None)
    for _ in move(ID):
        assert here.load(ID) == RECORD
    there.commit(ID, step(1))
    assert here.load(ID).at == Point(7, 1)


def test_a_commit_waits_while_the_keys_of_its_session_are_on_their_way(workers, way, move):
    here = Verbs(workers(timeout=20), way)
    here.create(ID, RECORD, None)
    moving = move(ID)
    next(moving)
    with ThreadPoolExecutor() as pool:
        committed = pool.submit(here.commit, ID, step(1, log=(b"entry",)))
        for _ in moving:
            """The keys have arrived."""
        assert committed.result(20) == ()
    assert (here.load(ID).at, here.log(ID)) == (Point(7, 1), [b"entry"])


def session_of(slot):
    """Return a session that has a slot."""
    return next(id for id in map("visitor-{}".format, count()) if key_slot(id.encode()) == slot)


def until(moving, state):
    """Let a slot move until a state."""
    while next(moving) != state:
        """Not yet."""


def test_a_session_with_neither_log_nor_actions_is_used_all_the_time_while_its_slot_moves(here, move):
    here.create(ID, RECORD, None)
    moving, version = move(ID), 0
    for version, _ in enumerate(moving, 1):
        here.commit(ID, step(version, ttl=60.0))
        here.touch(ID, None)
        assert here.expire(ID, 60.0, b"") > 59
    assert here.load(ID).at == Point(7, version)
    here.delete(ID, None, b"")


def test_sessions_begin_and_end_while_their_slot_moves(here, move):
    here.create(ID, RECORD, None)
    other = session_of(key_slot(ID.encode()))
    moving = move(ID)
    for _ in moving:
        here.create(other, RECORD, None)
        here.commit(other, step(1))
        assert here.expire(other, 0.0, b"") is None
        with pytest.raises(SessionNotFound):
            here.load(other)


def test_a_first_entry_of_a_log_is_written_while_the_slot_moves(here, move):
    here.create(ID, RECORD, None)
    moving = move(ID)
    until(moving, "moved")
    here.commit(ID, step(1, log=(b"entry",), actions=(b"8 bytes.",)))
    until(moving, "done")
    assert here.log(ID) == [b"entry"]
    assert here.commit(ID, step(2, actions=(b"8 bytes.",))) == (b"8 bytes.",)


def test_a_session_of_which_some_keys_have_moved_is_not_torn_apart(here, move):
    here.create(ID, RECORD, None)
    here.commit(ID, step(1, log=(b"entry 1",), actions=(b"act 0001",)))
    version, doubt = 1, False
    for _ in move(ID):
        entry, action = b"entry %d" % (version + 1), b"act %04d" % (version + 1)
        try:
            here.commit(ID, step(version + 1, log=(entry,), actions=(action,)))
        except BackendUnavailable as refusal:
            doubt = doubt or refusal.maybe  # its time was over in the moment in which it was asked for once more
            continue
        except Conflict:
            assert doubt
        doubt, version = False, version + 1
    assert version >= 3
    assert here.load(ID).at == Point(7, version)
    assert here.log(ID) == [b"entry %d" % number for number in range(1, version + 1)]
    repeated = tuple(b"act %04d" % number for number in range(1, version + 1))
    assert set(here.commit(ID, step(version + 1, actions=repeated))) == set(repeated)


def test_what_changes_while_a_slot_moves_is_told_to_watches(workers, here, loop, move):
    here.create(ID, RECORD, None)
    listener = Listener(workers(), loop)
    listener.add(ID)
    moving = move(ID)
    until(moving, "moved")
    here.commit(ID, step(1, notice=b"changed"))
    listener.until("noticed", ID, b"")
    here.tell(ID, b"told")
    listener.until("noticed", ID, b"told")
    here.delete(ID, None, b"ended")
    assert listener.until("noticed", ID, b"") == [("noticed", ID, b"")]
    until(moving, "done")
    listener.until("watching", ID)
    listener.stop()


def all_pages(verbs, size, *, meanwhile=()):
    """Return the sessions of all pages; between two pages, do something."""
    sessions, cursor = verbs.scan(None, size)
    while cursor is not None:
        next(iter(meanwhile), None)
        page, cursor = verbs.scan(cursor, size)
        sessions += page
    return sessions


def test_a_session_is_found_while_it_moves(here, move, owner):
    ids = {ID, *map("visitor-{}".format, range(20))}
    for id in ids:
        here.create(id, RECORD, None)
    for _ in move(ID):
        sessions = all_pages(here, 1000)
        assert {id for id, _ in sessions} == ids
        assert {birth for _, birth in sessions} == {RECORD.birth}


@pytest.mark.parametrize("last", ["moved", "done"])
@pytest.mark.parametrize("pages", [0, 5, 10, 20])
def test_a_session_is_found_that_moves_to_a_node_that_was_gone_through(here, move, owner, pages, last):
    ids = [f"visitor-{number}" for number in range(20)]
    for id in ids:
        here.create(id, RECORD, None)
    first = owner(session_of(0))
    mover = next(id for id in ids if owner(id) is not first)

    def moves():
        for _ in range(pages):
            yield
        until(move(mover, first), last)
        while True:
            yield

    found = all_pages(here, 1, meanwhile=moves())
    assert {id for id, _ in found} == set(ids)


def test_a_session_is_found_while_it_moves_to_a_node_that_has_no_slots_yet(form):
    cluster, verbs = form(size=2, idle=1)
    verbs.create(ID, RECORD, None)
    key = f"phoenix_sessions:{{{ID}}}"
    source = next(node for node in cluster.nodes if node.owns(key))
    for _ in cluster.move(key, source, cluster.nodes[-1]):
        assert {id for id, _ in all_pages(verbs, 1)} == {ID}


def test_a_watch_follows_a_session_to_another_node(workers, loop, move):
    worker = workers()
    worker.create(ID, RECORD, None)
    listener = Listener(worker, loop)
    listener.add("another")
    listener.add(ID)
    for _ in move(ID):
        """It moves."""
    told = listener.until("watching", ID)
    assert ("lost",) in told
    worker.commit(ID, step(1, notice=b"changed"))
    listener.until("noticed", ID, b"changed")
    listener.stop()


def test_a_silent_node_among_busy_ones_is_not_lost(workers, loop, owner):
    worker = workers()
    listener = Listener(worker, loop)
    listener.add(ID)
    busy = (id for id in map("visitor-{}".format, count()) if owner(id) is owner(ID))
    until = time.monotonic() + 3 * TIMEOUT
    while time.monotonic() < until:
        loop.call(listener.watch.add, next(busy))
        with pytest.raises(AssertionError):
            listener.until("lost", timeout=TIMEOUT / 10)
    listener.stop()


def test_a_cluster_is_found_again_when_the_node_of_the_url_is_gone(form):
    cluster, verbs = form()
    gone, *left = cluster.nodes
    id = next(id for id in map("visitor-{}".format, range(100)) if left[0].owns(f"phoenix_sessions:{{{id}}}"))
    verbs.create(id, RECORD, None)
    with left[0].client() as one, left[1].client() as other:
        for client in (one, other):
            client.config_set("cluster-require-full-coverage", "no")
        gone.stop()
        lost = next(id for id in map("visitor-{}".format, range(100)) if key_slot(f"{{{id}}}".encode()) < 5000)
        with pytest.raises(BackendUnavailable):
            verbs.load(lost)
    assert verbs.load(id) == RECORD


def test_connections_to_a_node_that_has_left_the_cluster_are_given_up(form):
    cluster, verbs = form(size=2, idle=1)
    first, last, idle = cluster.nodes
    assert verbs.count() == 0

    def found():
        try:
            verbs.create(session_of(16383), RECORD, None)
        except BackendUnavailable:
            return False
        return True

    def several():
        list(pool.map(verbs.create, map("visitor-{}".format, range(100)), [RECORD] * 100, [None] * 100))
        list(pool.map(verbs.delete, map("visitor-{}".format, range(100)), [None] * 100, [b""] * 100))
        return len(gone.client_list()) > 3

    with first.client() as one, last.client() as gone, idle.client() as heir, ThreadPoolExecutor(8) as pool:
        ranges = next(range for range in one.execute_command("CLUSTER SLOTS") if range[1] == 16383)[:2]
        wait_for(several)
        with last.frozen():
            for client in (heir, one):
                client.execute_command("CLUSTER DELSLOTSRANGE", *ranges)
            heir.execute_command("CLUSTER ADDSLOTSRANGE", *ranges)
            wait_for(found)
        wait_for(lambda: len(gone.client_list()) == 1)


def test_a_cluster_of_which_no_node_is_there_is_told(way):
    backend = RedisBackend({"url": f"redis://127.0.0.1:{free_port()}", "cluster": True, "timeout": TIMEOUT})
    with pytest.raises(BackendUnavailable, match="no node of the cluster") as caught:
        Verbs(backend, way).commit(ID, step(1))
    assert not caught.value.maybe


def test_a_server_that_is_no_cluster_is_told(way, tmp_path):
    server = RedisServer(tmp_path)
    backend = RedisBackend({"url": server.url, "cluster": True, "timeout": TIMEOUT})
    with pytest.raises(BackendUnavailable, match="cluster support disabled"):
        Verbs(backend, way).load(ID)
    backend.close()
    if way is not None:
        way.run(backend.aclose())
    server.stop()
