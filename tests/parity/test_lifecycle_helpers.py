"""The original's Helpers: batches, broadcasts, health, patterns, and calls and starts that are tried again."""

import asyncio
import re
import threading

import pytest
from samples import Room

from phoenix_sessions import (
    CallTimeout,
    InvalidSessionId,
    NoReply,
    RateLimitExceeded,
    Reply,
    SessionAlreadyStarted,
    SessionLimitReached,
    SessionNotFound,
    SessionProcess,
    SessionRef,
    sessions,
)
from phoenix_sessions.testing import settle


def configure(settings, **values):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, **values}


# -- batches -----------------------------------------------------------------------------------------------------------


def test_start_many_tells_of_each_whether_it_started():
    taken = sessions.start_session("b")
    started = sessions.start_sessions(["a", "b", "wrong id", "c"], Room)
    assert list(started) == ["a", "b", "wrong id", "c"]
    assert [type(outcome) for outcome in started.values()] == [
        SessionRef, SessionAlreadyStarted, InvalidSessionId, SessionRef,
    ]  # fmt: skip
    assert started["b"].ref == taken
    assert started["a"].get_state() == {"count": 0}


def test_start_many_gives_all_the_same_args():
    class Greeting(SessionProcess):
        def init_state(self, args):
            return {"args": args}

    started = sessions.start_sessions(["a", "b"], Greeting, {"debug": True})
    assert [ref.get_state("args") for ref in started.values()] == [{"debug": True}] * 2


def test_start_many_starts_so_many_at_once():
    lock, now, most = threading.Lock(), [0], [0]
    barrier = threading.Barrier(3)

    class Meeting(SessionProcess):
        def init_state(self, args):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            barrier.wait(10)
            with lock:
                now[0] -= 1
            return {}

    started = sessions.start_sessions([f"s{number}" for number in range(9)], Meeting, concurrency=3)
    assert [type(outcome) for outcome in started.values()] == [SessionRef] * 9
    assert most == [3]


def test_terminate_many_tells_of_each_whether_it_ended():
    for id in ("a", "c"):
        sessions.start_session(id)
    ended = sessions.terminate_sessions(["a", "b", "c"], "closing")
    assert [type(outcome) for outcome in ended.values()] == [type(None), SessionNotFound, type(None)]
    assert sessions.list_sessions() == []


async def test_batches_have_async_twins():
    started = await sessions.astart_sessions(["a", "b"], Room)
    assert [await ref.adispatch("count.add") for ref in started.values()] == [1, 1]
    assert await sessions.aterminate_sessions(["a", "b"]) == {"a": None, "b": None}


# -- all sessions ------------------------------------------------------------------------------------------------------


class Hearing(SessionProcess):
    reducers = []

    def init_state(self, args):
        return {"heard": ()}

    def handle_info(self, message, state):
        return NoReply({**state, "heard": (*state["heard"], message)})


def test_a_broadcast_reaches_handle_info_of_every_session():
    refs = [sessions.start_session(f"s{number}", Hearing) for number in range(5)]
    assert sessions.broadcast_all(("maintenance", 5)) is None
    settle()
    assert [ref.get_state("heard") for ref in refs] == [(("maintenance", 5),)] * 5


def test_a_broadcast_that_a_session_does_not_know_harms_nobody(caplog):
    deaf, hearing = sessions.start_session("deaf", Room), sessions.start_session("hearing", Hearing)
    sessions.broadcast_all("hello")
    settle()
    assert deaf.started()
    assert hearing.get_state("heard") == ("hello",)


def test_health_counts_the_sessions_and_says_whether_they_keep_up():
    sessions.start_sessions(["a", "b", "c"], Room)
    health = sessions.session_health()
    assert (health.healthy, health.sessions, health.busy, health.behind) == (True, 3, 0, ())


def test_find_by_pattern():
    sessions.start_sessions(["user_1", "user_22", "guest_1", "a_user_3"])
    assert sorted(sessions.find_sessions_by_pattern("^user_")) == ["user_1", "user_22"]
    assert sorted(sessions.find_sessions_by_pattern(re.compile("_1$"))) == ["guest_1", "user_1"]
    assert sessions.find_sessions_by_pattern("nobody") == []


# -- again and again ---------------------------------------------------------------------------------------------------


def test_a_call_is_made_again_where_it_was_certainly_not_handled(clock):
    entered, release = threading.Event(), threading.Event()
    clock.busy = True

    class Gate(SessionProcess):
        """Handles "block" until released."""

        reducers = []

        def handle_call(self, request, state):
            if request == "block":
                entered.set()
                assert release.wait(10)
            return Reply("open")

    ref = sessions.start_session("s", Gate, ttl=None)
    blocker = threading.Thread(target=ref.call, args=("block",))
    blocker.start()
    assert entered.wait(10)
    with pytest.raises(CallTimeout):
        ref.call("other", timeout=0.01)
    clock.wake_at(clock.monotonic() + 0.1, release.set, None)  # the waits between the attempts let the time pass
    assert ref.call("other", timeout=0.01, retries=1000) == "open"
    blocker.join(10)


def test_a_call_whose_handler_has_begun_is_not_made_again():
    calls, entered = [], threading.Event()

    class Slow(SessionProcess):
        reducers = []

        async def handle_call(self, request, state):
            calls.append(request)
            entered.set()
            await asyncio.Event().wait()

    ref = sessions.start_session("s", Slow)
    with pytest.raises(CallTimeout) as caught:
        ref.call("once", timeout=0.01, retries=1000)  # until one has begun
    assert caught.value.started
    assert entered.wait(10)
    assert calls == ["once"]


def test_a_call_to_nobody_is_not_made_again():
    with pytest.raises(SessionNotFound):
        sessions.ref("nobody").call("anything", retries=5)


def test_a_start_waits_for_the_rate_as_long_as_that_says(settings, clock):
    configure(settings, RATE_LIMIT="1/m")
    sessions.start_session("first")
    with pytest.raises(RateLimitExceeded):
        sessions.start_session("second")
    before = clock.monotonic()
    assert sessions.start_session("second", retries=1).started()
    assert clock.monotonic() - before == 60


def test_a_start_waits_for_room(settings):
    configure(settings, MAX_SESSIONS=1)
    sessions.start_session("first", ttl=1)
    with pytest.raises(SessionLimitReached):
        sessions.start_session("second", retries=2)
    assert sessions.start_session("second", retries=10).started()


async def test_an_async_start_waits_too(settings):
    configure(settings, RATE_LIMIT="1/m")
    await sessions.astart_session("first")
    ref = await sessions.astart_session("second", retries=1)
    assert await ref.astarted()


def test_a_start_that_finds_the_id_taken_does_not_wait(settings, clock):
    sessions.start_session("s")
    before = clock.monotonic()
    with pytest.raises(SessionAlreadyStarted):
        sessions.start_session("s", retries=5)
    assert clock.monotonic() == before
