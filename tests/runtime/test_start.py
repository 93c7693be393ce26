"""Starting: one wins, nobody is blocked, nothing is left behind, and the limits hold under races."""

import asyncio
import threading
from collections import Counter

import pytest
from racing import race

from phoenix_sessions import (
    RateLimitExceeded,
    Reducer,
    SessionAlreadyStarted,
    SessionLimitReached,
    SessionNotFound,
    SessionProcess,
    SessionRef,
    sessions,
)


def limits(settings, **values):
    settings.PHOENIX_SESSIONS = {"RATE_LIMIT": None, **values}


class Counted(SessionProcess):
    starts = 0

    def init_state(self, args):
        type(self).starts += 1
        return {"args": args}


@pytest.fixture(autouse=True)
def _from_zero():
    Counted.starts = 0


def test_of_50_racing_starts_one_wins_and_49_are_told():
    outcomes = race(*[lambda: sessions.start_session("one", Counted)] * 50)

    kinds = Counter(type(outcome) for outcome in outcomes)
    assert kinds == {SessionRef: 1, SessionAlreadyStarted: 49}
    assert {outcome.ref for outcome in outcomes if isinstance(outcome, SessionAlreadyStarted)} == {
        sessions.find_session("one")
    }
    assert Counted.starts == 1


def test_racing_get_or_start_starts_once_and_all_get_it():
    outcomes = race(*[lambda: sessions.get_or_start("one", Counted)] * 50)

    assert set(outcomes) == {sessions.find_session("one")}
    assert Counted.starts == 1


def test_get_or_start_races_on_threads_and_event_loops():
    threads = [lambda: sessions.get_or_start("one", Counted)] * 10
    loops = [lambda: asyncio.run(sessions.aget_or_start("one", Counted))] * 10

    assert set(race(*threads, *loops)) == {sessions.ref("one")}
    assert Counted.starts == 1


def test_get_or_start_against_terminate_always_gives_a_session():
    stop = threading.Event()

    def terminate():
        while not stop.is_set():
            for ref in sessions.list_sessions():
                try:
                    ref.terminate()
                except SessionNotFound:
                    continue

    def start():
        try:
            return all(sessions.get_or_start("one").id == "one" for _ in range(300))
        finally:
            stop.set()

    assert race(terminate, start) == [None, True]


def test_a_slow_start_blocks_no_other_start():
    entered, release = threading.Event(), threading.Event()

    class Slow(SessionProcess):
        def init_state(self, args):
            entered.set()
            assert release.wait(10)
            return {}

    slow = threading.Thread(target=sessions.start_session, args=("slow", Slow))
    slow.start()
    assert entered.wait(10)
    try:
        assert sessions.start_session("quick") == sessions.find_session("quick")
        assert not sessions.started("slow")
        with pytest.raises(SessionNotFound):
            sessions.find_session("slow")
        with pytest.raises(SessionAlreadyStarted):
            sessions.start_session("slow")
    finally:
        release.set()
        slow.join(10)
    assert sessions.started("slow")


def test_get_or_start_waits_for_a_start_under_way():
    entered, release = threading.Event(), threading.Event()

    class Slow(SessionProcess):
        def init_state(self, args):
            entered.set()
            assert release.wait(10)
            return {"ready": True}

    def second():
        assert entered.wait(10)
        asker = threading.Timer(0, release.set)
        asker.start()
        return sessions.get_or_start("slow", Slow).get_state("ready")

    first, state = race(lambda: sessions.start_session("slow", Slow), second)
    assert first.id == "slow"
    assert state is True


class Broken(SessionProcess):
    def init_state(self, args):
        raise LookupError("no such room")


def test_a_start_that_fails_raises_its_own_error_and_leaves_nothing():
    supervisor = sessions.supervisor

    with pytest.raises(LookupError, match="no such room"):
        sessions.start_session("room", Broken)

    assert "room" not in sessions
    assert len(supervisor.registry) == len(supervisor.expiry) == 0
    assert sessions.start_session("room").get_state() == {"counter": {"count": 0}}


@pytest.mark.parametrize("own", [None, [], "x", {"counter": 1}])
def test_a_first_state_that_cannot_be_is_refused(own):
    class Odd(SessionProcess):
        def init_state(self, args):
            return own

    with pytest.raises((TypeError, ValueError), match="init_state"):
        sessions.start_session("room", Odd)
    assert "room" not in sessions


def test_a_slice_that_starts_as_none_is_refused():
    class Nothing(Reducer):
        name = "nothing"

        def init_state(self):
            return None

    class Room(SessionProcess):
        reducers = [Nothing]

    with pytest.raises(ValueError, match=r"nothing.*None"):
        sessions.start_session("room", Room)
    assert "room" not in sessions


def test_get_or_start_raises_what_the_start_raised_to_all_who_race():
    outcomes = race(*[lambda: sessions.get_or_start("room", Broken)] * 10)
    assert {type(outcome) for outcome in outcomes} == {LookupError}


# -- limits ------------------------------------------------------------------------------------------------------------


def test_max_sessions_is_exact_under_a_race(settings):
    limits(settings, MAX_SESSIONS=10)

    outcomes = race(*(lambda id=f"s{number}": sessions.start_session(id) for number in range(40)))

    assert Counter(type(outcome) for outcome in outcomes) == {SessionRef: 10, SessionLimitReached: 30}
    assert len(sessions.list_sessions()) == 10


def test_a_session_that_ended_makes_room(settings):
    limits(settings, MAX_SESSIONS=1)
    sessions.start_session("first").terminate()

    assert sessions.start_session("second").started()


def test_a_failed_start_makes_room(settings):
    limits(settings, MAX_SESSIONS=1)
    with pytest.raises(LookupError):
        sessions.start_session("first", Broken)

    assert sessions.start_session("second").started()


def test_the_limit_names_itself(settings):
    limits(settings, MAX_SESSIONS=1)
    sessions.start_session("first")

    with pytest.raises(SessionLimitReached, match="MAX_SESSIONS") as caught:
        sessions.start_session("second")
    assert caught.value.limit == 1


def test_the_rate_limit_is_a_sliding_window(settings, clock):
    limits(settings, RATE_LIMIT="2/m")
    sessions.start_session("a")
    clock.advance(40)
    sessions.start_session("b")

    with pytest.raises(RateLimitExceeded, match="RATE_LIMIT") as caught:
        sessions.start_session("c")
    assert (caught.value.limit, caught.value.window, caught.value.retry_after) == (2, 60.0, 20.0)

    clock.advance(20)
    sessions.start_session("c")
    with pytest.raises(RateLimitExceeded) as caught:
        sessions.start_session("d")
    assert caught.value.retry_after == 40.0


def test_an_id_that_is_taken_uses_up_no_rate(settings):
    limits(settings, RATE_LIMIT="2/m")
    sessions.start_session("a")
    for _ in range(5):
        with pytest.raises(SessionAlreadyStarted):
            sessions.start_session("a")
        sessions.get_or_start("a")

    assert sessions.start_session("b").started()


def test_a_process_that_is_not_rate_limited_uses_up_no_rate(settings):
    settings.PHOENIX_SESSIONS = {"RATE_LIMIT": "1/m"}
    free = type("Free", (SessionProcess,), {"rate_limited": False})
    for number in range(3):
        assert sessions.start_session(f"free-{number}", free).started()
    sessions.start_session("counted")
    assert sessions.start_session("free-3", free).started()
    with pytest.raises(RateLimitExceeded):
        sessions.start_session("too-many")


def test_the_rate_limit_is_exact_under_a_race(settings):
    limits(settings, RATE_LIMIT="7/h")

    outcomes = race(*(lambda id=f"s{number}": sessions.start_session(id) for number in range(30)))

    assert Counter(type(outcome) for outcome in outcomes) == {SessionRef: 7, RateLimitExceeded: 23}


def test_no_room_uses_up_no_rate(settings):
    limits(settings, RATE_LIMIT="2/m", MAX_SESSIONS=1)
    first = sessions.start_session("a")
    with pytest.raises(SessionLimitReached):
        sessions.start_session("b")
    first.terminate()

    assert sessions.start_session("b").started()


# -- nothing stays -----------------------------------------------------------------------------------------------------


def test_100_starts_and_ends_leave_nothing_behind():
    class Room(SessionProcess):
        def init_state(self, args):
            self.send_after(60, "tick")
            return {}

    supervisor = sessions.supervisor
    sessions.start_session("warm", Room).terminate()
    timers = len(supervisor.timers)

    for number in range(100):
        ref = sessions.start_session(f"s{number}", Room)
        ref.subscribe("counter.count", receiver=lambda event, value: None)
        ref.dispatch("counter.add")
        ref.terminate()

    assert len(supervisor.registry) == len(supervisor.expiry) == 0
    assert len(supervisor.timers) == timers  # of the buckets; none of the sessions
    assert sessions.list_sessions() == []
    assert sessions.session_stats().subscribers == 0


def test_sessions_that_ended_are_garbage():
    import gc
    import weakref

    ref = sessions.start_session("gone")
    ref.subscribe("counter.count", receiver=lambda event, value: None)
    watched = weakref.ref(sessions.supervisor.find("gone"))
    ref.terminate()
    gc.collect()
    assert watched() is None
