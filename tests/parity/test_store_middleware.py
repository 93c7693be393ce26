"""Store middleware: what runs around the reducers of a process class."""

import logging

import msgspec
import pytest
from samples import Count

from phoenix_sessions import Action, Reducer, ReducerError, SessionProcess, SessionRef, on, sessions
from phoenix_sessions.store_middleware import log_actions, time_actions, validate_payloads


class Log(Reducer):
    name = "log"

    def init_state(self):
        return ()

    @on("add")
    def add(self, action, state):
        return (*state, action.payload)


def start(*middleware, reducers=(Count, Log)):
    attributes = {"reducers": list(reducers), "store_middleware": list(middleware)}
    return sessions.start_session("s", type("Process", (SessionProcess,), attributes))


def test_middleware_runs_in_order_around_the_reducers():
    order = []

    def around(name):
        def middleware(ref, action, next):
            order.append((f"before {name}", action.type))
            state = next(action)
            order.append((f"after {name}", state["count"]))
            return state

        return middleware

    assert start(around("a"), around("b")).dispatch("count.add") == 1
    assert order == [("before a", "count.add"), ("before b", "count.add"), ("after b", 1), ("after a", 1)]


def test_middleware_gets_a_handle_on_the_session():
    seen = []

    def look(ref, action, next):
        seen.append((type(ref), ref.id, ref.state["count"]))
        return next(action)

    start(look).dispatch("count.add")
    assert seen == [(SessionRef, "s", 0)]


def test_middleware_may_stop_an_action():
    ref = start(lambda ref, action, next: None)
    assert ref.dispatch("count.add") == 0
    assert ref.get_state("count") == 0
    assert ref.history() == []


def test_middleware_may_replace_an_action():
    ref = start(lambda ref, action, next: next(Action("log.add", action.type)))
    ref.dispatch("count.add")
    assert ref.get_state() == {"count": 0, "log": ("count.add",)}


def test_middleware_may_follow_an_action_up_and_there_is_one_commit():
    def audit(ref, action, next):
        next(action)
        return next(Action("log.add", action.type))

    ref, told = start(audit), []
    with ref.subscribe(receiver=lambda event, value: told.append(dict(value))):
        assert ref.dispatch("count.add") == 1
    assert told == [{"count": 0, "log": ()}, {"count": 1, "log": ("count.add",)}]


def test_middleware_that_raises_changes_nothing_and_is_named():
    def strict(ref, action, next):
        next(action)
        raise PermissionError("not today")

    ref = start(strict)
    with pytest.raises(ReducerError, match="store middleware 'strict' failed") as caught:
        ref.dispatch("count.add")
    assert (caught.value.reducer, caught.value.action.type) == ("strict", "count.add")
    assert isinstance(caught.value.__cause__, PermissionError)
    assert (ref.version, ref.get_state("count")) == (0, 0)


def test_middleware_sees_a_reducer_fail():
    seen = []

    def watch(ref, action, next):
        try:
            return next(action)
        except ReducerError as error:
            seen.append(error.reducer)
            raise

    with pytest.raises(ReducerError):
        start(watch).dispatch("count.fail")
    assert seen == ["count"]


def test_ready_middleware_logs_actions(caplog):
    caplog.set_level(logging.INFO, "phoenix_sessions")
    start(log_actions(level=logging.INFO)).dispatch("count.add")
    [record] = caplog.records
    assert record.levelno == logging.INFO
    assert "count.add" in record.getMessage()


def test_ready_middleware_warns_of_slow_actions(caplog):
    start(time_actions(slower_than=0)).dispatch("count.add")
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "count.add" in record.getMessage()


class Item(msgspec.Struct, frozen=True):
    sku: str
    price: int


class Items(Log):
    state_type = tuple[Item, ...]


def test_ready_middleware_validates_and_converts_payloads():
    ref = start(validate_payloads({"log.add": Item}), reducers=[Items])
    ref.dispatch("log.add", {"sku": "tea", "price": 3})
    assert ref.get_state("log") == (Item("tea", 3),)
    with pytest.raises(ReducerError) as caught:
        ref.dispatch("log.add", {"sku": "tea", "price": "free"})
    assert isinstance(caught.value.__cause__, msgspec.ValidationError)
    assert ref.get_state("log") == (Item("tea", 3),)
