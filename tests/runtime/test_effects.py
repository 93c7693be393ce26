"""Effects at their edges: races, ends of lives, full places, and what they must not carry along or leave behind."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import CancelledError
from contextvars import ContextVar
from datetime import timedelta

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from racing import race, until

from phoenix_sessions import (
    CallFailed,
    InvalidAction,
    MailboxFull,
    NoReply,
    Reducer,
    ReentrantCall,
    Reply,
    Restart,
    SessionProcess,
    debounce,
    effect,
    on,
    sessions,
    telemetry,
    throttle,
)
from phoenix_sessions.runtime import effects as effects_module
from phoenix_sessions.runtime import mailbox, waits
from phoenix_sessions.testing import settle

tag = ContextVar("tag", default="none")


class Work(Reducer):
    """Its effects do what the payload says."""

    name = "work"

    def init_state(self):
        return ()

    @on("done")
    def done(self, action, state):
        return (*state, action.payload)

    @on("run.failed", "arun.failed")
    def failed(self, action, state):
        return (*state, action.payload["error"])

    @effect("run")
    def run(self, action, dispatch, state):
        return action.payload(dispatch)

    @effect("arun")
    async def arun(self, action, dispatch, state):
        return await action.payload(dispatch)

    @effect("seldom")
    @throttle("3s")
    def seldom(self, action, dispatch, state):
        return dispatch(".done", action.payload)

    @effect("late")
    @debounce("500ms")
    async def late(self, action, dispatch, state):
        return await dispatch(".done", action.payload)

    @effect("keep")
    def keep(self, action, dispatch, state):
        return action.payload


class Room(SessionProcess):
    reducers = [Work]
    restart = Restart.PERMANENT

    def handle_call(self, request, state):
        if callable(request):
            request()
        if request == "crash":
            raise ValueError("as asked")
        return Reply(None)


@pytest.fixture
def ref():
    return sessions.start_session("room", Room)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.release.set()


class Gate:
    """Something for an effect to block in."""

    def __init__(self):
        self.entered, self.release = threading.Semaphore(0), threading.Event()

    def __call__(self, dispatch=None):
        self.entered.release()
        assert self.release.wait(10)

    def wait(self, count=1):
        for _ in range(count):
            assert self.entered.acquire(timeout=10)


async def for_ever(dispatch):
    await asyncio.Event().wait()


def under_way():
    return sum(session.effects_under_way for session in sessions.supervisor.registry.all())


def process(*reducers, **attributes):
    return type("Process", (SessionProcess,), {"reducers": list(reducers), **attributes})


@pytest.fixture
def told():
    """What telemetry tells of effects."""
    seen = []
    events = [f"phoenix_sessions.effect.{name}" for name in ("start", "stop", "cancel", "exception")]
    telemetry.attach_many("told", events, lambda event, *rest: seen.append((event.rpartition(".")[2], *rest[:2])))
    yield seen
    telemetry.detach("told")


# -- the handle --------------------------------------------------------------------------------------------------------


def test_a_handle_that_says_done_has_its_result(ref):
    seen, handles = [], []
    gate = threading.Event()

    def look(*event):
        assert gate.wait(10)
        seen.append((handles[0].done(), handles[0].cancelled(), repr(handles[0])))

    telemetry.attach("look", "phoenix_sessions.effect.stop", look)
    try:
        handles.append(ref.dispatch_async("work.run", lambda dispatch: 1))
        gate.set()
        handles[0].result(10)
    finally:
        telemetry.detach("look")
    assert seen == [(False, False, "<EffectHandle of 1 effects, running>")]  # not before it has its result
    assert repr(handles[0]) == "<EffectHandle of 1 effects, done>"


def test_a_handle_of_nothing_is_done_and_was_not_cancelled(ref):
    handle = ref.dispatch_async("work.unknown")
    assert (handle.done(), handle.cancelled(), handle.cancel(), handle.result(0)) == (True, False, False, None)


def test_several_mounts_one_of_which_fails(ref, caplog):
    ref = sessions.start_session("two", process(Work, ("other", Work)))
    calls = iter([1, ValueError("as asked")])

    def work(dispatch):
        value = next(calls)
        if isinstance(value, Exception):
            raise value
        return value

    handle = ref.dispatch_async("run", work)
    with pytest.raises(ValueError, match="as asked"):
        handle.result(10)
    assert handle.done()
    assert not handle.cancelled()


def test_cancelling_one_of_several_that_is_left(ref, gate):
    ref = sessions.start_session("two", process(Work, ("other", Work)))
    first = threading.Lock()

    def work(dispatch):
        if first.acquire(blocking=False):
            return "first"
        gate()

    handle = ref.dispatch_async("run", work)
    gate.wait()
    assert not handle.done()
    assert handle.cancel()
    assert handle.cancelled()
    until(handle.done)


async def test_awaiting_a_cancelled_effect_and_giving_up(own_sessions):
    ref = await sessions.astart_session("room", Room)
    handle = await ref.adispatch_async("work.arun", for_ever)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handle, 0.01)
    assert not handle.done()
    assert handle.cancel()
    with pytest.raises(CancelledError):
        await handle
    with pytest.raises(SynchronousOnlyOperation):
        handle.result()


def test_giving_up_with_a_timedelta(ref, gate):
    handle = ref.dispatch_async("work.run", gate)
    with pytest.raises(TimeoutError):
        handle.result(timedelta(0))


# -- dispatching inside ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mount", [Work, ("other", Work), ("other", Work, "jobs"), ("other", Work, None)], ids=str)
@pytest.mark.parametrize("kind", ["run", "arun"])
def test_a_leading_dot_stays_at_home(mount, kind):
    ref = sessions.start_session("room", process(mount))
    name = mount[0] if isinstance(mount, tuple) else "work"

    async def later(dispatch):
        return await dispatch(".done", 1)

    work = later if kind == "arun" else lambda dispatch: dispatch(".done", 1)
    assert ref.dispatch_async(kind, work, reducers=[name]).result(10) == 1
    assert ref.state[name] == (1,)


@pytest.mark.parametrize("type_", ["", ".", None, 5])
@pytest.mark.parametrize("prefix", ["work", None])
def test_a_type_that_is_none_raises_in_the_effect(type_, prefix, caplog):
    ref = sessions.start_session("room", process(("work", Work, prefix)))
    seen = []

    def work(dispatch):
        with pytest.raises(InvalidAction):
            dispatch(type_)
        seen.append(type_)

    ref.dispatch_async("run", work).result(10)
    assert seen == [type_]


def test_the_history_says_effect(ref):
    ref.dispatch_async("work.run", lambda dispatch: dispatch("work.done", 1, {"by": "effect"})).result(10)
    assert [(entry.origin, entry.action.type, entry.action.meta) for entry in ref.history()] == [
        ("effect", "work.done", {"by": "effect"})
    ]


@pytest.mark.parametrize("kind", ["run", "arun"])
def test_an_effect_that_cancels_itself_by_its_own_cancel_ref(ref, kind):
    def work(dispatch):
        dispatch(".done", 1, {"cancel_ref": "me"})
        dispatch(".done", 2)

    async def awork(dispatch):
        await dispatch(".done", 1, {"cancel_ref": "me"})
        await dispatch(".done", 2)

    handle = ref.dispatch_async(f"work.{kind}", work if kind == "run" else awork, meta={"cancel_ref": "me"})
    with pytest.raises(CancelledError):
        handle.result(10)
    settle()
    assert ref.state.work == (1,)


def test_an_effect_that_cancels_its_own_handle(ref):
    handles, ready, seen = [], threading.Event(), []

    def work(dispatch):
        assert ready.wait(10)
        seen.append(handles[0].cancel())
        with pytest.raises(CancelledError):
            dispatch(".done", 1)
        seen.append("refused")

    handles.append(ref.dispatch_async("work.run", work))
    ready.set()
    with pytest.raises(CancelledError):
        handles[0].result(10)
    settle()
    assert seen == [True, "refused"]


def test_an_effect_may_start_effects_and_end_its_session(ref):
    def work(dispatch):
        inner = ref.dispatch_async("work.run", lambda dispatch: dispatch(".done", "inner"))
        inner.result(10)
        ref.terminate()
        with pytest.raises(CancelledError):
            dispatch(".done", "too late")

    handle = ref.dispatch_async("work.run", work)
    with pytest.raises(CancelledError):
        handle.result(10)
    settle()
    assert not ref.started()


# -- failures ----------------------------------------------------------------------------------------------------------


def test_the_failure_of_one_effect_does_not_cancel_its_sibling(caplog):
    ref = sessions.start_session("room", process(Work, ("other", Work)))
    first, failed = threading.Lock(), threading.Event()

    def work(dispatch):
        if first.acquire(blocking=False):
            raise ValueError("as asked")
        assert failed.wait(10)
        return dispatch(".done", "sibling")

    handle = ref.dispatch_async("run", work, meta={"cancel_ref": "both"})
    until(lambda: "ValueError" in (*ref.state.work, *ref.state.other))
    failed.set()
    with pytest.raises(ValueError, match="as asked"):
        handle.result(10)
    assert not handle.cancelled()
    assert sorted((*ref.state.work, *ref.state.other)) == ["ValueError", "sibling"]


def test_the_failure_of_a_life_that_is_over_does_not_reach_the_next(ref, caplog):
    def fail(dispatch):
        raise LookupError("as asked")

    def crash_after_a_failure():
        failing = threading.Event()
        telemetry.attach("failing", "phoenix_sessions.effect.exception", lambda *event: failing.set())
        go.set()
        assert failing.wait(10)
        until(lambda: sessions.session_stats().mailbox_depth)
        telemetry.detach("failing")
        raise ValueError("as asked")

    go = threading.Event()

    def work(dispatch):
        assert go.wait(10)
        fail(dispatch)

    ref.dispatch_async("work.run", work)
    with pytest.raises(CallFailed):
        ref.call(crash_after_a_failure)
    settle()
    assert ref.started()
    assert ref.state.work == ()
    assert ref.version == 0


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_whatever_a_plain_effect_raises_reaches_its_handle(ref, error, caplog):
    def work(dispatch):
        raise error("as asked")

    handle = ref.dispatch_async("work.run", work)
    with pytest.raises(error):
        handle.result(10)
    assert ref.state.work == (error.__name__,)
    assert ref.dispatch_async("work.run", lambda dispatch: "next").result(10) == "next"


def test_an_effect_without_a_failure_handler_goes_to_log_and_telemetry_only(caplog, told):
    class Careless(Reducer):
        name = "careless"

        @effect("run")
        def run(self, action, dispatch, state):
            raise ValueError("as asked")

    ref = sessions.start_session("room", process(Careless))
    with pytest.raises(ValueError, match="as asked"):
        ref.dispatch_async("careless.run").result(10)
    assert "effect careless.run failed" in caplog.text
    assert [event for event, _, _ in told] == ["start", "exception"]
    assert ref.history() == []


def test_an_effect_that_cancels_itself_is_cancelled(ref, told):
    async def work(dispatch):
        raise asyncio.CancelledError

    handle = ref.dispatch_async("work.arun", work)
    with pytest.raises(CancelledError):
        handle.result(10)
    assert handle.cancelled()
    assert [event for event, _, _ in told] == ["start", "cancel"]
    assert ref.state.work == ()


def test_a_failure_for_which_the_mailbox_has_no_room_is_reported(ref, gate, monkeypatch, caplog):
    def work(dispatch):
        gate()
        raise ValueError("as asked")

    def fill_and_let_it_fail():
        monkeypatch.setattr(mailbox, "MAILBOX_LIMIT", 0)
        gate.release.set()
        until(lambda: "1 messages" in caplog.text or "0 messages" in caplog.text)
        monkeypatch.undo()

    handle = ref.dispatch_async("work.run", work)
    gate.wait()
    ref.call(fill_and_let_it_fail, 20)
    with pytest.raises(ValueError, match="as asked"):
        handle.result(10)
    assert ref.state.work == ()


def test_without_a_thread_to_run_on_the_effect_fails_and_its_place_is_free_again(monkeypatch, caplog):
    ref = sessions.start_session("room", process(Work, max_effects=1))

    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    handle = ref.dispatch_async("work.run", lambda dispatch: "ran")
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        handle.result(10)
    assert ref.state.work == ("RuntimeError",)
    assert ref.dispatch_async("work.run", lambda dispatch: "ran").result(10) == "ran"


# -- places ------------------------------------------------------------------------------------------------------------


def test_a_cancelled_function_keeps_its_place_until_it_has_returned(gate):
    ref = sessions.start_session("room", process(Work, max_effects=1))
    blocked = ref.dispatch_async("work.run", gate)
    gate.wait()
    following = ref.dispatch_async("work.run", lambda dispatch: "ran")
    assert blocked.cancel()
    assert not following.done()
    assert under_way() == 2
    gate.release.set()
    assert following.result(10) == "ran"
    settle()
    assert under_way() == 0


def test_one_that_is_cancelled_while_it_waits_never_runs(gate, told):
    ref = sessions.start_session("room", process(Work, max_effects=1))
    ref.dispatch_async("work.run", gate)
    gate.wait()
    ran = []
    waiting = [ref.dispatch_async("work.run", lambda dispatch, n=n: ran.append(n)) for n in range(3)]
    assert waiting[1].cancel()
    gate.release.set()
    for handle in (waiting[0], waiting[2]):
        handle.result(10)
    settle()
    assert ran == [0, 2]
    assert [event for event, _, _ in told].count("start") == 3
    assert under_way() == 0


def test_one_too_many_starts_none_and_cancelling_makes_room(gate, monkeypatch):
    monkeypatch.setattr(effects_module, "WAITING_LIMIT", 1)
    ref = sessions.start_session("room", process(Work, ("other", Work), max_effects=1))
    ref.dispatch_async("work.run", gate)
    gate.wait()
    with pytest.raises(MailboxFull, match="effects wait for session 'room'"):
        ref.dispatch_async("run", lambda dispatch: None)
    waiting = ref.dispatch_async("work.run", lambda dispatch: None)
    with pytest.raises(MailboxFull):
        ref.dispatch_async("work.run", lambda dispatch: None)
    waiting.cancel()
    waiting = ref.dispatch_async("work.run", lambda dispatch: "room again")
    gate.release.set()
    assert waiting.result(10) == "room again"


def test_blocked_effects_of_one_session_keep_no_handler_and_no_coroutine_waiting(gate):
    blocked = sessions.start_session("blocked", process(Work, max_effects=40))
    handles = [blocked.dispatch_async("work.run", gate) for _ in range(40)]
    gate.wait(16)

    class Async(SessionProcess):
        reducers = [Work]

        async def handle_call(self, request, state):
            await asyncio.sleep(0)
            return Reply("answer")

        def handle_cast(self, request, state):
            request.set()
            return NoReply()

    other, cast = sessions.start_session("other", Async), threading.Event()
    assert other.call("anything", 10) == "answer"
    other.cast(cast)
    assert cast.wait(10)

    async def work(dispatch):
        return await dispatch(".done", 1)

    assert other.dispatch_async("work.arun", work).result(10) == 1
    gate.release.set()
    for handle in handles:
        handle.result(10)


def test_an_effect_that_dispatches_into_a_busy_mailbox_waits_for_its_turn(ref):
    go = threading.Event()

    def work(dispatch):
        assert go.wait(10)
        return dispatch(".done", 1)

    def hold_until_it_waits():
        go.set()
        until(lambda: sessions.session_stats().mailbox_depth)
        assert not handle.done()

    handle = ref.dispatch_async("work.run", work)
    ref.call(hold_until_it_waits, 10)
    assert handle.result(10) == 1


# -- who may start them ------------------------------------------------------------------------------------------------


async def test_on_an_event_loop_only_the_twin(own_sessions):
    ref = await sessions.astart_session("room", Room)
    with pytest.raises(SynchronousOnlyOperation, match="adispatch_async"):
        ref.dispatch_async("work.run", print)


def test_a_receiver_of_the_same_session_is_refused(ref, caplog):
    seen = []

    def receiver(event, value):
        try:
            ref.dispatch_async("work.run", lambda dispatch: None)
        except ReentrantCall as error:
            seen.append(error.session_id)

    ref.subscribe("work", receiver=receiver)
    ref.dispatch("work.done", 1)
    assert seen == ["room", "room"]


def test_an_async_handler_of_another_session_starts_and_awaits_one(ref):
    class Other(SessionProcess):
        reducers = [Work]

        async def handle_call(self, request, state):
            async def work(dispatch):
                assert waits.suspended_in.get() == ()
                assert await adispatch_back() == 1
                return await dispatch(".done", 1)

            async def adispatch_back():
                return 1

            handle = await ref.adispatch_async("work.arun", work)
            return Reply(await handle)

    other = sessions.start_session("other", Other)
    assert other.call("go", 10) == 1


def test_an_effect_started_in_a_handler_outlives_it(ref):
    """It is no part of the handler, so it may dispatch to the session whose handler has started it."""

    class Other(SessionProcess):
        reducers = [Work]

        async def handle_call(self, request, state):
            async def work(dispatch):
                return await other.adispatch("work.done", "from the effect")

            return Reply(await ref.adispatch_async("work.arun", work))

    other = sessions.start_session("other", Other)
    assert other.call("go", 10).result(10) == 1
    assert other.state.work == ("from the effect",)


# -- context and connections -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["run", "arun"])
def test_the_context_of_who_starts_it_goes_along(ref, kind):
    def work(dispatch):
        return tag.get()

    async def awork(dispatch):
        return work(dispatch)

    tag.set("mine")
    handle = ref.dispatch_async(f"work.{kind}", work if kind == "run" else awork)
    tag.set("none")
    assert handle.result(10) == "mine"


def test_the_context_is_that_of_the_sender_whoever_handles_the_message(ref, gate):
    """Another thread keeps the session busy, and so handles what this one sends."""
    handles = []

    def busy():
        tag.set("somebody else's")
        ref.call(gate, 10)

    def sender():
        tag.set("mine")
        handles.append(ref.dispatch_async("work.run", lambda dispatch: tag.get()))

    threads = [threading.Thread(target=busy), threading.Thread(target=sender)]
    threads[0].start()
    gate.wait()
    threads[1].start()
    until(lambda: sessions.session_stats().mailbox_depth)
    gate.release.set()
    for thread in threads:
        thread.join(10)
    assert handles[0].result(10) == "mine"


def test_what_one_mount_sets_in_its_context_the_other_does_not_see():
    ref = sessions.start_session("room", process(Work, ("other", Work)))

    def work(dispatch):
        before = tag.get()
        tag.set("left behind")
        return before

    assert ref.dispatch_async("run", work).result(10) == ["none", "none"]
    assert tag.get() == "none"


def test_the_database_connection_of_a_plain_effect_is_closed(ref, file_database):
    wrappers = []

    def work(dispatch):
        wrapper = connections[file_database]
        wrapper.ensure_connection()
        wrappers.append(wrapper)
        assert wrapper.connection is not None

    ref.dispatch_async("work.run", work).result(10)
    settle()
    assert wrappers[0].connection is None


# -- cleaning up -------------------------------------------------------------------------------------------------------


def test_what_an_effect_left_may_raise_and_dispatch(ref, caplog):
    seen = []

    def clean(dispatch):
        def cleanup():
            with pytest.raises(CancelledError):
                dispatch(".done", 1)
            seen.append("refused")
            ref.dispatch("work.done", "by ref")
            raise ValueError("as asked")

        return cleanup

    handle = ref.dispatch_async("work.run", clean)
    assert handle.result(10) is None
    assert handle.cancel() is False
    settle()
    assert seen == ["refused"]
    assert ref.state.work == ("by ref",)
    assert "background work failed" in caplog.text


def test_what_an_effect_leaves_after_it_was_cancelled_is_called_at_once(ref, gate):
    cleaned = threading.Event()

    def work(dispatch):
        gate()
        return cleaned.set

    handle = ref.dispatch_async("work.run", work)
    gate.wait()
    handle.cancel()
    gate.release.set()
    assert cleaned.wait(10)


@pytest.mark.parametrize("end", ["terminate", "expire", "crash", "stop", "shutdown"])
def test_every_end_of_a_life_cancels_and_cleans_up(ref, end, clock, caplog):
    cleaned = []
    ref.dispatch_async("work.keep", lambda: cleaned.append(1)).result(10)
    handle = ref.dispatch_async("work.arun", for_ever)
    late = handle if end == "expire" else ref.dispatch_async("work.late", 1)  # it would run long before the expiry
    match end:
        case "terminate":
            ref.terminate()
        case "expire":
            clock.advance(4000)
        case "crash":
            with pytest.raises(CallFailed):
                ref.call("crash")
        case "stop":
            sessions.supervisor.find("room").finish_life("normal")
        case "shutdown":
            sessions.supervisor.stop()
    until(lambda: handle.cancelled() and late.cancelled() and cleaned == [1])
    if end == "crash":
        clock.advance(1)
        settle()
        assert ref.state.work == ()
        assert under_way() == 0


# -- paced effects -----------------------------------------------------------------------------------------------------


def test_a_throttled_effect_runs_first_and_is_dropped_after(ref, clock):
    first, second = (ref.dispatch_async("work.seldom", number) for number in range(2))
    assert first.result(10) == 1
    assert second.cancelled()
    clock.advance(3)
    assert ref.dispatch_async("work.seldom", 2).result(10) == 2
    assert ref.state.work == (0, 2)


def test_a_debounced_effect_runs_for_the_last(ref, clock):
    handles = [ref.dispatch_async("work.late", number) for number in range(3)]
    assert [handle.cancelled() for handle in handles] == [True, True, False]
    assert under_way() == 1
    clock.advance(0.5)
    assert handles[2].result(10) == 1
    assert ref.state.work == (2,)
    settle()
    assert under_way() == 0


def test_a_debounced_effect_that_is_cancelled_leaves_nothing(ref, clock):
    handle = ref.dispatch_async("work.late", 1)
    assert handle.cancel()
    assert under_way() == 0
    clock.advance(1)
    settle()
    assert ref.state.work == ()
    handle = ref.dispatch_async("work.late", 2)
    clock.advance(1)
    assert handle.result(10) == 1


# -- races and leaks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["cancel", "terminate"])
def test_eight_threads_start_cancel_and_end(end):
    ref = sessions.start_session("room", process(Work, max_effects=3))
    handles = []

    async def work(dispatch):
        await asyncio.sleep(0)
        return await dispatch(".done", 1)

    def start():
        for number in range(25):
            kind, what = ("run", lambda dispatch: dispatch(".done", 1)) if number % 2 else ("arun", work)
            handles.append(ref.dispatch_async(f"work.{kind}", what, meta={"cancel_ref": number}))

    def stop():
        for number in range(25):
            for handle in handles[-3:]:
                handle.cancel()
            if end == "terminate" and number == 20:
                ref.terminate()
            elif ref.started():
                ref.dispatch("work.done", 0, meta={"cancel_ref": number})

    race(*[start] * 5, *[stop] * 3)
    until(lambda: all(handle.done() for handle in handles))
    settle()
    assert under_way() == 0
    assert sessions.supervisor.background.pending == 0
    if end == "cancel":
        finished = sum(not handle.cancelled() for handle in handles)
        assert ref.state.work.count(1) >= finished
        assert ref.dispatch_async("work.run", lambda dispatch: "still works").result(10) == "still works"


def test_nothing_is_left_of_an_effect(ref):
    class Payload:
        def __call__(self, dispatch):
            return None

        async def wait(self, dispatch):
            await asyncio.Event().wait()

    payload = Payload()
    gone = weakref.ref(payload)
    ref.dispatch_async("work.arun", for_ever).cancel()
    settle()
    tasks = len(sessions.supervisor.background._tasks)
    ref.dispatch_async("work.run", payload).result(10)
    handle = ref.dispatch_async("work.arun", payload.wait)
    handle.cancel()
    settle()
    del payload, handle

    def collected():
        gc.collect()
        return gone() is None

    until(collected)
    assert len(sessions.supervisor.background._tasks) == tasks
    assert under_way() == 0
