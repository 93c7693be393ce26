"""What the original does wrong, the right way round.

Each test is named after the right behaviour; its comment says what the original (version 1.0.0) does instead.
"""

import asyncio
import gc
import logging
import threading
from collections import Counter

import pytest
from racing import race, until
from samples import Count, EchoRoom, Room

from phoenix_sessions import (
    CallFailed,
    Reducer,
    SelectorError,
    SessionAlreadyStarted,
    SessionLimitReached,
    SessionNotFound,
    SessionProcess,
    SessionRef,
    debounce,
    effect,
    on,
    sessions,
    throttle,
)
from phoenix_sessions.testing import settle


class Log(Reducer):
    """Keeps the types of its actions, as it sees them."""

    name = "log"

    def init_state(self):
        return ()

    @on("throttled")
    @throttle("3s")
    def throttled(self, action, state):
        return (*state, action.type)

    @on("debounced")
    @debounce("500ms")
    def debounced(self, action, state):
        return (*state, action.type)

    def handle_action(self, action, state):
        return (*state, action.type)


class LogRoom(SessionProcess):
    reducers = [Log, ("mine", Log, "own")]


# -- types and prefixes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prefix", "mount"), [("log", "log"), ("own", "mine")])
def test_a_throttle_counts_for_the_local_type(prefix, mount, clock):
    # The throttle is looked up by the full type, so one declared for "reload" never holds "log.reload" back.
    ref = sessions.start_session("s", LogRoom, ttl=None)
    for _ in range(5):
        ref.dispatch(f"{prefix}.throttled")
    assert ref.get_state(mount) == ("throttled",)


@pytest.mark.parametrize(("prefix", "mount"), [("log", "log"), ("own", "mine")])
def test_a_debounced_action_arrives_with_its_local_type(prefix, mount, clock):
    # It arrives with its full type, so the clause for the local type does not match it.
    ref = sessions.start_session("s", LogRoom, ttl=None)
    ref.dispatch(f"{prefix}.debounced")
    clock.advance(0.5)
    assert ref.get_state(mount) == ("debounced",)


def test_the_prefix_of_a_mount_is_stripped():
    # Only the reducer's own @action_prefix is stripped, not the one that it is mounted with.
    ref = sessions.start_session("s", LogRoom)
    ref.dispatch("own.deep.type")
    assert ref.get_state("mine") == ("deep.type",)


# -- effects -----------------------------------------------------------------------------------------------------------


class Fetching(Count):
    @effect("fetch")
    async def fetch(self, action, dispatch, state):
        await dispatch("count.add")

    @effect("fetch-in-a-thread")
    def fetch_in_a_thread(self, action, dispatch, state):
        dispatch("count.add")

    @effect("raise")
    def raise_(self, action, dispatch, state):
        raise ValueError("as asked")


@pytest.fixture
def fetching():
    return sessions.start_session("s", type("FetchingRoom", (SessionProcess,), {"reducers": [Fetching]}))


@pytest.mark.parametrize("work", ["count.fetch", "count.fetch-in-a-thread"])
def test_an_effect_that_ends_does_not_end_the_session(fetching, work):
    # The documented Task.async recipe sends its result to the session, which has no clause for it, and dies.
    epoch = fetching.epoch
    fetching.dispatch_async(work).result(10)
    settle()
    assert (fetching.epoch, fetching.get_state("count")) == (epoch, 1)


def test_an_effect_that_raises_does_not_end_the_session(fetching, caplog):
    # A task is linked to its session, so what it raises ends that, too.
    epoch = fetching.epoch
    with pytest.raises(ValueError, match="as asked"):
        fetching.dispatch_async("count.raise").result(10)
    settle()
    assert (fetching.epoch, fetching.dispatch("count.add")) == (epoch, 1)


@pytest.mark.parametrize("work", ["count.fetch", "count.fetch-in-a-thread"])
def test_dispatch_with_a_type_alone_works_in_an_effect(fetching, work):
    # dispatch has three arguments there, and the documented dispatch.(type) is a BadArityError.
    fetching.dispatch_async(work).result(10)
    assert fetching.get_state("count") == 1


# -- life --------------------------------------------------------------------------------------------------------------


def test_dispatch_refreshes_the_ttl(clock):
    # call and cast do, dispatch does not: a session that is only dispatched to expires while it is used.
    ref = sessions.start_session("s", Room, ttl=60)
    for _ in range(10):
        clock.advance(50)
        ref.dispatch("count.add")
    assert ref.get_state("count") == 10


@pytest.mark.parametrize("late", [59.0, 59.9, 59.99])
def test_a_call_late_in_the_life_puts_the_end_off_by_the_ttl_and_no_more_than_1_second(late, clock):
    # The timer of the first TTL finds the session used, and leaves it to the next sweep, up to 60 seconds later.
    ref = sessions.start_session("s", Room, ttl=60)
    clock.advance(late)
    ref.call("get_state")
    clock.advance(59.9)
    assert ref.started()
    clock.advance(1.1)
    assert not ref.started()


def test_the_process_class_of_a_session_is_remembered():
    # The class is registered by the process that starts the session, and forgotten when that ends.
    starter = threading.Thread(target=sessions.start_session, args=("s", Room))
    starter.start()
    starter.join(10)
    del starter
    gc.collect()
    assert sessions.list_sessions_by_process(Room) == [sessions.ref("s")]
    assert sessions.session_info().by_process == {"samples.Room": 1}


def test_a_slow_init_state_blocks_no_other_start():
    # All starts go through one supervisor process, which waits for each init.
    entered, release = threading.Event(), threading.Event()

    class Slow(SessionProcess):
        def init_state(self, args):
            entered.set()
            assert release.wait(10)
            return {}

    def others():
        assert entered.wait(10)
        try:
            refs = [sessions.start_session(f"s{number}", Room) for number in range(20)]
            return [ref.dispatch("count.add") for ref in refs]
        finally:
            release.set()

    assert race(lambda: sessions.start_session("slow", Slow).started(), others) == [True, [1] * 20]


def test_limits_are_checked_and_counted_in_one_step(settings):
    # Check, then act: racing starts pass the check together and exceed max_sessions.
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "MAX_SESSIONS": 25}
    outcomes = race(*(lambda id=f"s{number}": sessions.start_session(id) for number in range(50)))
    assert Counter(map(type, outcomes)) == {SessionRef: 25, SessionLimitReached: 25}


def test_a_start_that_finds_the_id_taken_uses_up_no_rate(settings):
    # The rate is counted before it is known whether the session runs already.
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "RATE_LIMIT": "2/m"}
    sessions.start_session("s")
    for _ in range(10):
        with pytest.raises(SessionAlreadyStarted):
            sessions.start_session("s")
    assert sessions.start_session("other").started()


def threads():
    """Return how many threads there are (count), without the few that an engine keeps for its connections."""
    return sum(not thread.name.startswith("phoenix_sessions-database") for thread in threading.enumerate())


def test_100_starts_and_ends_leave_nothing_behind(clock):
    # The table of last activities and the timers of the TTL keep an entry for each session that was terminated.
    class Busy(Room):
        def init_state(self, args):
            self.send_after(60, "tick")
            return {}

    supervisor = sessions.supervisor
    sessions.start_session("warm", Busy).terminate()
    timers, before = len(supervisor.timers), threads()
    for number in range(100):
        ref = sessions.start_session(f"s{number}", Busy)
        ref.subscribe("count", receiver=lambda event, value: None)
        ref.dispatch("count.add")
        ref.terminate()
    until(lambda: len(supervisor.registry) == len(supervisor.expiry) == 0)
    until(lambda: len(supervisor.timers) == timers)  # of the sweeps that are shared; none is a session's
    until(lambda: threads() == before)
    assert sessions.session_stats().subscribers == 0
    clock.advance(4000)
    assert len(supervisor.timers) == 0


# -- errors ------------------------------------------------------------------------------------------------------------

READS = {
    "get_state": lambda ref: ref.get_state(),
    "get_state with a selector": lambda ref: ref.get_state(lambda state: state),
    "select_state": lambda ref: ref.select_state("count"),
    "state": lambda ref: ref.state,
    "version": lambda ref: ref.version,
    "aget_state": lambda ref: asyncio.run(ref.aget_state()),
    "aselect_state": lambda ref: asyncio.run(ref.aselect_state("count")),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_missing_session_is_never_returned_as_state(read):
    # get_state returns {:error, ...} as if it were the state, and applies the selector to it.
    with pytest.raises(SessionNotFound):
        read(sessions.ref("nobody"))


VERBS = {
    **READS,
    "find_session": lambda ref: sessions.find_session(ref.id),
    "terminate": lambda ref: sessions.terminate(ref.id),
    "touch": lambda ref: sessions.touch(ref.id),
    "dispatch": lambda ref: ref.dispatch("count.add"),
    "dispatch_nowait": lambda ref: ref.dispatch_nowait("count.add"),
    "dispatch_async": lambda ref: ref.dispatch_async("count.add"),
    "call": lambda ref: ref.call("get_state"),
    "cast": lambda ref: ref.cast("anything"),
    "subscribe": lambda ref: ref.subscribe(receiver=lambda *_: None),
    "history": lambda ref: ref.history(),
    "snapshot": lambda ref: ref.snapshot(),
}


@pytest.mark.parametrize("life", ["never started", "terminated", "expired"])
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_not_found_has_one_spelling(verb, life, clock):
    # {:error, :not_found} from some, {:error, {:session_not_found, id}} from others.
    ref = sessions.ref("s")
    if life != "never started":
        sessions.start_session("s", Room, ttl=60)
    if life == "terminated":
        ref.terminate()
    clock.advance(61)
    with pytest.raises(SessionNotFound) as caught:
        verb(ref)
    assert type(caught.value) is SessionNotFound
    assert caught.value.session_id == "s"


# -- selectors ---------------------------------------------------------------------------------------------------------


def picky(state):
    return 10 // (2 - state["count"])


def test_a_selector_that_raises_fails_at_subscribe_and_the_session_lives():
    # It is called in the session, which it ends.
    ref = sessions.start_session("s", Room)
    epoch = ref.epoch
    with pytest.raises(SelectorError) as caught:
        ref.subscribe(lambda state: 1 // state["count"], receiver=lambda *_: None)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert ref.epoch == epoch
    assert sessions.session_stats().subscribers == 0


def test_a_selector_that_raises_later_ends_its_subscription_alone_and_is_reported(caplog):
    # It is swallowed: the subscriber waits for changes that never come, and nobody learns why.
    ref = sessions.start_session("s", Room)
    epoch, told, others = ref.epoch, [], []
    subscription = ref.subscribe(picky, receiver=lambda event, value: told.append(value))
    ref.subscribe("count", receiver=lambda event, value: others.append(value))
    for _ in range(3):
        ref.dispatch("count.add")
    assert told == [5, 10]
    assert others == [0, 1, 2, 3]
    assert not subscription.active
    assert (ref.epoch, ref.version) == (epoch, 3)
    assert [(record.levelno, type(record.exc_info[1])) for record in caplog.records] == [(logging.ERROR, SelectorError)]


async def test_a_selector_that_raises_later_reaches_who_iterates_over_changes(caplog):
    ref = await sessions.astart_session("s", Room)
    async with ref.changes(value=picky) as changes:
        assert (await anext(changes)).values == {"value": 5}
        for _ in range(2):
            await ref.adispatch("count.add")
        assert (await anext(changes)).values == {"value": 10}
        with pytest.raises(SelectorError):
            await anext(changes)


# -- supervision -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crashes", [4, 100])
def test_the_crashes_of_one_session_leave_the_others_alone(crashes, caplog):
    # All sessions share one restart budget: 4 crashes of one within 5 seconds end every session of the site.
    caplog.set_level(logging.CRITICAL, "phoenix_sessions")
    others = [sessions.start_session(f"other{number}", EchoRoom) for number in range(10)]
    lives = [(ref.dispatch("count.add"), ref.epoch) for ref in others]
    for _ in range(crashes):
        with pytest.raises(CallFailed):
            sessions.get_or_start("crashing", EchoRoom).call("crash")
    assert [(ref.version, ref.epoch) for ref in others] == lives
    assert [ref.get_state("count") for ref in others] == [1] * 10


def test_a_session_that_crashes_too_often_ends_and_only_that():
    ref, other = sessions.start_session("s", EchoRoom), sessions.start_session("other", EchoRoom)
    for _ in range(4):
        with pytest.raises(CallFailed):
            ref.call("crash")
    assert not ref.started()
    assert other.started()


def test_the_default_process_obeys_dispatch(settings):
    # It says :ok and does nothing.
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "REDUCERS": ["samples.Count"]}
    ref = sessions.start_session("s")
    assert [ref.dispatch("count.add"), ref.dispatch("count.add")] == [1, 2]
    assert ref.get_state("count") == 2
