"""Telemetry in the log, and as Django's signals."""

import logging

import pytest
from samples import Count, EchoRoom, Room

from phoenix_sessions import ReducerError, SessionProcess, effect, sessions
from phoenix_sessions.adapters import logging as log_adapter
from phoenix_sessions.adapters import signals
from phoenix_sessions.runtime import telemetry


class Working(Count):
    name = "working"

    @effect("work")
    def work(self, action, dispatch, state):
        if action.payload:
            raise ValueError(action.payload)
        return dispatch(".add")


class Workshop(SessionProcess):
    reducers = [Working]


@pytest.fixture(autouse=True)
def detached():
    yield
    log_adapter.detach()
    signals.detach()


def lines(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name.endswith("telemetry")]


# -- the log -------------------------------------------------------------------------------------------------------


def test_what_comes_and_goes_is_info(caplog, clock):
    caplog.set_level(logging.INFO, "phoenix_sessions.telemetry")
    log_adapter.attach()
    sessions.start_session("a", Room)
    sessions.get_or_start("a").dispatch("count.add")
    clock.advance(2.5)
    sessions.terminate("a")
    assert lines(caplog) == [
        ("INFO", "session.start session_id=a process=Room count=1"),
        ("INFO", "session.stop session_id=a process=Room reason=normal duration=2.5"),
    ]


def test_failures_and_details(caplog):
    caplog.set_level(logging.DEBUG, "phoenix_sessions.telemetry")
    log_adapter.attach()
    ref = sessions.start_session("a", EchoRoom)
    with pytest.raises(ReducerError):
        ref.dispatch("count.fail")
    ref.dispatch_nowait("count.fail")
    told = [(level, text.split(" ", 1)[0]) for level, text in lines(caplog)]
    assert told == [
        ("INFO", "session.start"), ("DEBUG", "dispatch"), ("DEBUG", "dispatch"), ("ERROR", "communication_error"),
    ]  # fmt: skip
    assert "action=count.fail origin=dispatch version=0 error=ReducerError(" in lines(caplog)[1][1]


def test_a_line_stays_one_line(caplog):
    caplog.set_level(logging.DEBUG, "phoenix_sessions.telemetry")
    log_adapter.attach()
    sessions.start_session("a", Room).dispatch("count.add\nERROR session.crash")
    assert "action='count.add\\nERROR session.crash'" in lines(caplog)[-1][1]


def test_levels_and_logger_can_be_chosen_and_are_replaced(caplog):
    caplog.set_level(logging.DEBUG)
    log_adapter.attach()
    log_adapter.attach({telemetry.COMMIT: logging.CRITICAL}, logging.getLogger("elsewhere.telemetry"))
    sessions.start_session("a", Room).dispatch("count.add")
    [record] = [record for record in caplog.records if "telemetry" in record.name]
    assert (record.name, record.levelno) == ("elsewhere.telemetry", logging.CRITICAL)
    assert record.getMessage().startswith("commit session_id=a process=Room epoch=")
    assert record.getMessage().endswith("version=1 slices=('count',) count=1")


def test_detaching_twice_is_fine(caplog):
    caplog.set_level(logging.DEBUG, "phoenix_sessions.telemetry")
    log_adapter.attach()
    log_adapter.detach()
    log_adapter.detach()
    sessions.start_session("a", Room)
    assert lines(caplog) == []


def test_every_event_that_is_logged_is_one():
    events = {value for name, value in vars(telemetry).items() if name.isupper()}
    assert set(log_adapter.LEVELS) | set(signals.SIGNALS) <= events


# -- signals -------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard():
    """What was sent: (signal's name, sender, facts)."""
    names = {signal: name for name, signal in vars(signals).items() if signal in signals.SIGNALS.values()}
    heard = []

    def receive(sender, signal, **facts):
        heard.append((names[signal], sender, facts))

    for signal in names:
        signal.connect(receive)
    signals.attach()
    yield heard
    for signal in names:
        signal.disconnect(receive)


def test_a_session_from_start_to_end(heard):
    ref = sessions.start_session("a", Room)
    ref.dispatch("count.add")
    ref.terminate()
    assert [name for name, _, _ in heard] == [
        "session_started",
        "state_committed",
        "action_dispatched",
        "session_stopped",
    ]
    assert {sender for _, sender, _ in heard} == {Room}
    assert heard[-1][2] == {"session_id": "a", "reason": "normal", "measurements": {"duration": 0.0}}


def test_crash_restart_and_expiry(heard, clock):
    ref = sessions.start_session("a", EchoRoom, ttl=10)
    with pytest.raises(Exception, match="as asked"):
        ref.call("crash")
    clock.advance(11)
    assert [name for name, _, _ in heard] == [
        "session_started", "session_crashed", "session_restarted", "session_expired", "session_stopped",
    ]  # fmt: skip


def test_effects(heard):
    ref = sessions.start_session("a", Workshop)
    assert ref.dispatch_async("working.work").result(10) == 1
    with pytest.raises(ValueError, match="as asked"):
        ref.dispatch_async("working.work", "as asked").result(10)
    names = [name for name, _, _ in heard if name.startswith("effect")]
    assert names == ["effect_started", "effect_stopped", "effect_started", "effect_failed"]


def test_a_receiver_that_raises_is_reported_and_the_others_are_told(heard, caplog):
    def raising(**facts):
        raise ValueError("as asked")

    signals.session_started.connect(raising)
    try:
        sessions.start_session("a", Room)
        sessions.start_session("b", Room)
    finally:
        signals.session_started.disconnect(raising)
    assert [name for name, _, _ in heard] == ["session_started"] * 2
    assert [record.name for record in caplog.records] == ["django.dispatch"] * 2


def test_detached_signals_are_silent(heard):
    signals.detach()
    sessions.start_session("a", Room)
    assert heard == []
