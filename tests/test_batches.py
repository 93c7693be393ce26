"""Many sessions at once, finding them by pattern, trying again, and their health."""

import asyncio
import threading

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from django.db.backends.signals import connection_created
from racing import until
from samples import Count, Room

from phoenix_sessions import (
    CallTimeout,
    InvalidSessionId,
    MailboxFull,
    NoReply,
    RateLimitExceeded,
    Reply,
    SessionAlreadyStarted,
    SessionLimitReached,
    SessionNotFound,
    SessionProcess,
    SessionRef,
    sessions,
    telemetry,
)
from phoenix_sessions.runtime import mailbox
from phoenix_sessions.testing import asettle, settle


class Listening(SessionProcess):
    """Keeps what it was told; "crash" makes it crash."""

    reducers = [Count]

    def init_state(self, args):
        if args == "fail":
            raise ValueError("as asked")
        return {"told": ()}

    def handle_info(self, message, state):
        if message == "crash":
            raise ValueError("as asked")
        return NoReply({**state, "told": (*state["told"], message)})


class Slow(Listening):
    """Its calls wait for the event."""

    async def handle_call(self, request, state):
        request[0].set()
        await asyncio.to_thread(request[1].wait)
        return Reply("done")


def kinds(results):
    return {id: type(result).__name__ for id, result in results.items()}


# -- start_sessions, terminate_sessions ----------------------------------------------------------------------------


def test_each_id_has_a_result_of_its_own():
    taken = sessions.start_session("taken", Listening)
    results = sessions.start_sessions(["a", "taken", "not an id", "b", "a"], Listening)
    assert kinds(results) == {
        "a": "SessionRef", "taken": "SessionAlreadyStarted", "not an id": "InvalidSessionId", "b": "SessionRef",
    }  # fmt: skip
    assert results["taken"].ref == taken
    assert results["a"].started()


def test_what_init_state_raises_is_the_result():
    assert kinds(sessions.start_sessions(["a", "b"], Listening, "fail")) == {"a": "ValueError", "b": "ValueError"}
    assert sessions.list_sessions() == []


def test_limits_are_told_for_each(settings):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "MAX_SESSIONS": 2}
    results = sessions.start_sessions("abc", Listening, concurrency=1)
    assert kinds(results) == {"a": "SessionRef", "b": "SessionRef", "c": "SessionLimitReached"}


def test_terminating_many():
    sessions.start_sessions("ab", Listening)
    results = sessions.terminate_sessions(["a", "missing", "b"])
    assert kinds(results) == {"a": "NoneType", "missing": "SessionNotFound", "b": "NoneType"}
    assert sessions.list_sessions() == []


async def test_the_async_twins():
    assert kinds(await sessions.astart_sessions(["a", "b", "no id"], Listening)) == {
        "a": "SessionRef", "b": "SessionRef", "no id": "InvalidSessionId",
    }  # fmt: skip
    assert kinds(await sessions.aterminate_sessions(["a", "c"])) == {"a": "NoneType", "c": "SessionNotFound"}


@pytest.mark.parametrize("verb", ["start_sessions", "terminate_sessions", "session_health", "find_sessions_by_pattern"])
async def test_sync_verbs_that_can_wait_refuse_an_event_loop(verb):
    with pytest.raises(SynchronousOnlyOperation, match=f"a{verb}"):
        getattr(sessions, verb)(*[[]] * (verb != "session_health"))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_at_most_so_many_are_under_way(concurrency):
    now, most, lock, full = [], [], threading.Lock(), threading.Event()

    class Counting(SessionProcess):
        def init_state(self, args):
            with lock:
                now.append(self.session_id)
                most.append(len(now))
                if len(now) == concurrency:
                    full.set()
            full.wait(10)
            with lock:
                now.remove(self.session_id)
            return {}

    sessions.start_sessions([f"s{number}" for number in range(9)], Counting, concurrency=concurrency)
    assert max(most) == concurrency


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_concurrency_that_makes_no_sense(concurrency):
    with pytest.raises(ValueError, match="1 or more"):
        sessions.start_sessions(["a"], concurrency=concurrency)


class Calling(SessionProcess):
    """Its calls are functions; a session that is started with a ref dispatches to it."""

    reducers = [Count]
    ttl = None

    def init_state(self, args):
        if args is not None:
            args.dispatch("count.add")
        return {}

    def handle_call(self, request, state):
        return Reply(request())


class AsyncCalling(Calling):
    async def handle_call(self, request, state):
        return Reply(await asyncio.to_thread(request))


@pytest.mark.parametrize("process", [Calling, AsyncCalling])
def test_a_batch_in_a_handler_does_not_wait_for_the_handlers_own_session(process):
    ref = sessions.start_session("boss", process)
    started = ref.call(lambda: sessions.start_sessions(["a", "b"], Calling, ref), timeout=60)
    assert kinds(started) == {"a": "ReentrantCall", "b": "ReentrantCall"}
    sessions.start_session("other", Calling)
    ended = ref.call(lambda: sessions.terminate_sessions(["boss", "other"]), timeout=60)
    assert kinds(ended) == {"boss": "ReentrantCall", "other": "NoneType"}
    assert ref.started()


def test_a_batch_does_not_close_a_circle_of_two_sessions():
    boss, other = sessions.start_session("boss", Calling), sessions.start_session("other", Calling)
    asked, results = threading.Event(), []

    def ask_the_boss():
        asked.set()
        results.append(outcome(lambda: boss.dispatch("count.add")))

    def batch():
        threads.append(threading.Thread(target=other.call, args=[ask_the_boss]))
        threads[0].start()
        asked.wait(10)
        until(lambda: boss._session().depth)
        return sessions.start_sessions(["a"], Calling, other)

    threads = []
    assert kinds(boss.call(batch, timeout=60)) == {"a": "ReentrantCall"}
    threads[0].join()
    assert results == [1]


def outcome(function):
    try:
        return function()
    except Exception as error:
        return error


# -- broadcast_all -------------------------------------------------------------------------------------------------


def test_a_broadcast_reaches_every_session_in_order():
    sessions.start_sessions("abc", Listening)
    for message in range(3):
        sessions.broadcast_all(message)
    assert [ref.get_state("told") for ref in sessions.list_sessions()] == [(0, 1, 2)] * 3


def test_a_session_that_crashes_does_not_stop_the_others():
    sessions.start_sessions("abc", Listening)
    epochs = [ref.epoch for ref in sessions.list_sessions()]
    sessions.broadcast_all("crash")
    assert not set(epochs) & {ref.epoch for ref in sessions.list_sessions()}


async def test_the_async_broadcast():
    await sessions.astart_sessions("ab", Listening)
    await sessions.abroadcast_all("hello")
    assert [await ref.aget_state("told") for ref in await sessions.alist_sessions()] == [("hello",)] * 2


async def test_others_on_the_loop_have_their_turn_during_an_async_broadcast():
    await sessions.astart_sessions("abc", Listening)
    told = []

    async def look():
        while len(told) < 4:
            told.append(sum(len(ref.state["told"]) for ref in await sessions.alist_sessions()))
            await asyncio.sleep(0)

    await asyncio.gather(look(), sessions.abroadcast_all("hello"))
    assert told == [0, 1, 2, 3]


def test_a_full_mailbox_is_reported_and_the_others_get_it(monkeypatch, caplog):
    monkeypatch.setattr(mailbox, "MAILBOX_LIMIT", 1)
    full, other = sessions.start_session("full", Slow), sessions.start_session("other", Listening)
    entered, go = threading.Event(), threading.Event()
    caller = threading.Thread(target=lambda: full.call((entered, go), 30))
    caller.start()
    entered.wait(10)
    full.dispatch_nowait("count.add")
    seen = []
    telemetry.attach(
        "watch", "phoenix_sessions.communication_error", lambda *event: seen.append(event[2]["session_id"])
    )
    try:
        sessions.broadcast_all("hello")
    finally:
        telemetry.detach("watch")
        go.set()
        caller.join(10)
    assert (seen, other.get_state("told")) == (["full"], ("hello",))


# -- find_sessions_by_pattern --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [("^user_", ["user_1", "user_2"]), ("1", ["room_1", "user_1"]), ("^1$", []), ("", ["room_1", "user_1", "user_2"])],
)
def test_ids_in_which_a_pattern_is_found(pattern, ids):
    sessions.start_sessions(["user_1", "user_2", "room_1"])
    assert sorted(sessions.find_sessions_by_pattern(pattern)) == ids


@pytest.mark.parametrize("pattern", ["(", None, 5])
async def test_what_is_no_pattern(pattern):
    with pytest.raises(ValueError, match="no regular expression"):
        await sessions.afind_sessions_by_pattern(pattern)


# -- retries -------------------------------------------------------------------------------------------------------


def test_a_start_waits_as_long_as_the_rate_limit_asks(settings, clock):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "RATE_LIMIT": "1/m"}
    sessions.start_session("a")
    clock.advance(20)
    with pytest.raises(RateLimitExceeded):
        sessions.start_session("b")
    before = clock.monotonic()
    assert sessions.start_session("b", retries=1).started()
    assert clock.monotonic() - before == pytest.approx(40)


async def test_a_start_tries_again_while_there_are_too_many(settings, clock):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "MAX_SESSIONS": 1}
    await sessions.astart_session("a", ttl=0.2)
    with pytest.raises(SessionLimitReached):
        await sessions.astart_session("b")
    ref = await sessions.aget_or_start("b", retries=8)
    assert await ref.astarted()
    assert not await sessions.astarted("a")


def test_the_last_refusal_is_raised_and_nothing_else_is_tried_again(settings, clock):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "MAX_SESSIONS": 1}
    sessions.start_session("a", ttl=None)
    before = clock.monotonic()
    with pytest.raises(SessionLimitReached):
        sessions.start_session("b", retries=3)
    assert clock.monotonic() - before == pytest.approx(0.05 + 0.1 + 0.2)
    for id, error in (("a", SessionAlreadyStarted), ("no id", InvalidSessionId)):
        with pytest.raises(error):
            sessions.start_session(id, retries=3)
    assert clock.monotonic() - before == pytest.approx(0.35)


def test_a_call_is_repeated_only_if_its_handler_had_not_begun(clock):
    ref = sessions.start_session("slow", Slow)
    entered, go = threading.Event(), threading.Event()
    caller = threading.Thread(target=lambda: ref.call((entered, go), 30))
    caller.start()
    entered.wait(10)
    before = clock.monotonic()
    with pytest.raises(CallTimeout) as caught:
        ref.call((entered, go), 0.01, retries=2)
    assert not caught.value.started
    assert clock.monotonic() - before == pytest.approx(0.05 + 0.1)
    go.set()
    caller.join(10)
    settle()

    waiting, never = threading.Event(), threading.Event()
    with pytest.raises(CallTimeout) as caught:
        ref.call((waiting, never), 0.01, retries=2)
    assert caught.value.started
    assert clock.monotonic() - before == pytest.approx(0.15)
    never.set()
    settle()


async def test_a_call_that_a_full_mailbox_did_not_take_is_repeated(monkeypatch, clock):
    monkeypatch.setattr(mailbox, "MAILBOX_LIMIT", 1)
    ref = await sessions.astart_session("slow", Slow)
    entered, go = threading.Event(), threading.Event()
    first = asyncio.create_task(ref.acall((entered, go), 30))
    await asyncio.to_thread(entered.wait, 10)
    ref.dispatch_nowait("count.add")
    with pytest.raises(MailboxFull):
        await ref.acall((entered, go), retries=1)
    go.set()
    assert await first == "done"
    await asettle()
    assert await ref.acall((entered, go), retries=1) == "done"


def test_a_call_to_nobody_is_not_repeated(clock):
    before = clock.monotonic()
    with pytest.raises(SessionNotFound):
        sessions.ref("nobody").call("get_state", retries=5)
    assert clock.monotonic() == before


# -- session_health ------------------------------------------------------------------------------------------------


def test_health_of_nothing():
    health = sessions.session_health()
    assert (health.healthy, health.sessions, health.busy, health.behind, health.pending) == (True, 0, 0, (), 0)


def test_health_tells_who_is_busy_and_who_is_behind(monkeypatch):
    monkeypatch.setattr("phoenix_sessions.runtime.health.MAILBOX_LIMIT", 4)
    sessions.start_session("idle", Room)
    ref = sessions.start_session("slow", Slow)
    entered, go = threading.Event(), threading.Event()
    caller = threading.Thread(target=lambda: ref.call((entered, go), 30))
    caller.start()
    entered.wait(10)
    for _ in range(3):
        ref.dispatch_nowait("count.add")
    health = sessions.session_health()
    assert (health.healthy, health.sessions, health.busy, health.behind) == (False, 2, 1, ("slow",))
    assert (health.background, health.pending) == ("alive", 1)
    go.set()
    caller.join(10)
    until(lambda: sessions.session_health().healthy)


async def test_a_loop_that_does_not_answer_is_stuck(monkeypatch):
    monkeypatch.setattr("phoenix_sessions.runtime.health.ANSWER_SECONDS", 0.05)
    await sessions.astart_session("idle", Room)
    entered, go = threading.Event(), threading.Event()

    def block():
        entered.set()
        go.wait(10)

    sessions.supervisor.background.call_later(0, block)
    await asyncio.to_thread(entered.wait, 10)
    health = await sessions.asession_health()
    go.set()
    assert (health.healthy, health.background) == (False, "stuck")


def test_a_batch_opens_no_more_connections_than_it_has_threads(file_database):
    class Asking(SessionProcess):
        reducers = []

        def init_state(self, args):
            connections[file_database].ensure_connection()
            return {}

    opened = []

    def note(**facts):
        opened.append(facts["connection"])

    connection_created.connect(note)
    try:
        refs = sessions.start_sessions([f"s{number}" for number in range(20)], Asking, concurrency=2)
    finally:
        connection_created.disconnect(note)
    assert [type(ref) for ref in refs.values()] == [SessionRef] * 20
    assert 1 <= len(opened) <= 2
    assert all(each.connection is None for each in opened)
