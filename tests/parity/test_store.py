"""What Phoenix.SessionProcess does with the state of a session: actions, reducers, routing, reading, subscribing."""

import gc
import logging

import msgspec
import pytest
from django.core.exceptions import ImproperlyConfigured
from doors.sockets import connected
from samples import Count, Room
from testsite.consumers import CounterConsumer

from phoenix_sessions import (
    InvalidAction,
    InvalidReducer,
    Reducer,
    ReducerError,
    SelectorError,
    SessionNotFound,
    SessionProcess,
    State,
    on,
    sessions,
)


class Log(Reducer):
    """Keeps the type of every action that reaches it, as it sees it."""

    name = "log"

    def init_state(self):
        return ()

    def handle_action(self, action, state):
        return (*state, action.type)


class CatchAll(Log):
    name = "all"
    action_prefix = None


def start(*reducers, **attributes):
    process = type("Process", (SessionProcess,), {"reducers": list(reducers), **attributes})
    return sessions.start_session("s", process)


# -- actions -----------------------------------------------------------------------------------------------------------


def test_an_action_has_a_type_a_payload_and_meta():
    class Keeping(Reducer):
        name = "kept"

        @on("this")
        def keep(self, action, state):
            return {"type": action.type, "payload": action.payload, "meta": dict(action.meta)}

    ref = start(Keeping)
    ref.dispatch("kept.this", [1, 2], meta={"request": 7})
    assert ref.get_state("kept") == {"type": "this", "payload": [1, 2], "meta": {"request": 7}}


@pytest.mark.parametrize("wrong", [None, 5, b"add", "", ["add"]])
def test_an_action_type_must_be_a_str(wrong):
    with pytest.raises(InvalidAction):
        start(Count).dispatch(wrong)


@pytest.mark.parametrize("wrong", [5, "meta", [("async", True)]])
def test_meta_must_be_a_mapping(wrong):
    with pytest.raises(InvalidAction):
        start(Count).dispatch("count.add", meta=wrong)


# -- reducers ----------------------------------------------------------------------------------------------------------


def test_a_reducer_handles_actions_in_one_method_or_in_one_for_each_type():
    class Matching(Reducer):
        name = "matching"

        def init_state(self):
            return 0

        def handle_action(self, action, state):
            match action.type:
                case "increment":
                    return state + 1
                case "set":
                    return action.payload
            return None

        @on("double")
        def double(self, action, state):
            return state * 2

    ref = start(Matching)
    for type_, payload in (("increment", None), ("set", 10), ("double", None), ("unknown", None)):
        ref.dispatch(f"matching.{type_}", payload)
    assert ref.get_state("matching") == 20


def test_a_reducer_starts_with_an_empty_mapping_if_it_says_nothing():
    assert start(type("Nothing", (Reducer,), {"name": "nothing"})).get_state("nothing") == {}


@pytest.mark.parametrize("declared", [{}, {"name": ""}, {"name": "no identifier"}, {"name": 5}])
def test_a_reducer_without_a_proper_name_is_refused_when_the_class_is_made(declared):
    with pytest.raises(InvalidReducer):
        type("Wrong", (Reducer,), declared)


def test_an_action_prefix_that_is_no_str_is_refused_when_the_class_is_made():
    with pytest.raises(InvalidReducer):
        type("Wrong", (Reducer,), {"name": "wrong", "action_prefix": 5})


@pytest.mark.parametrize("prefix", [None, ""])
def test_a_reducer_without_a_prefix_gets_every_action(prefix):
    every = type("Every", (Log,), {"name": "every", "action_prefix": prefix})
    ref = start(every)
    ref.dispatch("a.b")
    ref.dispatch("c")
    assert ref.get_state("every") == ("a.b", "c")


# -- combining ---------------------------------------------------------------------------------------------------------


def test_reducers_are_combined_as_they_are_or_under_a_name_or_under_a_name_and_a_prefix():
    ref = start(Log, ("second", Log), ("third", Log, "other"))
    for type_ in ("log.a", "second.b", "other.c", "third.d"):
        ref.dispatch(type_)
    assert ref.get_state() == {"log": ("a",), "second": ("b",), "third": ("c",)}


def test_reducers_are_combined_by_a_mapping():
    process = type("Process", (SessionProcess,), {"reducers": {"first": Log, "second": (Log, "other")}})
    ref = sessions.start_session("s", process)
    ref.dispatch("first.a")
    ref.dispatch("other.b")
    assert ref.get_state() == {"first": ("a",), "second": ("b",)}


def test_reducers_are_combined_by_an_overridden_method():
    class Computed(SessionProcess):
        @classmethod
        def combined_reducers(cls):
            return [(f"log{number}", Log) for number in range(2)]

    assert sessions.start_session("s", Computed).get_state() == {"log0": (), "log1": ()}


def test_a_duplicate_is_explained():
    with pytest.raises(InvalidReducer, match=r"two reducers are mounted as 'log'.*Log"):
        start(Log, Log)


@pytest.mark.parametrize("wrong", [5, "Log", (Log,), (5, Log), ("x", "Log"), ("no identifier", Log), ("x", Log, 5)])
def test_a_wrong_entry_is_explained(wrong):
    with pytest.raises(InvalidReducer, match="mount"):
        start(wrong)


# -- routing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dispatched", "seen"),
    [
        ("log.b", {"log": ("b",), "all": ("log.b",), "other": ()}),
        ("log.b.c", {"log": ("b.c",), "all": ("log.b.c",), "other": ()}),
        ("b", {"log": ("b",), "all": ("b",), "other": ("b",)}),
    ],
    ids=["a prefix", "a prefix and a longer local type", "no dot goes to all"],
)
def test_an_action_goes_to_its_prefix_and_to_catch_alls(dispatched, seen):
    ref = start(Log, CatchAll, ("other", Log))
    ref.dispatch(dispatched)
    assert ref.get_state() == seen


def test_a_type_is_resolved_once():
    ref = start(Log)
    mounts = sessions.supervisor.find("s").spec.mounts
    ref.dispatch("log.a")
    first = mounts.route("log.a")
    ref.dispatch("log.a")
    assert mounts.route("log.a") is first


def test_explicit_targets_bypass_the_prefixes_and_strip_nothing():
    ref = start(Log, ("other", Log))
    ref.dispatch("log.a", reducers=["other"])
    assert ref.get_state() == {"log": (), "other": ("log.a",)}


def test_an_unknown_target_is_reported_and_reaches_nobody(settings, caplog):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "UNMATCHED_ACTION_HANDLER": "warn"}
    ref = start(Log)
    assert ref.dispatch("a", reducers=["nobody"]) == 0
    assert "'a'" in caplog.text


def test_a_reducer_prefix_filters_the_mounts():
    ref = start(Log, CatchAll, ("other", Log))
    ref.dispatch("a", reducer_prefix="other")
    assert ref.get_state() == {"log": (), "all": (), "other": ("a",)}


def test_an_action_is_reduced_in_the_order_of_declaration_each_on_its_own_slice():
    order = []

    class Ordered(Reducer, abstract=True):
        action_prefix = None

        def handle_action(self, action, state):
            order.append(self.name)
            return {**state, "by": self.name}

    names = ["z", "a", "m"]
    ref = start(*(type(name, (Ordered,), {"name": name}) for name in names))
    ref.dispatch("go")
    assert order == names
    assert ref.get_state() == {name: {"by": name} for name in names}


# -- unmatched actions -------------------------------------------------------------------------------------------------

noted = []


def note_unmatched(action, reducer, name):
    noted.append((action.type, type(reducer), name))


@pytest.mark.parametrize(
    ("handler", "levels"),
    [("log", [logging.DEBUG]), ("warn", [logging.WARNING]), ("silent", [])],
)
def test_an_unmatched_action_is_logged_warned_of_or_passed_over(handler, levels, settings, caplog):
    settings.PHOENIX_SESSIONS = {"UNMATCHED_ACTION_HANDLER": handler}
    caplog.set_level(logging.DEBUG, "phoenix_sessions")
    start(Count).dispatch("count.unknown")
    assert [record.levelno for record in caplog.records] == levels


@pytest.mark.parametrize("how", ["function", "dotted path"])
def test_an_unmatched_action_is_given_to_a_function(how, settings):
    handler = note_unmatched if how == "function" else f"{__name__}.note_unmatched"
    settings.PHOENIX_SESSIONS = {"UNMATCHED_ACTION_HANDLER": handler}
    noted.clear()
    start(Count).dispatch("count.unknown")
    assert noted == [("unknown", Count, "count")]


def test_a_handler_of_unmatched_actions_that_is_none_is_a_wrong_setting(settings):
    settings.PHOENIX_SESSIONS = {"UNMATCHED_ACTION_HANDLER": "shout"}
    with pytest.raises(ImproperlyConfigured, match="UNMATCHED_ACTION_HANDLER"):
        start(Count)


def test_a_reducer_takes_unmatched_actions_itself_if_it_overrides_that():
    class Lenient(Count):
        def handle_unmatched_action(self, action, state):
            return state + 100

    ref = start(Lenient)
    ref.dispatch("count.unknown")
    assert ref.get_state("count") == 100


# -- dispatching and reading -------------------------------------------------------------------------------------------


def test_dispatch_returns_the_version_after_it_was_applied():
    ref = start(Count)
    assert [ref.dispatch("count.add"), ref.dispatch("count.unknown"), ref.dispatch("count.add")] == [1, 1, 2]


def test_a_read_sees_what_the_same_caller_wrote_before():
    ref = start(Count)
    for number in range(1, 100):
        (ref.dispatch, ref.dispatch_nowait)[number % 2]("count.add")
        assert ref.get_state("count") == number


def test_a_reducer_that_raises_changes_no_slice():
    ref = start(CatchAll, Count)
    with pytest.raises(ReducerError):
        ref.dispatch("count.fail")
    assert (ref.version, ref.get_state()) == (0, {"all": (), "count": 0})


@pytest.mark.parametrize("selector", ["log", lambda state: state.log, lambda state: state["log"]])
def test_selectors_read_a_part_of_the_state(selector):
    ref = start(Log)
    ref.dispatch("log.a")
    assert ref.get_state(selector) == ref.select_state(selector) == ("a",)


def test_without_a_selector_the_whole_state_is_read():
    state = start(Log, Count).get_state()
    assert isinstance(state, State)
    assert state == {"log": (), "count": 0}


async def test_every_verb_that_can_wait_has_an_async_twin():
    ref = await sessions.astart_session("s", Room)
    assert await ref.adispatch("count.add") == 1
    assert await ref.aget_state("count") == await ref.aselect_state("count") == 1
    assert await ref.acall("get_state") == {"count": 1}


# -- subscribing -------------------------------------------------------------------------------------------------------


class Page:
    def __init__(self):
        self.told = []

    def tell(self, event, value):
        self.told.append((event, value))


def test_a_subscriber_gets_the_first_value_at_once_and_then_every_change_only():
    ref, page = start(Count, Log), Page()
    ref.subscribe("count", "count_changed", receiver=page.tell)
    assert page.told == [("count_changed", 0)]
    ref.dispatch("log.a")
    ref.dispatch("count.add")
    ref.dispatch("count.unknown")
    assert page.told == [("count_changed", 0), ("count_changed", 1)]


def test_the_event_is_called_state_changed_if_nothing_is_said():
    ref, page = start(Count), Page()
    ref.subscribe(lambda state: state.count, receiver=page.tell)
    assert page.told == [("state_changed", 0)]


def test_a_selector_that_raises_fails_its_subscription_at_once():
    with pytest.raises(SelectorError):
        start(Count).subscribe("count.nowhere", receiver=Page().tell)
    assert sessions.session_stats().subscribers == 0


def test_a_subscription_ends_with_its_subscriber():
    ref, page = start(Count), Page()
    ref.subscribe("count", receiver=page.tell)
    del page
    gc.collect()
    ref.dispatch("count.add")
    assert sessions.session_stats().subscribers == 0


async def test_the_subscription_of_a_page_ends_with_its_connection():
    ref = await sessions.astart_session("v" * 32)
    async with connected(CounterConsumer) as page:
        await page.receive_json_from(5)
        assert ref.facts.subscribers == 1
    await ref.adispatch("counter.add")
    assert ref.facts.subscribers == 0


def test_unsubscribing_twice_is_fine():
    ref, page = start(Count), Page()
    subscription = ref.subscribe("count", receiver=page.tell)
    subscription.unsubscribe()
    subscription.unsubscribe()
    ref.dispatch("count.add")
    assert page.told == [("state_changed", 0)]


def test_a_new_object_that_is_equal_is_no_change():
    class Renewing(Reducer):
        name = "box"

        def init_state(self):
            return {"full": [1]}

        @on("renew")
        def renew(self, action, state):
            return {"full": [1]}

    ref, page = start(Renewing), Page()
    ref.subscribe("box", receiver=page.tell)
    ref.dispatch("box.renew")
    assert page.told == [("state_changed", {"full": [1]})]


def test_the_same_object_is_not_even_compared():
    class Incomparable(msgspec.Struct, eq=False):
        def __eq__(self, other):
            raise AssertionError("compared")

        __hash__ = None

    class Holding(Count):
        state_type = Incomparable

        def init_state(self):
            return Incomparable()

    ref, page = start(Holding, Log), Page()
    ref.subscribe(lambda state: state.count, receiver=page.tell)
    ref.dispatch("log.a")
    assert len(page.told) == 1


async def test_changes_arrive_on_their_own_and_the_latest_wins():
    ref = await sessions.astart_session("s", Room)
    async with ref.changes(count="count") as changes:
        for _ in range(3):
            await ref.adispatch("count.add")
        change = await anext(changes)
    assert (change.values, change.version) == ({"count": 3}, 3)


def test_a_session_that_ended_tells_its_subscribers():
    ref, page = start(Count), Page()
    ref.subscribe("count", receiver=page.tell)
    ref.terminate()
    assert page.told[-1] == ("terminated", "normal")
    with pytest.raises(SessionNotFound):
        ref.get_state()
