"""The shared sessions of a worker: found, counted, bounded, and refused on event loops."""

import asyncio
import threading

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from racing import race
from shared.lab import Count, Room, replica, settle

from phoenix_sessions import (
    RateLimitExceeded,
    SessionAlreadyStarted,
    SessionLimitReached,
    SessionNotFound,
    SessionProcess,
    SessionStopped,
    ShuttingDown,
)


class Hall(SessionProcess):
    reducers = [Count]


def test_a_start_is_made_once_whatever_the_race(here, there):
    starts = [lambda worker=worker: worker.start_session("room", Room) for worker in (here, there) * 4]
    outcomes = race(*starts)
    assert sum(isinstance(each, SessionAlreadyStarted) for each in outcomes) == 7


def test_get_or_start_gives_all_the_same_session(here, there):
    outcomes = race(*[lambda worker=worker: worker.get_or_start("room", Room) for worker in (here, there) * 4])
    assert [ref.dispatch("count.up") for ref in outcomes] == list(range(1, 9))


def test_sessions_of_all_workers_are_listed_and_counted(here, there):
    here.start_session("a", Room)
    there.start_session("b", Hall)
    assert {ref.id for ref in here.list_sessions()} == {"a", "b"}
    assert [ref.id for ref in here.list_sessions_by_process(Hall)] == ["b"]
    assert here.find_sessions_by_pattern("^b") == ["b"]
    assert there.session_info().count == 2


@pytest.fixture
def two_rooms(configure, start_worker, backend):
    configure(MAX_SESSIONS=2)
    return start_worker(backend)


def test_a_session_that_nobody_uses_makes_room(two_rooms):
    for id in "abcd":
        two_rooms.start_session(id, Room).dispatch("tally.add", id)
    assert len(two_rooms.supervisor.registry) == 2
    assert [two_rooms.ref(id).get_state("tally") for id in "abcd"] == [("a",), ("b",), ("c",), ("d",)]


def test_sessions_with_subscribers_do_not_make_room(two_rooms, here):
    for id in "ab":
        two_rooms.start_session(id, Room).subscribe(receiver=lambda *_: None)
    here.start_session("c", Room)
    with pytest.raises(SessionLimitReached):
        two_rooms.start_session("d", Room)
    with pytest.raises(SessionLimitReached):
        two_rooms.ref("c").get_state()
    assert two_rooms.started("c")


def test_a_full_memory_does_not_hide_that_there_is_no_such_session(two_rooms):
    for id in "ab":
        two_rooms.start_session(id, Room).subscribe(receiver=lambda *_: None)
    assert not two_rooms.started("nobody")
    with pytest.raises(SessionNotFound):
        two_rooms.ref("nobody").get_state()


def test_who_is_looked_for_in_vain_pushes_nobody_out(two_rooms):
    for id in "ab":
        two_rooms.start_session(id, Room)
    assert not two_rooms.started("nobody")
    assert replica(two_rooms, "a") is not None
    assert replica(two_rooms, "b") is not None


def test_room_is_found_behind_a_hundred_that_are_in_use(configure, start_worker, backend):
    configure(MAX_SESSIONS=121, RATE_LIMIT=None)
    worker = start_worker(backend)
    for number in range(120):
        worker.start_session(f"used-{number}", Room).subscribe(receiver=lambda *_: None)
    worker.start_session("free", Room)
    worker.start_session("next", Room)
    assert replica(worker, "free") is None


def test_a_use_that_the_engine_does_not_know_of_is_not_forgotten_with_the_memory(two_rooms, here, clock):
    here.start_session("room", Room, ttl=100)
    two_rooms.ref("room").get_state()
    settle(two_rooms)
    clock.advance(4)
    two_rooms.ref("room").get_state()
    for id in "cd":
        two_rooms.start_session(id, Room)
    settle(two_rooms)
    assert here.backend.sessions["room"].used == clock.monotonic()


def test_the_rate_of_starts_is_that_of_each_worker(settings, start_worker, backend):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "RATE_LIMIT": "2/m"}
    first, second = start_worker(backend), start_worker(backend)
    for id in "ab":
        first.start_session(id, Room)
    with pytest.raises(RateLimitExceeded):
        first.start_session("c", Room)
    second.start_session("c", Room)
    with pytest.raises(SessionAlreadyStarted):
        second.start_session("a", Room)
    second.start_session("d", Room)


def test_a_start_that_is_refused_leaves_nothing(settings, start_worker, backend):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "RATE_LIMIT": "1/m"}
    worker = start_worker(backend)
    worker.start_session("a", Room)
    with pytest.raises(RateLimitExceeded):
        worker.start_session("b", Room)
    assert "b" not in backend.sessions
    assert len(worker.supervisor.registry) == 1


def test_a_worker_that_stops_ends_no_session(here):
    ref = here.start_session("room", Room)
    heard = []
    ref.subscribe(receiver=lambda event, value: heard.append((event, value)))
    here.stop(5)
    assert heard[-1] == ("terminated", "shutdown")
    assert "room" in here.backend.sessions


@pytest.mark.parametrize("reason", ["passivated", "shutdown"])
def test_a_reason_that_a_user_gives_ends_it_whatever_it_says(here, reason):
    ref = here.start_session("room", Room)
    session = here.supervisor.registry.get("room")
    here.terminate("room", reason)
    with pytest.raises(SessionStopped):
        session.ask(True, None, session.enter)
    assert not ref.started()
    assert "room" not in here.backend.sessions


def test_a_worker_that_stops_serves_who_comes_meanwhile(here, there):
    here.start_session("room", Room)
    there.start_session("other", Room)
    there.stop(5)
    assert there.ref("room").dispatch("count.up") == 1
    assert there.ref("other").dispatch("count.up") == 1
    with pytest.raises(ShuttingDown):
        there.get_or_start("new", Room)
    assert not here.started("new")


# -- event loops -------------------------------------------------------------------------------------------------------


async def test_a_verb_that_waits_is_refused_on_an_event_loop(here, there):
    await here.astart_session("room", Room)
    ref = there.ref("room")
    for verb in (ref.get_state, ref.history, ref.snapshot, lambda: ref.dispatch("count.up"), lambda: ref.call("x")):
        with pytest.raises(SynchronousOnlyOperation):
            verb()


async def test_what_this_worker_has_not_seen_cannot_be_looked_at_on_an_event_loop(here, there):
    await here.astart_session("room", Room)
    ref = there.ref("room")
    with pytest.raises(SynchronousOnlyOperation, match="not seen"):
        ref.state  # noqa: B018
    await ref.aget_state()
    assert ref.state == {"tally": (), "count": 0}


def test_what_this_worker_has_not_seen_is_loaded_on_a_thread(here, there):
    here.start_session("room", Room)
    assert there.ref("room").state == {"tally": (), "count": 0}
    assert there.ref("room").version == 0


async def test_what_is_posted_to_nobody_is_reported(there, caplog):
    there.shared  # noqa: B018
    there.ref("nobody").dispatch_nowait("count.up")
    await asyncio.to_thread(settle, there)
    assert "no session runs under the id 'nobody'" in caplog.text


async def test_what_could_not_be_posted_for_want_of_a_thread_can_be_posted_later(here, there):
    def fail(*args):
        raise RuntimeError("can't start new thread")

    await here.astart_session("room", Room)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            there.ref("room").dispatch_nowait("count.up")
    there.ref("room").dispatch_nowait("count.up")
    await asyncio.to_thread(settle, there)
    assert await there.ref("room").aget_state("count") == 1


def test_a_use_that_the_engine_does_not_know_is_told_at_the_stop(here, backend, clock):
    ref = here.start_session("room", Room, ttl=3600)
    clock.advance(1)
    ref.get_state()
    assert backend.sessions["room"].used < clock.monotonic()
    assert here.stop(5)
    assert backend.sessions["room"].used == clock.monotonic()


def test_what_is_posted_to_nobody_on_a_thread_is_raised(there):
    with pytest.raises(SessionNotFound):
        there.ref("nobody").dispatch_nowait("count.up")


def test_the_first_use_of_a_worker_may_come_from_many_threads_at_once(here, start_worker, backend):
    here.start_session("room", Room)
    for _ in range(30):
        there = start_worker(backend)
        answers = race(*[lambda there=there: there.ref("room").get_state("count")] * 8)
        assert answers == [0] * 8
