"""Two workers, or more, in one OS process: managers of their own on the same backend."""

import uuid

import pytest
from conftest import require
from shared.lab import LabBackend, settle

from phoenix_sessions import conf
from phoenix_sessions.manager import SessionManager
from phoenix_sessions.runtime.clock import SystemClock


@pytest.fixture
def configure(monkeypatch):
    """A function that changes the defaults of the settings."""

    def configure(**values):
        monkeypatch.setattr(conf, "DEFAULTS", {**conf.DEFAULTS, **values})
        conf.get_config.cache_clear()

    yield configure
    conf.get_config.cache_clear()


@pytest.fixture(autouse=True)
def shared_by_default(configure):
    configure(DURABILITY="write_through", PASSIVATE_AFTER=86_400)


@pytest.fixture
def backend(clock):
    return LabBackend({}, clock)


@pytest.fixture
def start_worker(clock):
    """A function that starts a worker on a backend."""
    workers = []

    def start_worker(backend, clock=clock):
        worker = SessionManager()
        worker.replace(None, clock, backend)
        workers.append(worker)
        return worker

    yield start_worker
    for worker in workers:
        worker.supervisor.stop()


@pytest.fixture
def here(backend, start_worker):
    return start_worker(backend)


@pytest.fixture
def there(backend, start_worker):
    return start_worker(backend)


@pytest.fixture
def settled(here, there):
    """A function that waits until nothing is under way in either worker."""
    return lambda: settle(here, there)


@pytest.fixture
def pass_time(clock, settled):
    """A function that lets time pass, and what becomes due happen."""

    def pass_time(seconds, steps=1):
        for _ in range(steps):
            clock.advance(seconds / steps)
            settled()

    return pass_time


@pytest.fixture
def redis_backends():
    """A function that returns backends with connections of their own on the same keys in Redis."""
    redis = pytest.importorskip("redis")
    from phoenix_sessions.backends.redis import RedisBackend

    client = redis.Redis()
    try:
        client.ping()
    except redis.ConnectionError:
        require(False, "no Redis answers at 127.0.0.1:6379")
    prefix = f"test-{uuid.uuid4().hex}:"
    made = []

    def make():
        made.append(RedisBackend({"prefix": prefix}))
        return made[-1]

    yield make
    for backend in made:
        backend.close()
    if keys := list(client.scan_iter(f"{prefix}*")):
        client.delete(*keys)
    client.close()


@pytest.fixture
def system_clock():
    return SystemClock()
