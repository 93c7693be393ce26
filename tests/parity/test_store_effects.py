"""Effects: work that an action starts, beside the session, and that dispatches what comes of it."""

import asyncio
import threading
from concurrent.futures import CancelledError

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from racing import until

from phoenix_sessions import (
    CallFailed,
    EffectHandle,
    MailboxFull,
    Reducer,
    ReducerError,
    SessionProcess,
    effect,
    on,
    sessions,
    telemetry,
)
from phoenix_sessions.testing import settle


class Data(Reducer):
    name = "data"

    def init_state(self):
        return {"loaded": (), "failed": None}

    @on("loaded")
    def loaded(self, action, state):
        return {**state, "loaded": (*state["loaded"], action.payload)}

    @on("load.failed")
    def failed(self, action, state):
        return {**state, "failed": action.payload}

    @on("broken")
    def broken(self, action, state):
        raise ValueError("as asked")

    @effect("load")
    async def load(self, action, dispatch, state):
        await asyncio.sleep(0)
        if action.payload is None:
            raise LookupError("nothing to load")
        await dispatch("data.loaded", action.payload)
        return len(state["loaded"])

    @effect("report")
    def report(self, action, dispatch, state):
        return dispatch(".loaded", threading.current_thread().name)

    @effect("wait")
    async def wait(self, action, dispatch, state):
        entered, loop = action.payload, asyncio.get_running_loop()
        entered.append(loop)
        await asyncio.Event().wait()

    @effect("block")
    def block(self, action, dispatch, state):
        entered, release = action.payload
        entered.set()
        assert release.wait(10)
        dispatch("data.loaded", "too late")

    @effect("watch")
    def watch(self, action, dispatch, state):
        return lambda: action.payload.append("cancelled")


class Room(SessionProcess):
    reducers = [Data]

    def handle_call(self, request, state):
        raise ValueError("as asked")


@pytest.fixture
def ref():
    return sessions.start_session("s", Room)


# -- what an effect does -----------------------------------------------------------------------------------------------


def test_a_coroutine_dispatches_what_it_fetched(ref):
    handle = ref.dispatch_async("data.load", 7)
    assert isinstance(handle, EffectHandle)
    assert handle.result(10) == 0
    assert ref.get_state("data.loaded") == (7,)


def test_a_plain_function_runs_on_a_worker_thread_and_dispatch_returns_the_version(ref):
    assert ref.dispatch_async("data.report").result(10) == 1
    assert ref.get_state("data.loaded") != (threading.current_thread().name,)


async def test_in_async_code_the_handle_is_awaited():
    ref = await sessions.astart_session("s", Room)
    assert await (await ref.adispatch_async("data.load", 7)) == 0
    assert await ref.aget_state("data.loaded") == (7,)
    with pytest.raises(SynchronousOnlyOperation):
        ref.dispatch_async("data.load", 8)


def test_dispatch_async_returns_before_the_effect_is_over(ref):
    entered, release = threading.Event(), threading.Event()
    handle = ref.dispatch_async("data.block", (entered, release))
    assert entered.wait(10)
    assert not handle.done()
    assert ref.dispatch("data.loaded", "meanwhile") == 1
    release.set()
    assert handle.result(10) is None
    assert handle.done()
    assert ref.get_state("data.loaded") == ("meanwhile", "too late")


def test_the_callback_handle_async_takes_what_has_no_method_and_may_return_a_cancel_function():
    class Callback(Reducer):
        name = "callback"

        @on("done")
        def done(self, action, state):
            return {"done": action.payload}

        def handle_async(self, action, dispatch, state):
            dispatch("callback.done", action.type)
            return lambda: action.payload.append("cancelled")

    ref = sessions.start_session("s", type("Process", (SessionProcess,), {"reducers": [Callback]}))
    cancelled = []
    ref.dispatch_async("callback.anything", cancelled).result(10)
    assert ref.get_state("callback.done") == "anything"
    ref.terminate()
    until(lambda: cancelled == ["cancelled"])


def test_the_callback_handle_unmatched_async_takes_what_no_method_is_for():
    class Lenient(Data):
        def handle_unmatched_async(self, action, dispatch, state):
            return f"unknown: {action.type}"

    ref = sessions.start_session("s", type("Process", (SessionProcess,), {"reducers": [Lenient]}))
    assert ref.dispatch_async("data.report").result(10) == 1
    assert ref.dispatch_async("data.nonsense").result(10) == "unknown: nonsense"


def test_an_effect_that_nobody_knows_is_an_unmatched_action(settings):
    seen = []
    handler = lambda action, reducer, name: seen.append((action.type, name))  # noqa: E731
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "UNMATCHED_ACTION_HANDLER": handler}
    ref = sessions.start_session("s", Room)
    assert ref.dispatch_async("data.nonsense").result(10) is None
    assert ref.dispatch_async("nowhere.nonsense").result(10) is None
    assert seen == [("nonsense", "data"), ("nowhere.nonsense", None)]


def test_a_leading_dot_is_the_prefix_of_the_mount_whatever_it_is_mounted_as():
    process = type("Process", (SessionProcess,), {"reducers": [Data, ("other", Data)]})
    ref = sessions.start_session("s", process)
    ref.dispatch_async("other.report").result(10)
    assert [len(ref.get_state(f"{name}.loaded")) for name in ("data", "other")] == [0, 1]


def test_several_mounts_give_a_list_in_their_order():
    process = type("Process", (SessionProcess,), {"reducers": [Data, ("other", Data)]})
    ref = sessions.start_session("s", process)
    ref.dispatch("other.loaded", 0)
    assert ref.dispatch_async("load", 7).result(10) == [0, 1]


def test_an_effect_takes_meta_targets_and_a_prefix(ref):
    assert ref.dispatch_async("report", reducers=["data"]).result(10) == 1
    assert ref.dispatch_async("report", reducer_prefix="data").result(10) == 2
    assert ref.dispatch_async("report", reducers=["nobody"]).result(10) is None


# -- failure -----------------------------------------------------------------------------------------------------------


def test_what_an_effect_raises_reaches_the_handle_and_the_failure_action(ref, caplog):
    handle = ref.dispatch_async("data.load")
    with pytest.raises(LookupError, match="nothing to load"):
        handle.result(10)
    assert ref.get_state("data.failed") == {"error": "LookupError", "message": "nothing to load"}
    assert "data.load" in caplog.text
    assert ref.started()


def test_a_dispatch_that_fails_raises_in_the_effect():
    class Checking(Data):
        @effect("check")
        async def check(self, action, dispatch, state):
            try:
                await dispatch(".broken")
            except ReducerError as error:
                return str(error.__cause__)

    ref = sessions.start_session("s", type("Process", (SessionProcess,), {"reducers": [Checking]}))
    assert ref.dispatch_async("data.check").result(10) == "as asked"


def test_waiting_for_a_result_has_a_limit(ref):
    entered, release = threading.Event(), threading.Event()
    handle = ref.dispatch_async("data.block", (entered, release))
    try:
        with pytest.raises(TimeoutError):
            handle.result(0.01)
    finally:
        release.set()
    assert handle.result(10) is None


# -- cancelling --------------------------------------------------------------------------------------------------------


def waiting(ref, **meta):
    """Start an effect that waits for ever; return its handle once it does."""
    entered = []
    handle = ref.dispatch_async("data.wait", entered, meta=meta)
    until(lambda: entered)
    return handle


def test_the_handle_cancels(ref):
    handle = waiting(ref)
    assert handle.cancel() is True
    assert handle.cancel() is False
    assert handle.cancelled()
    assert handle.done()
    with pytest.raises(CancelledError):
        handle.result(10)


def test_who_waits_for_a_cancelled_effect_is_told_at_once(ref):
    handle, told = waiting(ref), threading.Event()

    def wait():
        with pytest.raises(CancelledError):
            handle.result()
        told.set()

    threading.Thread(target=wait, daemon=True).start()
    handle.cancel()
    assert told.wait(10)


@pytest.mark.parametrize("verb", ["dispatch", "dispatch_async"])
def test_a_later_action_with_the_same_cancel_ref_cancels(ref, verb):
    handle, other = waiting(ref, cancel_ref="search"), waiting(ref, cancel_ref="else")
    getattr(ref, verb)("data.unknown", meta={"cancel_ref": "search"})
    assert handle.cancelled()
    assert not other.done()


@pytest.mark.parametrize("end", ["terminate", "expire", "crash"])
def test_the_end_of_the_life_cancels(ref, end, clock, caplog):
    handle, cleaned = waiting(ref), []
    ref.dispatch_async("data.watch", cleaned).result(10)
    match end:
        case "terminate":
            ref.terminate()
        case "expire":
            clock.advance(3601)
        case "crash":
            with pytest.raises(CallFailed):
                ref.call("anything")
    until(handle.cancelled)
    until(lambda: cleaned == ["cancelled"])


def test_a_cancel_function_is_called_once_on_cancel(ref):
    cleaned = []
    handle = ref.dispatch_async("data.watch", cleaned, meta={"cancel_ref": 1})
    handle.result(10)
    ref.dispatch("data.unknown", meta={"cancel_ref": 1})
    ref.dispatch("data.unknown", meta={"cancel_ref": 1})
    ref.terminate()
    until(lambda: cleaned)
    settle()
    assert cleaned == ["cancelled"]


def test_a_reducer_that_returns_a_cancel_function_each_time_goes_on_for_ever(ref):
    cleaned = []
    for _ in range(1100):
        ref.dispatch_async("data.watch", cleaned).result(10)
    until(lambda: len(cleaned) == 100)  # the oldest: 1000 are kept until the end of the life
    ref.terminate()
    until(lambda: len(cleaned) == 1100)


def test_a_cancelled_function_can_dispatch_no_more(ref):
    entered, release = threading.Event(), threading.Event()
    handle = ref.dispatch_async("data.block", (entered, release))
    assert entered.wait(10)
    handle.cancel()
    release.set()
    settle()
    assert ref.get_state("data.loaded") == ()
    with pytest.raises(CancelledError):
        handle.result(10)


# -- limits and telemetry ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["setting", "attribute"])
def test_so_many_run_at_once_and_the_rest_wait_in_order(by, settings):
    attributes = {"max_effects": 2} if by == "attribute" else {}
    if by == "setting":
        settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "MAX_EFFECTS": 2}
    ref = sessions.start_session("s", type("Process", (Room,), attributes))
    gates = [(threading.Event(), threading.Event()) for _ in range(4)]
    handles = [ref.dispatch_async("data.block", gate) for gate in gates]
    try:
        for entered, _ in gates[:2]:
            assert entered.wait(10)
        assert not gates[2][0].is_set()
        gates[0][1].set()
        assert gates[2][0].wait(10)
        assert not gates[3][0].is_set()
    finally:
        for _, release in gates:
            release.set()
    assert [handle.result(10) for handle in handles] == [None] * 4


def test_at_most_1000_wait():
    ref = sessions.start_session("s", type("Process", (Room,), {"max_effects": 1}))
    waiting(ref)
    handles = [ref.dispatch_async("data.load", number) for number in range(1000)]
    with pytest.raises(MailboxFull):
        ref.dispatch_async("data.load", "one too many")
    ref.terminate()
    until(lambda: all(handle.cancelled() for handle in handles))


def test_effects_are_told_to_telemetry(ref):
    seen = []
    names = ["start", "stop", "cancel", "exception"]
    events = [f"phoenix_sessions.effect.{name}" for name in names]
    telemetry.attach_many("watch", events, lambda *event: seen.append(event[:3]))
    try:
        ref.dispatch_async("data.load", 7).result(10)
        waiting(ref).cancel()
        with pytest.raises(LookupError):
            ref.dispatch_async("data.load").result(10)
    finally:
        telemetry.detach("watch")
    told = [(event.removeprefix("phoenix_sessions.effect."), metadata["action"]) for event, _, metadata in seen]
    assert told == [
        ("start", "data.load"), ("stop", "data.load"),
        ("start", "data.wait"), ("cancel", "data.wait"),
        ("start", "data.load"), ("exception", "data.load"),
    ]  # fmt: skip
    assert all(metadata["session_id"] == "s" for _, _, metadata in seen)
    assert isinstance(seen[-1][2]["error"], LookupError)
    assert all("duration" in measurements for event, measurements, _ in seen if not event.endswith("start"))
