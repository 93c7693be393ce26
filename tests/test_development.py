"""The checks of development: they find what works by luck, and say nothing of what is right."""

import dataclasses
import functools
import gc
import threading
import weakref

import msgspec
import pytest
from django.test import override_settings
from racing import race

from phoenix_sessions import (
    Reducer,
    ReducerError,
    SessionProcess,
    StateMutated,
    create_selector,
    debounce,
    on,
    sessions,
)
from phoenix_sessions.testing import settle


@pytest.fixture(autouse=True)
def debug():
    with override_settings(DEBUG=True):
        yield


class Plain:
    def __init__(self):
        self.items = []


class Struct(msgspec.Struct):
    items: list = []


@dataclasses.dataclass
class Data:
    items: list = dataclasses.field(default_factory=list)


class Box(Reducer):
    """Its slice holds something that can be changed in place."""

    name = "box"

    def init_state(self):
        return {"content": [], "count": 0}

    @on("set")
    def set(self, action, state):
        return {**state, "content": action.payload}

    @on("count")
    def count(self, action, state):
        return {**state, "count": state["count"] + 1}

    @on("mutate")
    def mutate(self, action, state):
        add(state["content"])
        return state

    @on("mutate and replace")
    def mutate_and_replace(self, action, state):
        add(state["content"])
        return {**state, "count": 5}

    @on("mutate and fail")
    def mutate_and_fail(self, action, state):
        add(state["content"])
        raise ValueError("as asked")

    @on("late")
    @debounce(1)
    def late(self, action, state):
        return self.mutate(action, state)

    @on("slow")
    def slow(self, action, state):
        sessions.supervisor.clock.advance(action.payload)
        return state


class Other(Reducer):
    name = "other"


class Room(SessionProcess):
    reducers = [Box, Other]


def add(content):
    """Change it in place."""
    if isinstance(content, list):
        (content[0] if content and isinstance(content[0], list) else content).append(1)
    else:
        content.items.append(1)


@pytest.fixture
def ref():
    return sessions.start_session("room", Room)


CONTENTS = [list, lambda: [[]], Plain, Struct, Data]


# -- changed in place --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["mutate", "mutate and replace", "mutate and fail"])
@pytest.mark.parametrize("content", CONTENTS, ids=["list", "nested", "class", "Struct", "dataclass"])
def test_a_reducer_that_changes_its_slice_in_place_is_named(ref, content, type_):
    ref.dispatch("box.set", content())
    with pytest.raises(StateMutated) as caught:
        ref.dispatch(f"box.{type_}")
    assert (caught.value.slice, caught.value.action) == ("box", f"box.{type_}")
    assert "by the reducer of action" in str(caught.value)
    assert ref.version == 1
    assert ref.dispatch("box.count") == 2


@pytest.mark.parametrize("content", CONTENTS, ids=["list", "nested", "class", "Struct", "dataclass"])
def test_a_slice_changed_outside_of_its_reducer_is_found_at_the_next_dispatch(ref, content):
    ref.dispatch("box.set", content())
    add(ref.state.box["content"])
    with pytest.raises(StateMutated) as caught:
        ref.dispatch("other.anything")
    assert (caught.value.slice, caught.value.action) == ("box", "box.set")
    assert "outside of its reducer" in str(caught.value)
    assert ref.dispatch("box.count") == 2


async def test_in_async_code():
    ref = await sessions.astart_session("room", Room)
    with pytest.raises(StateMutated):
        await ref.adispatch("box.mutate")


def test_in_dispatch_nowait_and_after_a_debounce_it_is_reported(ref, caplog, clock):
    ref.dispatch_nowait("box.mutate")
    assert "slice 'box' was changed in place" in caplog.text
    caplog.clear()
    ref.dispatch("box.late")
    clock.advance(1)
    settle()
    assert "slice 'box' was changed in place" in caplog.text
    assert ref.started()


def test_middleware_hears_of_it_as_it_is():
    def middleware(ref, action, next):
        return next(action)

    ref = sessions.start_session("room", type("Room", (Room,), {"store_middleware": [middleware]}))
    with pytest.raises(StateMutated):
        ref.dispatch("box.mutate")


@pytest.mark.parametrize("value", [float("nan"), (float("nan"),), 1, "text", ()], ids=repr)
def test_what_is_left_alone_is_never_found(value):
    class Bare(Reducer):
        name = "bare"

        def init_state(self):
            return value

    ref = sessions.start_session("room", type("Room", (SessionProcess,), {"reducers": [Bare, Box]}))
    assert [ref.dispatch("box.count") for _ in range(3)] == [1, 2, 3]


def test_a_reducer_that_raises_is_a_reducer_error_as_ever(ref):
    ref.dispatch("box.set", object())
    with pytest.raises(ReducerError):
        ref.dispatch("box.mutate")


def test_travelling_and_new_lives_are_no_mutations(ref):
    for number in range(3):
        ref.dispatch("box.set", [number])
    ref.undo()
    ref.travel_to(1)
    assert ref.dispatch("box.count") == 6
    ref.cast(("put", "own", [1]))
    assert ref.dispatch("box.count") == 8


# -- selectors ---------------------------------------------------------------------------------------------------------


def fresh(state):
    return dict(state["box"])


class Fresh:
    """A selector without a hash."""

    __hash__ = None

    def __call__(self, state):
        return [state["box"]]

    def method(self, state):
        return [state["box"]]


@pytest.mark.parametrize(
    "selector",
    [fresh, lambda state: [state["box"]], Fresh(), Fresh().method, functools.partial(lambda by, state: [by], 1)],
    ids=["function", "lambda", "object", "method", "partial"],
)
def test_a_selector_that_returns_a_new_object_each_time_is_warned_of_once(ref, caplog, selector):
    for _ in range(3):
        ref.subscribe(selector, receiver=lambda *_: None)
    assert caplog.text.count("returns a new object on every call") == 1


def test_a_selector_that_is_made_for_each_subscriber_is_warned_of_once(ref, caplog):
    for number in range(3):
        ref.subscribe(lambda state, n=number: [state["box"], n], receiver=lambda *_: None)
    assert caplog.text.count("returns a new object on every call") == 1


@pytest.mark.parametrize(
    "selector",
    [
        "box.content", None, lambda state: state["box"], lambda state: state.box["count"], lambda state: "text" + "s",
        lambda state: 1.5 + state.box["count"], lambda state: None, create_selector("box", dict),
    ],
)  # fmt: skip
def test_other_selectors_are_not_warned_of(ref, caplog, selector):
    ref.subscribe(selector, receiver=lambda *_: None)
    assert caplog.text == ""


# -- slow reducers and payloads ----------------------------------------------------------------------------------------


def test_a_slow_reducer_is_warned_of_once_for_its_type(ref, caplog):
    for seconds in (0.010, 0.020, 0.5):
        ref.dispatch("box.slow", seconds)
    assert caplog.text.count("took 20 ms") == 1
    assert caplog.text.count("'box.slow'") == 1


@pytest.mark.parametrize("payload", [object(), [threading.Lock()], {"a": {1, Plain}}], ids=["object", "list", "nested"])
def test_a_payload_that_nobody_could_keep_is_warned_of_once_for_its_type(ref, caplog, payload):
    for type_ in ("other.a", "other.a", "other.b"):
        ref.dispatch(type_, payload)
    assert [caplog.text.count(f"action 'other.{name}' carries") for name in "ab"] == [1, 1]


@pytest.mark.parametrize("payload", [None, 5, {"a": [(1, {2})]}, Struct(), Data()], ids=repr)
def test_other_payloads_are_not_warned_of(ref, caplog, payload):
    ref.dispatch("other.a", payload, meta={"user": 1})
    assert caplog.text == ""


# -- without DEBUG, and what is kept -----------------------------------------------------------------------------------


def test_without_debug_there_are_no_checks(caplog):
    with override_settings(DEBUG=False):
        ref = sessions.start_session("room", Room)
        ref.subscribe(fresh, receiver=lambda *_: None)
        ref.dispatch("box.mutate", object())
        ref.dispatch("box.slow", 5)
        add(ref.state.box["content"])
        ref.dispatch("box.count")
    assert caplog.text == ""


def test_the_checks_keep_no_session_and_no_owner_of_a_selector_alive(ref, caplog):
    owner = Fresh()
    gone = [weakref.ref(owner), weakref.ref(sessions.supervisor.find("room"))]
    ref.dispatch("box.count")
    ref.subscribe(owner.method, receiver=lambda *_: None).unsubscribe()
    ref.terminate()
    caplog.clear()
    del owner
    gc.collect()
    assert [each() for each in gone] == [None, None]


def test_eight_threads_of_sessions_share_the_checks():
    refs = [sessions.start_session(f"room{number}", Room) for number in range(8)]

    def dispatch(ref):
        return [ref.dispatch("box.count") for _ in range(50)][-1]

    assert race(*[functools.partial(dispatch, ref) for ref in refs]) == [50] * 8
