"""Every telemetry event that the original declares, and those that are ours, told when it happens."""

import asyncio
import contextlib
import threading

import pytest
from racing import until
from samples import Count, EchoRoom

from phoenix_sessions import (
    CallFailed,
    MailboxFull,
    RateLimitExceeded,
    SessionProcess,
    create_selector,
    effect,
    on,
    sessions,
    telemetry,
)
from phoenix_sessions.runtime import mailbox
from phoenix_sessions.runtime import telemetry as runtime_telemetry
from phoenix_sessions.testing import settle

PREFIX = "phoenix_sessions."


class Working(Count):
    @effect("work")
    async def work(self, action, dispatch, state):
        return action.payload

    @effect("fail")
    async def fail_work(self, action, dispatch, state):
        raise ValueError("as asked")

    @effect("wait")
    async def wait(self, action, dispatch, state):
        action.payload.append(True)
        await asyncio.Event().wait()


class WorkingRoom(EchoRoom):
    reducers = [Working]
    ttl = 60

    def init_state(self, args):
        if args == "fail":
            raise LookupError("as asked")
        return {}


def start():
    return sessions.start_session("s", WorkingRoom)


def crash():
    with pytest.raises(CallFailed):
        start().call("crash")


def start_too_fast():
    start()
    with pytest.raises(RateLimitExceeded):
        sessions.start_session("other")


def fail_to_start():
    with pytest.raises(LookupError):
        sessions.start_session("s", WorkingRoom, "fail")


def subscribe():
    return start().subscribe("count", "count_changed", receiver=lambda *_: None)


def notify():
    ref = start()
    ref.subscribe("count", "count_changed", receiver=lambda *_: None)
    ref.dispatch("count.add")


def select(times):
    ref, double = start(), create_selector("count", lambda count: count * 2)
    for _ in range(times):
        ref.get_state(double)


def work(type_, payload=None):
    handle = start().dispatch_async(f"count.{type_}", payload)
    with contextlib.suppress(ValueError):
        handle.result(10)


def cancel():
    entered = []
    handle = start().dispatch_async("count.wait", entered)
    until(lambda: entered)
    handle.cancel()


# what to do, the names of the measurements, and what the metadata says beside session_id and process
EVENTS = {
    "session.start": (start, {"count"}, {}),
    "session.stop": (lambda: start().terminate("bye"), {"duration"}, {"reason": "bye"}),
    "session.start_error": (fail_to_start, {"count"}, {"error": LookupError}),
    "session.expire": (start, {"idle"}, {}),
    "session.restart": (crash, {"count"}, {"reason": "crash"}),
    "session.crash": (crash, {"count"}, {"error": ValueError}),
    "call": (lambda: start().call("hello"), {"duration"}, {"error": None}),
    "cast": (lambda: start().cast("hello"), {"duration"}, {"error": None}),
    "communication_error": (
        lambda: start().dispatch_nowait("count.fail"),
        {"count"},
        {"where": "action", "action": "count.fail"},
    ),
    "cleanup": (start, {"count"}, {}),
    "rate_limit.check": (start, {"count"}, {}),
    "rate_limit.exceeded": (start_too_fast, {"retry_after"}, {}),
    "dispatch": (lambda: start().dispatch("count.add"), {"duration"}, {"action": "count.add", "version": 1}),
    "subscribe": (subscribe, {"count"}, {"events": ("count_changed",)}),
    "unsubscribe": (lambda: subscribe().unsubscribe(), {"count"}, {}),
    "notification": (notify, {"count"}, {"version": 1}),
    "commit": (lambda: start().dispatch("count.add"), {"count"}, {"version": 1, "slices": ("count",)}),
    "selector.miss": (lambda: select(1), {"count"}, {}),
    "selector.hit": (lambda: select(2), {"count"}, {}),
    "effect.start": (lambda: work("work"), {"count"}, {"action": "count.work"}),
    "effect.stop": (lambda: work("work"), {"duration"}, {"action": "count.work"}),
    "effect.cancel": (cancel, {"duration"}, {"action": "count.wait"}),
    "effect.exception": (lambda: work("fail"), {"duration"}, {"action": "count.fail", "error": ValueError}),
}
OF_IDLE_SESSIONS = {"session.expire", "cleanup"}
OF_SHARED_BACKENDS = {"conflict", "unavailable"}
OF_NO_PROCESS = {"rate_limit.check", "rate_limit.exceeded", "cleanup"}


@pytest.fixture
def told(request):
    """The events of a name, as (measurements, metadata)."""
    seen = []
    telemetry.attach("watch", PREFIX + request.param, lambda event, *facts: seen.append(facts[:2]))
    yield seen
    telemetry.detach("watch")


@pytest.mark.parametrize(("told", "name"), [(name, name) for name in EVENTS], indirect=["told"], ids=EVENTS)
def test_the_event_is_told(told, name, settings, clock):
    settings.PHOENIX_SESSIONS = {"RATE_LIMIT": "1/m"}
    happen, measured, facts = EVENTS[name]
    happen()
    if name in OF_IDLE_SESSIONS:
        clock.advance(61)
    settle()

    measurements, metadata = told[0]
    assert measurements.keys() == measured
    assert all(type(value) in (int, float) for value in measurements.values())
    assert metadata.get("session_id") == {"cleanup": None, "rate_limit.exceeded": "other"}.get(name, "s")
    assert ("process" in metadata) == (name not in OF_NO_PROCESS)
    for key, expected in facts.items():
        assert isinstance(metadata[key], expected) if isinstance(expected, type) else metadata[key] == expected


@pytest.mark.parametrize("told", ["cleanup_error"], indirect=True)
def test_the_event_is_told_of_a_session_that_could_not_be_cleaned_up(told, clock):
    entered, release = threading.Event(), threading.Event()
    clock.busy = True

    class Blocking(Count):
        @on("block")
        def block(self, action, state):
            entered.set()
            assert release.wait(10)
            return state

    ref = sessions.start_session("s", type("Room", (SessionProcess,), {"reducers": [Blocking]}), ttl=60)
    blocked = threading.Thread(target=ref.dispatch, args=("count.block",))
    blocked.start()
    assert entered.wait(10)
    taken = 0
    with contextlib.suppress(MailboxFull):  # on a shared backend the session may have a message of its own
        while True:
            ref.dispatch_nowait("count.add")
            taken += 1
    clock.advance(61)
    release.set()
    blocked.join(10)
    settle()

    [(measurements, metadata)] = told
    assert measurements == {"count": 1}
    assert metadata["session_id"] == "s"
    assert isinstance(metadata["error"], MailboxFull)
    assert mailbox.MAILBOX_LIMIT - 1 <= taken <= mailbox.MAILBOX_LIMIT
    assert ref.get_state("count") == taken


def test_there_are_no_other_events():
    declared = {value for name, value in vars(runtime_telemetry).items() if name.isupper()}
    elsewhere = ("cleanup_error", "stream.gap")
    assert declared == {PREFIX + name for name in (*EVENTS, *elsewhere, *OF_SHARED_BACKENDS)}


@pytest.mark.parametrize("told", ["call"], indirect=True)
def test_durations_are_seconds(told, clock):
    class Slow(SessionProcess):
        def handle_call(self, request, state):
            clock.advance(2)
            return super().handle_call(request, state)

    sessions.start_session("s", Slow).call("get_state")
    assert told[0][0]["duration"] == 2


@pytest.mark.parametrize("told", ["dispatch"], indirect=True)
def test_a_handler_that_raises_is_detached_and_harms_nobody(told, caplog):
    def failing(*event):
        raise ValueError("as asked")

    telemetry.attach("bad", PREFIX + "dispatch", failing)
    ref = start()
    assert [ref.dispatch("count.add"), ref.dispatch("count.add")] == [1, 2]
    assert len(told) == 2
    assert caplog.text.count("'bad' failed") == 1
