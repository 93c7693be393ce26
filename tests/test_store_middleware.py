"""Store middleware: around every dispatch, with one commit for all that it does."""

import contextlib
import functools
import logging

import msgspec
import pytest

from phoenix_sessions import (
    Action,
    InvalidReducer,
    Reducer,
    ReducerError,
    ReentrantCall,
    SessionProcess,
    debounce,
    effect,
    on,
    sessions,
    telemetry,
    throttle,
)
from phoenix_sessions.store_middleware import log_actions, time_actions, validate_payloads


class Cart(Reducer):
    """Its slice is what it was given."""

    name = "cart"

    def init_state(self):
        return ()

    @on("add")
    def add(self, action, state):
        if action.payload == "fail":
            raise ValueError("as asked")
        return (*state, action.payload)

    @on("seldom")
    @throttle("3s")
    def seldom(self, action, state):
        return self.add(action, state)

    @on("late")
    @debounce("500ms")
    def late(self, action, state):
        return self.add(action, state)

    @on("look")
    def look(self, action, state):
        return state

    @effect("load")
    def load(self, action, dispatch, state):
        return dispatch(".add", action.payload)


def start(*middleware, id="room", **attributes):
    attributes = {"reducers": [Cart], "store_middleware": list(middleware), "ttl": None, **attributes}
    return sessions.start_session(id, type("Room", (SessionProcess,), attributes))


def changed(action, **facts):
    return Action(*(facts.get(name, getattr(action, name)) for name in ("type", "payload", "meta")))


# -- what it may do ----------------------------------------------------------------------------------------------------


def test_the_first_is_outermost_and_sees_the_full_type_and_the_state_as_it_would_be():
    seen = []

    def outer(ref, action, next):
        seen.append(("outer", ref.id, action.type, ref.state.cart))
        after = next(action)
        seen.append(("outer after", after.cart, ref.state.cart, ref.version))
        return after

    def inner(ref, action, next):
        seen.append("inner")
        next(action)  # what it returns is of no consequence

    ref = start(outer, inner)
    assert ref.dispatch("cart.add", 1) == 1
    assert seen == [("outer", "room", "cart.add", ()), "inner", ("outer after", (1,), (), 0)]


def test_not_calling_next_stops_the_action_without_a_trace(clock):
    ref = start(lambda ref, action, next: None)
    for type_ in ("cart.add", "cart.late", "cart.seldom", "nowhere"):
        assert ref.dispatch(type_, 1) == 0
    clock.advance(1)
    assert (ref.state.cart, ref.history()) == ((), [])


@pytest.mark.parametrize("target", [{}, {"reducers": ["cart"]}, {"reducer_prefix": "cart"}])
def test_another_action_takes_its_place(target):
    ref = start(lambda ref, action, next: next(changed(action, type="cart.add", payload="replaced")))
    ref.dispatch("anything", 1, meta={"by": "me"}, **target)
    assert ref.state.cart == ("replaced",)
    assert [(entry.action.type, entry.action.meta) for entry in ref.history()] == [("cart.add", {"by": "me"})]


def test_an_action_of_the_same_type_keeps_its_explicit_targets():
    two = [Cart, ("other", Cart)]
    ref = start(lambda ref, action, next: next(changed(action, payload="replaced")), reducers=two)
    ref.dispatch("add", 1, reducers=["other"])
    assert ref.state == {"cart": (), "other": ("replaced",)}


def test_a_follow_up_is_the_same_commit():
    def follow_up(ref, action, next):
        first = next(action)
        return next(Action("cart.add", len(first.cart)))

    ref, told = start(follow_up), []
    ref.subscribe("cart", receiver=lambda event, value: told.append(value))
    assert ref.dispatch("cart.add", "x") == 1
    assert told == [(), ("x", 1)]
    assert [(entry.action.payload, entry.version) for entry in ref.history()] == [("x", 1), (1, 1)]
    ref.undo()
    assert ref.state.cart == ()
    ref.redo()
    assert ref.state.cart == ("x", 1)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("type_", ["cart.add", "cart.seldom", "cart.late"])
def test_one_that_raises_changes_nothing(when, type_, clock):
    failing = [True]

    def middleware(ref, action, next):
        if failing and when == "before":
            raise LookupError("as asked")
        next(action)
        if failing:
            raise LookupError("as asked")

    ref = start(middleware)
    timers = len(sessions.supervisor.timers)
    with pytest.raises(ReducerError) as caught:
        ref.dispatch(type_, 1)
    assert caught.value.reducer == "middleware"
    assert caught.value.action.type == type_
    assert isinstance(caught.value.__cause__, LookupError)
    assert len(sessions.supervisor.timers) == timers
    clock.advance(1)
    assert (ref.version, ref.state.cart, ref.history()) == (0, (), [])
    failing.clear()
    ref.dispatch(type_, 2)
    clock.advance(1)
    assert ref.state.cart == (2,)


def test_the_error_of_a_reducer_can_be_caught_and_answered_by_another_action():
    def catch(ref, action, next):
        try:
            next(action)
        except ReducerError as error:
            next(Action("cart.add", str(error.__cause__)))

    ref = start(catch)
    assert ref.dispatch("cart.add", "fail") == 1
    assert ref.state.cart == ("as asked",)
    assert [entry.action.payload for entry in ref.history()] == ["as asked"]


@pytest.mark.parametrize("type_", ["seldom", "late"])
def test_what_failed_and_was_caught_neither_counts_nor_waits(type_, clock):
    class Failing(Reducer):
        name = "failing"

        def handle_action(self, action, state):
            if action.payload == "fail elsewhere":
                raise ValueError("as asked")

    def catch(ref, action, next):
        with contextlib.suppress(ReducerError):
            next(action)

    ref = start(catch, reducers=[Cart, Failing])
    ref.dispatch(type_, "fail elsewhere")
    clock.advance(1)
    assert ref.state.cart == ()
    ref.dispatch(type_, 1)
    clock.advance(1)
    assert ref.state.cart == (1,)


def test_twice_the_same_throttled_action_runs_once_and_the_debounced_one_once_later(clock):
    def twice(ref, action, next):
        next(action)
        next(changed(action, payload="second"))

    ref = start(twice)
    ref.dispatch("cart.seldom", "first")
    ref.dispatch("cart.late", "first")
    clock.advance(1)
    assert ref.state.cart == ("first", "second")


def test_a_debounced_action_passes_when_it_is_sent_and_not_when_it_runs(clock):
    seen = []

    def watch(ref, action, next):
        seen.append(action.type)
        next(action)

    ref = start(watch)
    ref.dispatch("cart.late", 1)
    clock.advance(1)
    assert seen == ["cart.late"]
    assert ref.state.cart == (1,)


@pytest.mark.parametrize("wrong", [None, "cart.add", {"type": "cart.add"}])
def test_what_is_no_action_is_refused(wrong):
    ref = start(lambda ref, action, next: next(wrong))
    with pytest.raises(ReducerError) as caught:
        ref.dispatch("cart.add", 1)
    assert isinstance(caught.value.__cause__, TypeError)
    assert ref.version == 0


def test_next_after_the_dispatch_changes_nothing():
    kept = []

    def keep(ref, action, next):
        kept.append(next)
        next(action)

    ref = start(keep)
    ref.dispatch("cart.add", 1)
    kept[0](Action("cart.add", 2))
    assert (ref.state.cart, ref.version) == ((1,), 1)
    assert ref.dispatch("cart.add", 3) == 2
    assert ref.state.cart == (1, 3)


def test_dispatch_nowait_inside_comes_after_and_dispatch_would_wait_for_itself():
    refused = []

    def middleware(ref, action, next):
        if action.payload == 1:
            ref.dispatch_nowait("cart.add", 2)
            with pytest.raises(ReentrantCall):
                ref.dispatch("cart.add", 3)
            refused.append(True)
        return next(action)

    ref = start(middleware)
    assert ref.dispatch("cart.add", 1) == 1
    assert ref.state.cart == (1, 2)
    assert refused == [True]


def test_what_effects_dispatch_passes_too():
    seen = []

    def watch(ref, action, next):
        seen.append(action.type)
        next(action)

    ref = start(watch)
    ref.dispatch_async("cart.load", 1).result(10)
    assert seen == ["cart.add"]
    assert [entry.origin for entry in ref.history()] == ["effect"]


@pytest.mark.parametrize("type_", ["nowhere.add", "cart.unknown"])
def test_what_nobody_knows_reaches_the_unmatched_handler_once(type_, settings):
    seen = []
    handler = lambda action, reducer, name: seen.append((action.type, name))  # noqa: E731
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "UNMATCHED_ACTION_HANDLER": handler}
    ref = start(lambda ref, action, next: next(action))
    ref.dispatch(type_)
    assert seen == [("nowhere.add", None)] if type_.startswith("no") else [("unknown", "cart")]
    assert [entry.action.type for entry in ref.history()] == [type_]


def test_telemetry_tells_of_one_dispatch():
    seen = []
    telemetry.attach("one", "phoenix_sessions.dispatch", lambda event, _, facts, *rest: seen.append(facts["error"]))
    try:
        ref = start(lambda ref, action, next: (next(action), next(action)))
        ref.dispatch("cart.add", 1)
        with pytest.raises(ReducerError) as caught:
            ref.dispatch("cart.add", "fail")
    finally:
        telemetry.detach("one")
    assert seen == [None, caught.value]


# -- what is refused ---------------------------------------------------------------------------------------------------


async def coroutine(ref, action, next):
    return next(action)


@pytest.mark.parametrize("wrong", [coroutine, functools.partial(coroutine), None, "log_actions", 5])
def test_what_is_no_plain_function_is_refused_at_the_start(wrong):
    with pytest.raises(InvalidReducer, match="store_middleware"):
        start(wrong)
    assert not sessions.started("room")


def test_an_object_may_be_a_middleware_and_is_named_by_its_class():
    class Guard:
        def __call__(self, ref, action, next):
            raise LookupError("as asked")

    ref = start(Guard())
    with pytest.raises(ReducerError) as caught:
        ref.dispatch("cart.add")
    assert caught.value.reducer == "Guard"


# -- the ready ones ----------------------------------------------------------------------------------------------------


def test_actions_are_logged_with_what_they_change(caplog):
    ref = start(log_actions(logging.INFO))
    with caplog.at_level(logging.INFO, "phoenix_sessions"):
        ref.dispatch("cart.add", 1)
        ref.dispatch("cart.look")
        with pytest.raises(ReducerError):
            ref.dispatch("cart.add", "fail")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:2] == ["session room: cart.add changes cart", "session room: cart.look changes nothing"]
    assert lines[2].startswith("session room: cart.add failed: ")
    assert len(lines) == 3


@pytest.mark.parametrize(("slower_than", "lines"), [(-1, 1), (3600, 0)])
def test_slow_actions_are_logged(caplog, slower_than, lines):
    ref = start(time_actions(slower_than))
    ref.dispatch("cart.add", 1)
    assert len(caplog.records) == lines
    assert ref.state.cart == (1,)


class Item(msgspec.Struct, frozen=True):
    name: str
    count: int = 1


class Plain:
    def __init__(self, name):
        self.name = name


@pytest.mark.parametrize("payload", [{"name": "tea"}, Item("tea"), Plain("tea")], ids=["dict", "Struct", "object"])
def test_payloads_are_converted(payload):
    ref = start(validate_payloads({"cart.add": Item}))
    ref.dispatch("cart.add", payload)
    ref.dispatch("cart.seldom", payload)
    assert ref.state.cart == (Item("tea"), payload)


@pytest.mark.parametrize("payload", [None, {"name": 5}, {"count": 1}, "tea", object()], ids=repr)
def test_a_payload_that_does_not_fit_is_refused(payload):
    ref = start(validate_payloads({"cart.add": Item}))
    with pytest.raises(ReducerError) as caught:
        ref.dispatch("cart.add", payload)
    assert isinstance(caught.value.__cause__, msgspec.ValidationError)
    assert caught.value.reducer == "validate_payload"
    assert ref.version == 0


@pytest.mark.parametrize(("type_", "payload"), [(int, 3), (list[Item], [{"name": "tea"}]), (Item | None, None)])
def test_any_type_of_msgspec_will_do(type_, payload):
    ref = start(validate_payloads({"cart.add": type_}))
    ref.dispatch("cart.add", payload)
    assert ref.state.cart == (msgspec.convert(payload, type_),)


async def test_in_async_code():
    attributes = {"reducers": [Cart], "store_middleware": [validate_payloads({"cart.add": Item})]}
    ref = await sessions.astart_session("room", type("Room", (SessionProcess,), attributes))
    await ref.adispatch("cart.add", {"name": "tea"})
    assert ref.state.cart == (Item("tea"),)
