"""Leases: one holder at a time, and a holder that has lost its lease learns it."""

import asyncio
import signal
import subprocess
import sys
import uuid
from importlib.util import find_spec
from pathlib import Path

import pytest
from asgiref.sync import SyncToAsync
from conftest import require
from django.core.exceptions import SynchronousOnlyOperation

from phoenix_sessions import BackendUnavailable, Fenced, sessions
from phoenix_sessions.backends.memory import MemoryBackend
from phoenix_sessions.runtime.clock import SystemClock
from phoenix_sessions.testing import isolated_sessions, settle


def test_a_free_lease_is_claimed():
    lease = sessions.claim("robot", 30)

    assert (lease.name, lease.held, lease.expires_in) == ("robot", True, 30)
    assert not lease.lost.is_set()


def test_a_lease_that_somebody_holds_is_not_given():
    sessions.claim("robot")

    assert sessions.claim("robot") is None


def test_a_released_lease_is_given_with_a_higher_number():
    first = sessions.claim("robot")
    first.release()
    first.release()

    second = sessions.claim("robot")

    assert not first.held
    assert second.fence > first.fence


def test_leaving_the_block_releases():
    with sessions.claim("robot") as lease:
        assert lease.held

    assert sessions.claim("robot").held


async def test_the_async_twins():
    async with await sessions.aclaim("robot") as lease:
        assert await sessions.aclaim("robot") is None
        await lease.arenew(60)
        assert lease.expires_in == 60

    assert (await sessions.aclaim("robot")).held


def test_a_renewed_lease_lasts_as_long_as_it_was_claimed(clock):
    lease = sessions.claim("robot", 30)
    clock.advance(20)

    lease.renew()

    clock.advance(20)
    assert lease.held
    assert sessions.claim("robot") is None


def test_a_lease_can_be_renewed_for_another_time():
    lease = sessions.claim("robot", 30)

    lease.renew(90)

    assert lease.expires_in == 90


def test_a_lease_runs_out(clock):
    told = []
    lease = sessions.claim("robot", 30, on_lost=told.append)
    clock.advance(30)

    assert (lease.held, lease.expires_in) == (False, 0)
    assert lease.lost.is_set()
    assert told == [lease]
    assert sessions.claim("robot").fence > lease.fence


class Unreachable(MemoryBackend):
    """An engine that cannot be asked while ``down``; what it was asked for before that is done."""

    down = 0
    does = False

    def _fail(self, verb, *args):
        if not self.down:
            return verb(*args)
        self.down -= 1
        if self.does:
            verb(*args)
        raise BackendUnavailable("as asked", maybe=self.does)

    def claim(self, *args):
        return self._fail(super().claim, *args)

    def renew(self, *args):
        return self._fail(super().renew, *args)

    def release(self, *args):
        return self._fail(super().release, *args)


@pytest.fixture
def engine(clock, monkeypatch):
    engine = Unreachable({}, clock)
    monkeypatch.setattr(sessions, "_backend", engine)
    return engine


def test_a_lease_that_ran_out_is_lost_though_the_engine_cannot_be_asked(clock, engine):
    lease = sessions.claim("robot", 30)
    engine.down = 100
    with pytest.raises(BackendUnavailable):
        lease.renew()
    assert lease.held
    clock.advance(30)

    with pytest.raises(Fenced):
        lease.renew()


def test_a_lease_that_another_took_is_lost_at_the_next_renewal():
    told = []
    lease = sessions.claim("robot", on_lost=told.append)
    sessions.backend.release("robot", lease._owner, lease.fence)  # the engine has lost it
    sessions.claim("robot")

    with pytest.raises(Fenced):
        lease.renew()

    assert not lease.held
    assert told == [lease]


class Slow(MemoryBackend):
    """An engine whose answers take five seconds."""

    def claim(self, *args):
        claim = super().claim(*args)
        self._clock.advance(5)
        return claim


def test_its_time_counts_from_before_the_engine_was_asked(clock, monkeypatch):
    monkeypatch.setattr(sessions, "_backend", Slow({}, clock))

    assert sessions.claim("robot", 30).expires_in == 25


# -- waiting -------------------------------------------------------------------------------------------------------


def test_who_waits_gets_it_when_it_is_free():
    sessions.claim("robot", 5)

    assert sessions.claim("robot", wait=6).held


def test_who_waits_in_vain_gets_none(clock):
    sessions.claim("robot", 30)
    begin = clock.monotonic()

    assert sessions.claim("robot", wait=3) is None

    assert clock.monotonic() - begin == pytest.approx(3)


async def test_who_waits_on_a_loop_gets_it_too():
    await sessions.aclaim("robot", 5)

    assert (await sessions.aclaim("robot", wait=6)).held


def test_an_engine_that_cannot_be_asked_is_no_refusal(engine):
    engine.down = 1

    with pytest.raises(BackendUnavailable):
        sessions.claim("robot")


@pytest.mark.parametrize("does", [False, True], ids=["not done", "done without an answer"])
def test_who_waits_asks_again_when_the_engine_is_back(engine, does):
    engine.down, engine.does = 3, does

    assert sessions.claim("robot", wait=10).held


# -- keeping -------------------------------------------------------------------------------------------------------


def let_pass(clock, seconds):
    """Let time pass in steps of a third of a second, each with what it has to do done."""
    for _ in range(round(seconds * 3)):
        clock.advance(1 / 3)
        settle()


def test_a_kept_lease_is_renewed(clock):
    lease = sessions.claim("robot", 3, keep=True)
    let_pass(clock, 10)

    assert lease.held
    assert sessions.claim("robot") is None
    lease.release()


def others_wait(name="robot"):
    """Return for how long (seconds) the engine refuses others."""
    return sessions.backend.claim(name, "another", 1.0).seconds


def test_a_kept_lease_that_is_renewed_for_longer_is_not_cut_back(clock):
    lease = sessions.claim("robot", 3, keep=True)
    lease.renew(60)
    let_pass(clock, 10)

    assert lease.expires_in == pytest.approx(50)
    assert others_wait() == pytest.approx(50)
    lease.release()


def test_a_kept_lease_that_was_renewed_for_longer_is_kept_after_that(clock):
    lease = sessions.claim("robot", 3, keep=True)
    lease.renew(6)
    let_pass(clock, 20)

    assert lease.held
    assert others_wait() > 0
    lease.release()


def test_the_loss_of_a_lease_that_was_renewed_for_longer_is_noticed_no_later(clock):
    lease = sessions.claim("robot", 3, keep=True)
    lease.renew(60)
    sessions.backend.release("robot", lease._owner, lease.fence)  # the engine has lost it
    let_pass(clock, 1.5)

    assert lease.lost.is_set()


def test_a_kept_lease_that_is_renewed_for_less_is_kept_all_the_same(clock):
    lease = sessions.claim("robot", 30, keep=True)
    lease.renew(1)
    let_pass(clock, 5)

    assert lease.held
    assert others_wait() > 1
    lease.release()


class Overtaking(MemoryBackend):
    """An engine that is asked by others before it comes to what it was asked."""

    before = None

    async def arenew(self, *args):
        before, self.before = self.before, None
        if before is not None:
            before()
        await super().arenew(*args)
        await asyncio.sleep(0)  # here it may be cancelled


@pytest.fixture
def overtaking(clock, monkeypatch):
    engine = Overtaking({}, clock)
    monkeypatch.setattr(sessions, "_backend", engine)
    return engine


async def test_of_two_renewals_at_once_the_shorter_counts(overtaking):
    lease = await sessions.aclaim("robot", 30)
    overtaking.before = lambda: SyncToAsync.single_thread_executor.submit(lease.renew, 60).result()

    await lease.arenew(10)

    assert lease.expires_in == others_wait() == 10


def test_a_renewal_that_comes_between_is_made_up_for(clock, overtaking):
    lease = sessions.claim("robot", 3, keep=True)
    overtaking.before = lambda: SyncToAsync.single_thread_executor.submit(lease.renew, 60).result()
    let_pass(clock, 1.5)

    assert overtaking.before is None
    assert lease.expires_in == others_wait() > 50
    lease.release()


async def test_a_renewal_that_was_cancelled_may_have_been_done(overtaking):
    lease = await sessions.aclaim("robot", 30)
    overtaking.before = asyncio.current_task().cancel

    with pytest.raises(asyncio.CancelledError):
        await lease.arenew(10)

    assert lease.expires_in <= others_wait()


def test_a_renewal_for_less_without_an_answer_may_have_been_done(engine):
    lease = sessions.claim("robot", 30)
    engine.down, engine.does = 1, True

    with pytest.raises(BackendUnavailable):
        lease.renew(10)

    assert lease.expires_in == others_wait() == 10


def test_a_kept_lease_outlives_a_failure_of_the_engine(clock, engine):
    lease = sessions.claim("robot", 3, keep=True)
    engine.down = 2
    let_pass(clock, 10)

    assert engine.down == 0
    assert lease.held
    lease.release()


def test_a_kept_lease_that_cannot_be_renewed_is_lost_when_its_time_is_over(clock, engine):
    told = []
    lease = sessions.claim("robot", 3, keep=True, on_lost=told.append)
    engine.down = 1000
    let_pass(clock, 2.5)
    assert told == []
    let_pass(clock, 1)

    assert lease.lost.is_set()
    assert told == [lease]


def test_a_kept_lease_that_the_engine_gave_to_another_is_lost(clock):
    told = []
    lease = sessions.claim("robot", 3, keep=True, on_lost=told.append)
    sessions.backend.release("robot", lease._owner, lease.fence)
    other = sessions.claim("robot")
    let_pass(clock, 1.5)

    assert told == [lease]
    assert other.held


def test_a_failure_of_who_is_told_is_reported(clock, caplog):
    sessions.claim("robot", 3, on_lost=lambda lease: 1 / 0)
    lease = sessions.claim("other", 3, on_lost=lambda lease: 1 / 0)
    clock.advance(3)

    assert not lease.held

    assert "ZeroDivisionError" in caplog.text


def test_a_released_lease_is_renewed_no_more(clock):
    lease = sessions.claim("robot", 3, keep=True)
    lease.release()
    let_pass(clock, 4)

    assert not lease.lost.is_set()
    assert sessions.claim("robot").held


def test_a_lease_that_could_not_be_given_back_ends_all_the_same(clock, engine, caplog):
    with sessions.claim("robot", 3, keep=True) as lease:
        engine.down = 1
    assert "could not be given back" in caplog.text
    let_pass(clock, 4)

    assert not lease.held
    assert sessions.claim("robot").held


@pytest.fixture
def own_hooks(monkeypatch):
    monkeypatch.setattr(sessions, "_after_stop", [])
    monkeypatch.setattr(sessions, "_releases", False)


def test_kept_leases_are_given_back_at_the_stop(own_hooks):
    lease = sessions.claim("robot", keep=True)

    sessions.stop()

    assert not lease.held
    assert sessions.claim("robot").held


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "x" * 64, "robot:5.main_2-x"])
def test_a_name(name):
    assert sessions.claim(name).name == name


@pytest.mark.parametrize("name", ["", "x" * 65, "robot\n", "ro bot", "röbot", None, 5, b"robot"])
def test_no_name(name):
    with pytest.raises(ValueError, match="name of a lease"):
        sessions.claim(name)


@pytest.mark.parametrize("time", [0, -1, float("inf"), float("nan")])
def test_no_time(time):
    with pytest.raises(ValueError, match="positive"):
        sessions.claim("robot", time)


async def test_the_sync_verbs_are_refused_on_a_loop():
    lease = await sessions.aclaim("robot")
    for verb in (lambda: sessions.claim("other"), lease.renew, lease.release):
        with pytest.raises(SynchronousOnlyOperation):
            verb()


def test_a_lease_says_what_it_is():
    assert repr(sessions.claim("robot")).startswith("<Lease 'robot' fence=")


# -- two processes on Redis ----------------------------------------------------------------------------------------


@pytest.fixture
def prefix(monkeypatch):
    """What keys in Redis begin with; ``sessions`` has them too, on the real clock."""
    require(find_spec("redis"), "redis-py is not installed")
    import redis

    from phoenix_sessions.backends.redis import RedisBackend

    prefix = f"test-{uuid.uuid4().hex}:"
    with redis.Redis.from_url("redis://127.0.0.1:6379/0") as client, isolated_sessions(SystemClock()):
        try:
            client.ping()
        except redis.ConnectionError:
            require(False, "no Redis answers at 127.0.0.1:6379")
        backend = RedisBackend({"prefix": prefix})
        monkeypatch.setattr(sessions, "_backend", backend)
        yield prefix
        backend.close()
        if keys := list(client.scan_iter(f"{prefix}*")):
            client.delete(*keys)


@pytest.fixture
def holder(prefix):
    """A function that starts another process, which keeps the lease "robot"; returns it and its fencing number."""
    processes = []

    def start(seconds):
        command = [sys.executable, Path(__file__).with_name("leaseholder.py"), prefix, str(seconds)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        processes.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in processes:
        with process:
            process.kill()


def ask(process):
    process.stdin.write("?\n")
    return process.stdout.readline().strip()


def test_a_holder_that_was_paused_finds_itself_fenced(holder):
    process, fence = holder(0.5)
    assert ask(process) == "held"
    assert sessions.claim("robot") is None
    process.send_signal(signal.SIGSTOP)

    lease = sessions.claim("robot", wait=10)
    process.send_signal(signal.SIGCONT)

    assert lease.fence > fence
    assert ask(process) == "fenced"
    lease.renew()
    lease.release()


def test_a_holder_that_exits_gives_it_back_at_once(holder):
    process, fence = holder(60)

    process.communicate(timeout=10)

    assert process.returncode == 0
    assert sessions.claim("robot").fence > fence
