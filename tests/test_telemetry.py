"""Events: attaching, detaching, handlers that raise, spans, and what the runtime tells."""

import pytest
from samples import Count, EchoRoom

from phoenix_sessions import (
    CallFailed,
    CastFailed,
    RateLimitExceeded,
    ReducerError,
    Restart,
    SessionProcess,
    sessions,
    telemetry,
)
from phoenix_sessions.runtime.telemetry import attached
from phoenix_sessions.testing import settle

PREFIX = "phoenix_sessions."
EVENTS = [
    "session.start", "session.stop", "session.start_error", "session.expire", "session.restart", "session.crash",
    "call",
    "cast", "communication_error", "rate_limit.check", "rate_limit.exceeded", "dispatch", "subscribe", "unsubscribe",
    "notification",
]  # fmt: skip


class Room(EchoRoom):
    ttl = 60

    def init_state(self, args):
        if args == "fail":
            raise LookupError("as asked")
        return {}


class AsyncRoom(Room):
    async def handle_call(self, request, state):
        return super().handle_call(request, state)

    async def handle_cast(self, request, state):
        return super().handle_cast(request, state)


@pytest.fixture
def events():
    """All events, as (name without prefix, measurements, metadata)."""
    seen = []

    def note(event, measurements, metadata, config):
        seen.append((event.removeprefix(PREFIX), dict(measurements), dict(metadata)))

    telemetry.attach_many("tests", [PREFIX + event for event in EVENTS], note)
    yield seen
    telemetry.detach("tests")
    assert not attached


def names(events):
    return [name for name, _, _ in events]


def facts(events, name):
    """Return the measurements and metadata of the only event of this name."""
    [(measurements, metadata)] = [rest for each, *rest in events if each == name]
    return measurements, metadata


def test_the_life_of_a_session(events, clock):
    ref = sessions.start_session("room", Room)
    clock.advance(5)
    ref.terminate("logout")
    assert names(events) == ["session.start", "session.stop"]
    assert facts(events, "session.start") == ({"count": 1}, {"session_id": "room", "process": Room})
    measurements, metadata = facts(events, "session.stop")
    assert measurements == {"duration": 5.0}
    assert (metadata["session_id"], metadata["reason"]) == ("room", "logout")


def test_expiry(events, clock):
    sessions.start_session("room", Room)
    clock.advance(61)
    assert names(events) == ["session.start", "session.expire", "session.stop"]
    assert facts(events, "session.expire")[0]["idle"] >= 60
    assert facts(events, "session.stop")[1]["reason"] == "expired"


def test_a_start_that_fails(events):
    with pytest.raises(LookupError):
        sessions.start_session("room", Room, "fail")
    assert names(events) == ["session.start_error"]
    assert isinstance(facts(events, "session.start_error")[1]["error"], LookupError)


def test_the_rate_limit(events, settings):
    settings.PHOENIX_SESSIONS = {"RATE_LIMIT": "1/m"}
    sessions.start_session("one", Room)
    with pytest.raises(RateLimitExceeded):
        sessions.start_session("two", Room)
    assert names(events) == ["rate_limit.check", "session.start", "rate_limit.exceeded", "session.start_error"]
    assert facts(events, "rate_limit.check") == ({"count": 1}, {"session_id": "one"})
    assert facts(events, "rate_limit.exceeded") == ({"retry_after": 60.0}, {"session_id": "two"})


def test_dispatches(events):
    ref = sessions.start_session("room", Room)
    ref.dispatch("count.add")
    ref.dispatch_nowait("count.add")
    dispatches = [(metadata["action"], metadata["version"]) for name, _, metadata in events if name == "dispatch"]
    assert dispatches == [("count.add", 1), ("count.add", 2)]
    assert all(measurements["duration"] >= 0 for name, measurements, _ in events if name == "dispatch")


def test_a_dispatch_that_fails(events):
    ref = sessions.start_session("room", Room)
    with pytest.raises(ReducerError):
        ref.dispatch("count.fail")
    assert isinstance(facts(events, "dispatch")[1]["error"], ReducerError)
    assert "communication_error" not in names(events)


def test_a_failure_that_nobody_waits_for(events):
    sessions.start_session("room", Room).dispatch_nowait("count.fail")
    assert isinstance(facts(events, "communication_error")[1]["error"], ReducerError)


@pytest.mark.parametrize("process", [Room, AsyncRoom])
def test_calls_and_casts(events, process):
    ref = sessions.start_session("room", process)
    ref.call("hello")
    ref.cast("hello")
    settle()
    assert [name for name in names(events) if name in ("call", "cast")] == ["call", "cast"]
    measurements, metadata = facts(events, "call")
    assert measurements["duration"] >= 0
    assert (metadata["session_id"], metadata["error"]) == ("room", None)


@pytest.mark.parametrize("process", [Room, AsyncRoom])
def test_a_crash_and_a_restart(events, process):
    ref = sessions.start_session("room", process)
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert names(events) == ["session.start", "session.crash", "session.restart", "call"]
    assert isinstance(facts(events, "session.crash")[1]["error"], ValueError)
    assert isinstance(facts(events, "call")[1]["error"], CallFailed)


def test_a_crash_without_a_restart(events):
    ref = sessions.start_session("room", type("Mortal", (Room,), {"restart": Restart.TEMPORARY}))
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert names(events) == ["session.start", "session.crash", "session.stop", "call"]


def test_a_cast_that_fails(events):
    ref = sessions.start_session("room", type("Plain", (SessionProcess,), {"reducers": [Count]}))
    with pytest.raises(CastFailed):
        ref.cast("dance")
    assert isinstance(facts(events, "cast")[1]["error"], CastFailed)


def test_subscriptions_and_notifications(events):
    ref = sessions.start_session("room", Room)
    subscription = ref.subscribe("count", "total", receiver=lambda *_: None)
    ref.dispatch("count.add")
    subscription.unsubscribe()
    assert names(events) == ["session.start", "subscribe", "notification", "dispatch", "unsubscribe"]
    assert facts(events, "subscribe")[1]["events"] == ("total",)
    assert facts(events, "notification") == (
        {"count": 1},
        {"session_id": "room", "process": Room, "version": 1},
    )


# -- the tools ---------------------------------------------------------------------------------------------------------


def test_a_handler_gets_its_config_until_it_is_detached():
    seen = []

    def note(*args):
        seen.append(args)

    telemetry.attach("one", "shop.sold", note, config=7)
    telemetry.execute("shop.sold", {"count": 1}, {"what": "tea"})
    telemetry.execute("shop.other", {}, {})
    telemetry.detach("one")
    telemetry.execute("shop.sold", {"count": 1}, {"what": "tea"})
    assert seen == [("shop.sold", {"count": 1}, {"what": "tea"}, 7)]


def test_a_handler_id_is_taken_until_it_is_detached():
    telemetry.attach("one", "shop.sold", print)
    with pytest.raises(ValueError, match="'one' is attached already"):
        telemetry.attach("one", "shop.other", print)
    telemetry.detach("one")
    with pytest.raises(LookupError, match="'one'"):
        telemetry.detach("one")


def test_a_handler_that_raises_is_detached_and_reported_and_the_others_go_on(caplog):
    seen = []

    def failing(*args):
        raise LookupError("as asked")

    telemetry.attach_many("bad", [PREFIX + "dispatch", "shop.sold"], failing)
    telemetry.attach("good", PREFIX + "dispatch", lambda *args: seen.append(args))
    ref = sessions.start_session("room", Room)
    assert [ref.dispatch("count.add"), ref.dispatch("count.add")] == [1, 2]
    telemetry.detach("good")
    assert len(seen) == 2
    assert caplog.text.count("'bad' failed") == 1
    assert not attached


def test_a_span_tells_its_start_and_its_stop():
    seen = []
    telemetry.attach_many("span", ["sale.start", "sale.stop", "sale.exception"], lambda *args: seen.append(args[:3]))
    with telemetry.span("sale", {"what": "tea"}):
        pass
    with pytest.raises(LookupError) as caught, telemetry.span("sale", {"what": "milk"}):
        raise LookupError("sold out")
    telemetry.detach("span")
    assert [event for event, _, _ in seen] == ["sale.start", "sale.stop", "sale.start", "sale.exception"]
    assert seen[0][1]["system_time"] > 0
    assert seen[1][1]["duration"] >= 0
    assert seen[1][2] == {"what": "tea"}
    assert seen[3][2] == {"what": "milk", "error": caught.value}
