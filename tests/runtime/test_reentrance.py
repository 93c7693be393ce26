"""Who would wait for itself is told so at once, and what never waits is allowed everywhere."""

import asyncio
import threading
from contextvars import ContextVar
from queue import Queue

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from racing import until
from samples import Count

from phoenix_sessions import (
    CallFailed,
    MailboxFull,
    NoReply,
    ReducerError,
    ReentrantCall,
    Reply,
    SessionProcess,
    on,
    sessions,
)
from phoenix_sessions.runtime import mailbox
from phoenix_sessions.runtime.background import Background
from phoenix_sessions.testing import settle

WAITING = {
    "dispatch": lambda ref: ref.dispatch("count.add"),
    "get_state": lambda ref: ref.get_state(),
    "select_state": lambda ref: ref.select_state("count"),
    "call": lambda ref: ref.call("get_state"),
    "subscribe": lambda ref: ref.subscribe(receiver=lambda *_: None),
    "terminate": lambda ref: ref.terminate(),
    "move": lambda ref: sessions.move(ref.id, "elsewhere"),
}
AWAITING = {
    "adispatch": lambda ref: ref.adispatch("count.add"),
    "aget_state": lambda ref: ref.aget_state(),
    "aselect_state": lambda ref: ref.aselect_state("count"),
    "acall": lambda ref: ref.acall("get_state"),
    "asubscribe": lambda ref: ref.asubscribe(receiver=lambda *_: None),
    "amove": lambda ref: sessions.amove(ref.id, "elsewhere"),
}


class UsingCount(Count):
    @on("use")
    def use(self, action, state):
        action.payload()
        return state + 1


class Room(SessionProcess):
    reducers = [UsingCount]

    def handle_call(self, request, state):
        if callable(request):
            return Reply(request(), state)
        return super().handle_call(request, state)


class AsyncRoom(SessionProcess):
    reducers = [UsingCount]

    async def handle_call(self, request, state):
        return Reply(await request(), state)


@pytest.fixture
def ref():
    return sessions.start_session("room", Room)


@pytest.mark.parametrize("verb", WAITING.values(), ids=WAITING)
def test_a_verb_that_waits_fails_in_a_reducer_and_changes_nothing(ref, verb):
    with pytest.raises(ReducerError) as caught:
        ref.dispatch("count.use", lambda: verb(ref))
    assert isinstance(caught.value.__cause__, ReentrantCall)
    assert ref.get_state("count") == 0


@pytest.mark.parametrize("verb", WAITING.values(), ids=WAITING)
def test_a_verb_that_waits_fails_in_a_handler(ref, verb):
    with pytest.raises(CallFailed) as caught:
        ref.call(lambda: verb(ref))
    assert isinstance(caught.value.__cause__, ReentrantCall)


@pytest.mark.parametrize("verb", WAITING.values(), ids=WAITING)
def test_a_verb_that_waits_fails_in_a_receiver(ref, verb):
    errors = []

    def receive(event, value):
        with pytest.raises(ReentrantCall, match="wait for itself") as caught:
            verb(ref)
        errors.append(caught.value.session_id)

    ref.subscribe("count", receiver=receive)
    ref.dispatch("count.add")
    assert errors == ["room", "room"]
    assert ref.started()


@pytest.mark.parametrize("verb", AWAITING.values(), ids=AWAITING)
async def test_a_verb_that_awaits_fails_in_an_async_handler(verb):
    ref = await sessions.astart_session("room", AsyncRoom)
    with pytest.raises(CallFailed) as caught:
        await ref.acall(lambda: verb(ref))
    assert isinstance(caught.value.__cause__, ReentrantCall)


@pytest.mark.parametrize("verb", AWAITING.values(), ids=AWAITING)
async def test_also_in_a_task_and_a_thread_of_the_async_handler(verb):
    ref = await sessions.astart_session("room", AsyncRoom)

    async def in_task():
        await asyncio.create_task(verb(ref))

    with pytest.raises(CallFailed) as caught:
        await ref.acall(in_task)
    assert isinstance(caught.value.__cause__, ReentrantCall)

    async def in_thread():
        await asyncio.to_thread(ref.get_state)

    with pytest.raises(CallFailed) as caught:
        await ref.acall(in_thread)
    assert isinstance(caught.value.__cause__, ReentrantCall)


def test_a_circle_of_two_sessions_is_found():
    one, two = sessions.start_session("one", Room), sessions.start_session("two", Room)
    with pytest.raises(CallFailed) as caught:
        one.call(lambda: two.call(lambda: one.get_state()))
    assert isinstance(caught.value.__cause__, CallFailed | ReentrantCall)
    assert two.started()


def test_another_session_may_be_asked(ref):
    other = sessions.start_session("other", Room)
    assert ref.call(lambda: other.dispatch("count.add")) == 1


def test_the_session_can_be_asked_after_its_handler(ref):
    with pytest.raises(CallFailed):
        ref.call(ref.get_state)
    assert ref.get_state("count") == 0


def test_what_never_waits_is_allowed_in_a_receiver(ref):
    seen = []

    def receive(event, count):
        seen.append((count, ref.state.count, ref.version))
        ref.touch()
        if count < 3:
            ref.dispatch_nowait("count.add")
            ref.cast(("put", "told", count))

    ref.subscribe("count", receiver=receive)
    settle()
    assert [count for count, _, _ in seen] == [0, 1, 2, 3]
    assert all(count == now for count, now, _ in seen)
    assert ref.get_state("told") == 2


def test_what_never_waits_is_allowed_in_a_handler(ref):
    assert ref.call(lambda: ref.dispatch_nowait("count.add")) is None
    settle()
    assert ref.get_state("count") == 1


def test_unsubscribing_in_the_receiver(ref):
    seen = []

    def receive(event, count):
        seen.append(count)
        if count == 1:
            subscription.unsubscribe()

    subscription = ref.subscribe("count", receiver=receive)
    ref.dispatch("count.add")
    ref.dispatch("count.add")
    assert seen == [0, 1]


# -- on an event loop's thread -----------------------------------------------------------------------------------------

SYNC_VERBS = {
    **WAITING,
    "start_session": lambda ref: sessions.start_session("other"),
    "get_or_start": lambda ref: sessions.get_or_start(ref.id),
    "started": lambda ref: sessions.started(ref.id),
    "in": lambda ref: ref.id in sessions,
    "find_session": lambda ref: sessions.find_session(ref.id),
    "list_sessions": lambda ref: sessions.list_sessions(),
    "list_sessions_by_process": lambda ref: sessions.list_sessions_by_process(Room),
    "session_info": lambda ref: sessions.session_info(),
    "session_stats": lambda ref: sessions.session_stats(),
    "sessions.touch": lambda ref: sessions.touch(ref.id),
    "sessions.terminate": lambda ref: sessions.terminate(ref.id),
    "ref.started": lambda ref: ref.started(),
}


@pytest.mark.parametrize("verb", SYNC_VERBS.values(), ids=SYNC_VERBS)
async def test_a_sync_verb_on_a_loops_thread_is_refused_and_does_nothing(verb):
    ref = await sessions.astart_session("room", Room)
    with pytest.raises(SynchronousOnlyOperation, match="async twin"):
        verb(ref)
    assert await ref.astarted()
    assert len(await sessions.alist_sessions()) == 1
    assert ref.version == 0


async def test_what_never_waits_is_allowed_on_a_loops_thread():
    ref = await sessions.astart_session("room", Room)
    ref.dispatch_nowait("count.add")
    ref.cast(("put", "name", "Ada"))
    ref.touch()
    (await ref.asubscribe(receiver=lambda *_: None)).unsubscribe()
    assert (ref.state.count, ref.state.name, ref.version) == (1, "Ada", 2)


async def test_an_async_twin_finishes_without_giving_up_the_loop():
    ref = await sessions.astart_session("room", Room)
    others = []
    asyncio.get_running_loop().call_soon(others.append, "ran")
    await ref.adispatch("count.add")
    await ref.aget_state()
    await ref.acall("get_state")
    await sessions.aget_or_start("room")
    assert others == []


# -- the mailbox is finite ---------------------------------------------------------------------------------------------


def test_a_full_mailbox_tells_its_sender_and_keeps_what_it_took(monkeypatch):
    monkeypatch.setattr(mailbox, "MAILBOX_LIMIT", 5)
    entered, release = threading.Event(), threading.Event()

    class Gate(Room):
        def handle_call(self, request, state):
            entered.set()
            assert release.wait(10)
            return Reply()

        def handle_cast(self, request, state):
            return NoReply()

    ref = sessions.start_session("gate", Gate)
    holder = threading.Thread(target=ref.call, args=("wait", 10))
    holder.start()
    assert entered.wait(10)
    try:
        for _ in range(5):
            ref.dispatch_nowait("count.add")
        for verb in (
            lambda: ref.dispatch_nowait("count.add"),
            lambda: ref.dispatch("count.add"),
            lambda: ref.cast("x"),
            lambda: ref.call("x"),
            lambda: asyncio.run(ref.adispatch("count.add")),
        ):
            with pytest.raises(MailboxFull) as caught:
                verb()
            assert (caught.value.session_id, caught.value.limit) == ("gate", 5)
    finally:
        release.set()
        holder.join(10)
    until(lambda: sessions.session_stats().mailbox_depth == 0)
    assert ref.get_state("count") == 5


def test_a_drainer_hands_over_to_a_worker_after_its_share(monkeypatch):
    monkeypatch.setattr(mailbox, "DRAIN_LIMIT", 10)
    threads = []

    def note():
        threads.append(threading.current_thread().name)

    ref = sessions.start_session("room", Room)

    def flood():
        for _ in range(50):
            ref.dispatch_nowait("count.use", note)

    ref.dispatch("count.use", flood)
    settle()
    assert len(threads) == 50
    assert threads[:10] == [threading.current_thread().name] * 10
    assert all(name.startswith("phoenix_sessions-worker") for name in threads[10:])


class Inquirer(SessionProcess):
    """Asks another session while it handles a cast."""

    reducers = [Count]

    async def handle_cast(self, request, state):
        asked, answers = request
        try:
            answers.put(await asked.aselect_state("count"))
        except ReentrantCall as error:
            answers.put(error)
        return NoReply(state)


def test_who_gets_a_cast_is_no_part_of_the_handler_that_cast_it():
    """The sender does not wait for a cast, so its handler may ask the sender."""
    caster, inquirer, answers = sessions.start_session("a", AsyncRoom), sessions.start_session("b", Inquirer), Queue()

    async def cast():
        inquirer.cast((caster, answers))

    caster.call(cast)
    assert answers.get(timeout=10) == 0


def test_a_timer_runs_in_a_context_of_its_own():
    variable, seen, background = ContextVar("variable", default="empty"), Queue(), Background()
    variable.set("the caller's")
    background.call_later(0, lambda: seen.put(variable.get()))
    assert seen.get(timeout=10) == "empty"
    background.stop()
