"""The backend of a site with one OS process keeps the contract."""

import asyncio
import contextlib

import pytest

from phoenix_sessions import BackendUnavailable, SessionNotFound
from phoenix_sessions.backends.base import Point, Record
from phoenix_sessions.backends.conformance import BackendConformance, Listener, LoopThread
from phoenix_sessions.backends.memory import MemoryBackend

RECORD = Record(at=Point(7, 0), birth=b"birth", state=b"state")


class LossyBackend(MemoryBackend):
    """Another way to the same sessions, on which answers can be lost."""

    def __init__(self, backend):
        self.__dict__ = backend.__dict__ | {"lost": False, "timeout": 0.0}

    @contextlib.contextmanager
    def losing(self):
        self.lost = True
        yield
        self.lost = False

    def answer(self, answer):
        if self.lost:
            raise BackendUnavailable("the answer is lost", maybe=True)
        return answer

    def create(self, *args):
        return self.answer(super().create(*args))

    def commit(self, *args):
        return self.answer(super().commit(*args))

    def touch(self, *args):
        return self.answer(super().touch(*args))

    def expire(self, *args):
        return self.answer(super().expire(*args))

    def delete(self, *args):
        return self.answer(super().delete(*args))

    def claim(self, *args):
        return self.answer(super().claim(*args))


class TestMemory(BackendConformance):
    @pytest.fixture
    def backend(self, clock):
        return MemoryBackend({}, clock=clock)

    @pytest.fixture
    def unclocked(self):
        return MemoryBackend({})

    @pytest.fixture
    def lossy(self, backend):
        lossy = LossyBackend(backend)
        return lossy, lossy.losing


@pytest.fixture
def backend(clock):
    return MemoryBackend({}, clock=clock)


def test_a_session_is_refused_as_soon_as_its_ttl_is_over(backend, clock):
    backend.create("visitor", RECORD, 60)
    clock.advance(60)
    with pytest.raises(SessionNotFound):
        backend.load("visitor")
    assert (backend.log("visitor"), backend.scan().sessions) == ([], ())


def test_a_session_can_be_created_again_as_soon_as_its_ttl_is_over(backend, clock):
    backend.create("visitor", RECORD, 60)
    backend.create("another", RECORD, None)
    clock.advance(60)
    backend.create("visitor", RECORD, None)
    assert [id for id, _ in backend.scan().sessions] == ["another", "visitor"]


def test_what_is_idle_is_swept_away(backend, clock):
    for number in range(5):
        backend.create(f"visitor-{number}", RECORD, 60)
    clock.advance(60)
    assert (backend.sweep(3), backend.sweep(), backend.count()) == (3, 2, 0)


def test_a_ttl_that_became_shorter_counts(backend, clock):
    backend.create("visitor", RECORD, 600)
    backend.touch("visitor", 60)
    clock.advance(60)
    assert (backend.sweep(), backend.count()) == (1, 0)


def test_a_session_that_was_used_meanwhile_is_swept_away_later(backend, clock):
    backend.create("visitor", RECORD, 60)
    clock.advance(30)
    backend.touch("visitor", 60)
    clock.advance(30)
    assert backend.sweep() == 0
    clock.advance(30)
    assert backend.sweep() == 1


def test_two_backends_know_nothing_of_each_other(backend):
    backend.create("visitor", RECORD, None)
    assert MemoryBackend({}).count() == 0


def test_a_loop_that_was_closed_under_its_watch_harms_nobody(backend):
    loop = asyncio.new_event_loop()
    watch = backend.watch(None)
    watch.add("visitor")
    watching = watch.run()
    loop.call_soon(watching.send, None)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    with LoopThread.running() as living:
        listener = Listener(backend, living)
        listener.add("visitor")
        backend.tell("visitor", b"notice")
        listener.until("noticed", "visitor", b"notice")
        listener.stop()
    watching.close()
