"""The Redis backend keeps the contract, finds its server, and holds sessions in few bytes."""

import asyncio
import gc
import os
import shutil
import subprocess
import sys
import uuid
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from backends.redis_servers import LossyLine, RedisServer, free_port, silent_port, wait_for
from conftest import require
from redis import Redis

from phoenix_sessions import BackendError, BackendUnavailable, SessionNotFound
from phoenix_sessions.backends.base import Record
from phoenix_sessions.backends.conformance import ID, RECORD, START, BackendConformance, LoopThread, Verbs, step
from phoenix_sessions.backends.redis import RedisBackend

URL = "redis://127.0.0.1:6379/0"


@pytest.fixture(scope="module")
def redis():
    """A client of the machine's own Redis."""
    with Redis.from_url(URL, protocol=2) as client:
        try:
            client.ping()
        except OSError:
            require(False, "no Redis answers at 127.0.0.1:6379")
        yield client


@pytest.fixture
def prefix(redis):
    """What the keys of this test begin with."""
    prefix = f"test-{uuid.uuid4().hex}:"
    yield prefix
    if keys := list(redis.scan_iter(f"{prefix}*")):
        redis.delete(*keys)


@pytest.fixture
def make(prefix):
    """A function that returns a backend."""
    backends = []

    def make(clock=None, **options):
        backends.append(RedisBackend({"prefix": prefix, **options}, clock=clock))
        return backends[-1]

    yield make
    for backend in backends:
        backend.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of the tests' own, with a password and a socket."""
    directory = tmp_path_factory.mktemp("redis")
    server = RedisServer(directory, f"unixsocket {directory}/redis.sock", password="secret")
    yield server
    server.stop()


class TestRedis(BackendConformance):
    @pytest.fixture
    def backend(self, make, clock):
        return make(clock)

    @pytest.fixture
    def other(self, make, clock):
        return make(clock)

    @pytest.fixture
    def unclocked(self, make):
        return make()

    @pytest.fixture
    def dead(self, make):
        with silent_port() as port:
            yield make(url=f"redis://127.0.0.1:{port}", timeout=0.1)

    @pytest.fixture
    def lossy(self, make, clock):
        with LossyLine(6379) as line:
            yield make(clock, url=f"redis://127.0.0.1:{line.port}", timeout=0.4), line.losing


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_a_session_with_a_state_of_1_kb_takes_less_than_1600_bytes(make, redis, prefix):
    backend = make()
    backend.create("x" * 32, Record(at=START, birth=os.urandom(80), state=os.urandom(1024)), 3600)
    for version in range(1, 20):
        backend.commit("x" * 32, step(version, state=os.urandom(1024), ttl=3600.0, log_limit=0))
    assert sum(redis.memory_usage(key) for key in redis.scan_iter(f"{prefix}*")) <= 1600


def test_all_keys_of_a_session_end_together(make, redis, prefix):
    backend = make()
    backend.create(ID, RECORD, None)
    backend.commit(ID, step(1, log=(b"entry",), actions=(b"8 bytes.",)))
    backend.commit(ID, step(2, ttl=60.0))
    keys = list(redis.scan_iter(f"{prefix}*"))
    assert len(keys) == 3
    assert all(59_000 < redis.pttl(key) <= 60_000 for key in keys)
    backend.touch(ID, None)
    assert [redis.pttl(key) for key in keys] == [-1, -1, -1]


def test_redis_forgets_a_session_by_itself(make):
    backend = make()
    backend.create(ID, RECORD, 0.02)
    wait_for(lambda: backend.count() == 0)
    with pytest.raises(SessionNotFound):
        backend.load(ID)


# -- what is no session ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sync", "async"])
def verbs(request, make):
    """The verbs of a backend, as they are or their async twins."""
    loop = LoopThread()
    backend = make()
    yield Verbs(backend, loop if request.param == "async" else None)
    loop.run(backend.aclose())
    loop.stop()


@pytest.mark.parametrize(
    ("verb", "args"),
    [("load", ()), ("commit", (step(1),)), ("touch", (None,)), ("expire", (0.0, b"")), ("create", (RECORD, None))],
)
@pytest.mark.parametrize("write", [("hset", "field", "value"), ("set", "no record"), ("set", b"\x02" * 100)])
def test_what_is_no_record_is_an_error_that_names_the_session(verbs, redis, prefix, verb, args, write):
    command, *values = write
    getattr(redis, command)(f"{prefix}{{{ID}}}", *values)
    with pytest.raises(BackendError, match=r"'visitor'.*prefix"):
        getattr(verbs, verb)(ID, *args)


@pytest.mark.parametrize("part", ["log", "actions"])
def test_what_others_wrote_beside_a_session_leaves_nothing_of_a_commit(verbs, redis, prefix, part):
    verbs.create(ID, RECORD, None)
    redis.sadd(f"{prefix}{{{ID}}}:{part}", "member")
    with pytest.raises(BackendError, match=r"'visitor'.*prefix"):
        verbs.commit(ID, step(1, log=(b"entry",), actions=(b"12345678",)))
    assert verbs.load(ID) == RECORD


def test_what_is_no_session_is_passed_over(verbs, redis, prefix):
    verbs.create(ID, RECORD, None)
    redis.hset(f"{prefix}{{a}}", "field", "value")
    redis.set(f"{prefix}{{b}}", "no record")
    record = redis.get(f"{prefix}{{{ID}}}")
    for name in (b"\xff\xfe", b"", b"a}b", "ö".encode(), b"x" * 65):
        redis.set(prefix.encode() + b"{" + name + b"}", record)
    assert verbs.scan().sessions == ((ID, RECORD.birth),)


def test_a_prefix_has_no_wildcards(make, redis, prefix):
    one, other = make(prefix=f"{prefix}[a]*:"), make(prefix=f"{prefix}axx:")
    one.create(ID, RECORD, None)
    assert (one.count(), other.count()) == (1, 0)


# -- finding the server ------------------------------------------------------------------------------------------------


def test_databases_do_not_hear_of_each_other(server, prefix):
    class Heard:
        def __init__(self):
            self.notice = asyncio.get_running_loop().create_future()

        def watching(self, id):
            other.tell(ID, b"other")
            one.tell(ID, b"one")

        def noticed(self, id, notice):
            self.notice.set_result(notice)

        def lost(self):
            """Not here."""

    one, other = (RedisBackend({"url": server.url[:-1] + number, "prefix": prefix}) for number in "01")

    async def listen():
        heard = Heard()
        watch = one.watch(heard)
        watch.add(ID)
        task = asyncio.ensure_future(watch.run())
        notice = await asyncio.wait_for(heard.notice, 5)
        task.cancel()
        await asyncio.wait([task])
        return notice

    assert asyncio.run(listen()) == b"one"
    one.close()
    other.close()


def test_a_server_is_found_by_its_socket(server, make, tmp_path):
    path = server._directory / "redis.sock"
    backend = make(url=f"unix://:secret@{path}")
    backend.create(ID, RECORD, None)
    assert asyncio.run(backend.aload(ID)) == RECORD
    backend.delete(ID, None, b"")


def test_a_server_is_spoken_to_in_secret(make, tmp_path):
    require(shutil.which("openssl"), "openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*request.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    port = free_port()
    files = f"tls-cert-file {certificate}", f"tls-key-file {key}", f"tls-ca-cert-file {certificate}"
    server = RedisServer(tmp_path, f"tls-port {port}", *files, "tls-auth-clients no")
    backend = make(url=f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}")
    backend.create(ID, RECORD, None)
    assert asyncio.run(backend.aload(ID)) == RECORD
    backend.close()
    server.stop()


def test_a_wrong_password_is_told(server, make):
    backend = make(url=server.url.replace("secret", "wrong"))
    with pytest.raises(BackendUnavailable, match=r"nothing was done.*password"):
        backend.load(ID)
    with pytest.raises(BackendUnavailable, match=r"nothing was done.*password"):
        asyncio.run(backend.aload(ID))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"urls": URL}, "did you mean 'url'"),
        ({"zzz": 1}, "they are url, prefix"),
        ({"url": "http://redis"}, "'url' is none of Redis"),
        ({"timeout": "long"}, "timeout"),
        ({"timeout": 0}, "positive"),
        ({"max_connections": 0}, "1 or more"),
        ({"prefix": "{a}:"}, "without { and }"),
        ({"sentinels": [("127.0.0.1", 26379)]}, "belong together"),
        ({"service": "sessions"}, "belong together"),
        ({"sentinels": [("127.0.0.1", 26379)], "service": "sessions", "cluster": True}, "exclude each other"),
        ({"cluster": True, "url": "redis://127.0.0.1:6379/1"}, "without a database"),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        RedisBackend(options)


# -- connections -------------------------------------------------------------------------------------------------------


def test_who_comes_when_all_connections_are_in_use_waits(server, make):
    backend = make(url=server.url, max_connections=2)
    backend.create(ID, RECORD, None)

    async def load():
        return await asyncio.gather(*[backend.aload(ID) for _ in range(20)])

    assert asyncio.run(load()) == [RECORD] * 20
    backend.delete(ID, None, b"")


def test_connections_that_are_shared_are_closed_when_nobody_uses_them(server, make):
    backend = make(url=server.url, max_connections=2)
    backend.create(ID, RECORD, None)

    def load(_):
        backend.close()
        return [backend.load(ID) for _ in range(50)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(load, range(8))) == [[RECORD] * 50] * 8
    backend.delete(ID, None, b"")
    backend.close()
    with server.client() as client:
        wait_for(lambda: len(client.client_list()) == 1)


def test_connections_end_with_their_loop(server, make):
    backend = make(url=server.url)
    loops = []

    async def use():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        assert await backend.acount() == 0

    with server.client() as client:
        wait_for(lambda: len(client.client_list()) == 1)  # those of other tests have ended
        for _ in range(3):
            asyncio.run(use())
        wait_for(lambda: len(client.client_list()) == 1)
    gc.collect()
    assert [loop() for loop in loops] == [None] * 3


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_did_not_clean_up_is_forgotten(server, make):
    backend = make(url=server.url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(backend.acount())
    loop.close()
    asyncio.run(backend.acount())
    forgotten = weakref.ref(loop)
    del loop
    gc.collect()
    assert forgotten() is None


def test_parent_and_child_of_a_fork_have_connections_of_their_own(server):
    program = f"""if True:
        import asyncio, os
        from phoenix_sessions.backends.base import Point, Record
        from phoenix_sessions.backends.redis import RedisBackend

        backend = RedisBackend({{"url": {server.url!r}, "prefix": "fork:"}})
        record = Record(at=Point(1, 0), birth=b"", state=b"")

        async def live(id):
            await backend.acreate(id, record, None)
            for _ in range(50):
                assert await backend.aload(id) == record
            await backend.adelete(id, None, b"")

        def use(id):
            backend.create(id, record, None)
            for _ in range(50):
                assert backend.load(id) == record
            backend.delete(id, None, b"")
            asyncio.run(live(id))

        use("before")
        child = os.fork()
        use("child" if child == 0 else "parent")
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)
