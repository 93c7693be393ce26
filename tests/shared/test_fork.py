"""A forked child of a worker with shared sessions: it has none in memory, and finds those of the engine."""

import uuid

import pytest
from conftest import require
from runtime.test_fork import FORK, run

ON_REDIS = """
from django.conf import settings
settings.PHOENIX_SESSIONS = {
    **settings.PHOENIX_SESSIONS,
    "BACKEND": "phoenix_sessions.backends.redis.RedisBackend", "OPTIONS": {"prefix": %r},
}
from phoenix_sessions import conf
conf.get_config.cache_clear()
sessions.reconfigure()
"""


@pytest.fixture
def on_redis():
    """Code that puts the sessions into Redis, under keys of their own."""
    redis = pytest.importorskip("redis")
    client = redis.Redis()
    try:
        client.ping()
    except redis.ConnectionError:
        require(False, "no Redis answers at 127.0.0.1:6379")
    prefix = f"test-{uuid.uuid4().hex}:"
    yield ON_REDIS % prefix
    if keys := list(client.scan_iter(f"{prefix}*")):
        client.delete(*keys)
    client.close()


def test_a_forked_child_is_a_worker_of_its_own(on_redis):
    code = (
        FORK
        + on_redis
        + """
import time
ref = sessions.start_session("room")
heard = []
ref.subscribe("counter.count", receiver=lambda event, value: heard.append(value))
ref.dispatch("counter.add")
def child():
    assert len(sessions.supervisor.registry) == 0 and len(sessions.shared.engine.hub) == 0
    own = sessions.ref("room")
    told = []
    own.subscribe("counter.count", receiver=lambda event, value: told.append(value))
    assert own.dispatch("counter.add") == 2
    print("child", *told)
in_child(child)
end = time.monotonic() + 10
while heard[-1] != 2 and time.monotonic() < end:
    time.sleep(0.01)
print("parent", *heard, ref.dispatch("counter.add"))
ref.terminate()
"""
    )
    assert run(code) == ["child", "1", "2", "parent", "0", "1", "2", "3"]


def test_a_fork_while_a_thread_waits_for_the_engine_leaves_nothing_behind(on_redis):
    code = (
        FORK
        + on_redis
        + """
ref = sessions.start_session("room")
stop = threading.Event()
def work():
    while not stop.is_set():
        ref.dispatch("counter.add")
workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
def child():
    before = sessions.ref("room").get_state("counter.count")
    assert sessions.ref("room").dispatch("counter.add") > before
try:
    for _ in range(3):
        in_child(child)
finally:
    stop.set()
    for worker in workers:
        worker.join(10)
print("done")
ref.terminate()
"""
    )
    assert run(code) == ["done"]


def test_a_forked_child_has_a_name_of_its_own_and_waits_for_no_lock_of_its_parents(on_redis):
    code = (
        FORK
        + on_redis
        + """
ref, other = sessions.start_session("room"), sessions.start_session("other")
engine = sessions.shared.engine
parent = engine.worker
def child():
    assert engine.worker != parent
    sessions.ref("room").subscribe(receiver=lambda *_: None)
    assert sessions.ref("room").dispatch("counter.add") == 1
    asyncio.run(later())
    assert sessions.start_session("own", Behind).dispatch("counter.add") == 1
    sessions.terminate("own")
async def later():
    sessions.ref("other").dispatch_nowait("counter.add")
class Behind(SessionProcess):
    durability = "write_behind"
    from testsite.reducers import CounterReducer
    reducers = [CounterReducer]
with engine.hub._lock, sessions._lock, sessions._unseen_lock, sessions.shared.flusher._lock:
    in_child(child)
print("done")
ref.terminate()
other.terminate()
"""
    )
    assert run(code) == ["done"]
