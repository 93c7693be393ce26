"""The short ways do what the ordinary ways do: the same verbs on two sessions, one of them looked at by telemetry."""

import asyncio
import contextlib
import inspect
import sys
import threading
import weakref

import pytest
from django.utils.functional import SimpleLazyObject, lazystr
from hypothesis import example, given
from hypothesis import strategies as st

from phoenix_sessions import (
    CallFailed,
    InvalidAction,
    Reducer,
    Reply,
    Restart,
    SessionNotFound,
    SessionProcess,
    SessionStopped,
    Stop,
    create_selector,
    on,
    sessions,
    telemetry,
)
from phoenix_sessions.runtime import shortcuts
from phoenix_sessions.runtime.shortcuts import UNDONE
from phoenix_sessions.testing import FakeClock, isolated_sessions

EVENTS = ["phoenix_sessions.dispatch", "phoenix_sessions.call", "phoenix_sessions.commit"]
DOUBLE = create_selector("count", lambda count: count * 2)


class Count(Reducer):
    name = "count"

    def init_state(self):
        return 0

    @on("add")
    def add(self, action, state):
        return state + action.payload

    @on("same")
    def same(self, action, state):
        return state

    @on("none")
    def none(self, action, state):
        return None

    @on("fail")
    def fail(self, action, state):
        raise ValueError(action.payload)


class Notes(Reducer):
    name = "notes"

    def init_state(self):
        return ()

    @on("write")
    def write(self, action, state):
        return (*state, action.payload)


class Desk(SessionProcess):
    reducers = [Count, Notes]
    history_limit = 5

    def handle_call(self, request, state):
        match request:
            case "read":
                return Reply(state.count)
            case "read and keep":
                return Reply(state.count, state)
            case "put":
                return Reply("put", {**state, "own": state.count})
            case "take away":
                return Reply("taken", {key: value for key, value in state.items() if key != "own"})
            case "refuse":
                raise CallFailed(request, "as asked")
            case "crash":
                raise LookupError("as asked")
            case "stop":
                return Stop("normal", value="bye")
            case "lack":
                return Reply(None, {"count": 1})
        return "no reply"


class Room(Desk):
    def init_state(self, args):
        return {"own": args}

    def on_terminate(self, reason, state):
        SAID.append((reason, dict(state)))


SAID = []
TYPES = [
    "count.add",
    "count.same",
    "count.none",
    "count.fail",
    "count.what",
    "notes.write",
    "write",
    "no.body",
    "",
    7,
    [],
]
REQUESTS = ["read", "read and keep", "put", "take away", "refuse", "crash", "stop", "lack", "what"]
SELECTORS = [
    None,
    "count",
    "notes.0",
    "no.where",
    "",
    7,
    DOUBLE,
    len,
    lambda state: state["count"],
    lambda state: 1 / 0,
]
VERBS = ["dispatch", "dispatch_nowait"]
METAS = st.sampled_from([None, {}, {"by": "me"}, {"cancel_ref": 1}, 5])
STEPS = st.one_of(
    st.tuples(st.sampled_from(VERBS), st.sampled_from(TYPES), st.integers(0, 3)),
    st.tuples(st.sampled_from(VERBS), st.sampled_from(["count.add", "notes.write"]), st.integers(0, 3), METAS),
    st.tuples(st.just("call"), st.sampled_from(REQUESTS)),
    st.tuples(st.just("get_state"), st.sampled_from(SELECTORS)),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
    st.tuples(st.just("travel_to"), st.integers(0, 4)),
    st.tuples(st.just("terminate")),
)


@contextlib.contextmanager
def looked_at():
    """Have a telemetry handler look on, so that nothing is short; reads have no event, so they go by the mailbox."""
    telemetry.attach_many("looking", EVENTS, lambda *facts: None)
    try:
        yield
    finally:
        telemetry.detach("looking")


def outcome(verb, *args, **options):
    try:
        return verb(*args, **options)
    except Exception as error:
        cause = error.__cause__
        return type(error), str(error), type(cause), str(cause)


def by_the_mailbox(ref, name, *args, **options):
    if name == "get_state":
        session = ref._session()
        return session.ask(True, None, session.read, *args)
    if name == "terminate":
        session = ref._session()
        return session.ask(True, None, *sessions._ending(session, "normal"))
    with looked_at():
        return getattr(ref, name)(*args, **options)


def facts(ref):
    session = ref._session()
    entries = ref.history()
    return (
        dict(ref.state),
        ref.version,
        entries,
        session.handled,
        session.touched,
        session.busy,
        session.owner,
        session.queue,
    )


@pytest.mark.parametrize("process", [Desk, Room])
@given(steps=st.lists(STEPS, max_size=20), subscribed=st.booleans())
@example(steps=[("dispatch", type_, 1) for _ in range(3) for type_ in TYPES], subscribed=True)
@example(steps=[("call", request) for request in REQUESTS], subscribed=True)
def test_the_short_ways_do_what_the_ordinary_ways_do(process, steps, subscribed):
    clock = FakeClock()
    SAID.clear()
    with isolated_sessions(clock):
        logs = [], []
        first, second = sessions.start_session("short", process), sessions.start_session("other", process)
        if subscribed:
            for ref, log in zip((first, second), logs, strict=True):
                for selector in ("count", len, DOUBLE):
                    ref.subscribe(selector, repr(selector), receiver=lambda *told, log=log: log.append(told))
        for name, *args in steps:
            clock.advance(0.001)
            options = {"meta": args.pop()} if len(args) == 3 else {}
            short = outcome(getattr(first, name), *args, **options)
            ordinary = outcome(by_the_mailbox, second, name, *args, **options)
            if args[:1] in ([""], [7]) and name == "get_state":  # the mailbox was asked for what is no selector
                assert short[0] is ordinary[0]
                continue
            assert repr(short).replace("short", "other") == repr(ordinary)
            assert logs[0] == logs[1]
            if not sessions.started("short"):
                assert not sessions.started("other")
                assert SAID[::2] == SAID[1::2]
                break
            assert facts(first) == facts(second)


def short_verbs():
    return {
        "dispatch": lambda session: shortcuts.apply(session, "count.add", 1),
        "call": lambda session: shortcuts.call(session, "read"),
        "get_state": lambda session: shortcuts.read(session, None),
        "terminate": lambda session: shortcuts.end(session, "normal"),
    }


@pytest.fixture
def session():
    ref = sessions.start_session("desk", Desk)
    ref.dispatch("count.add", 1)
    return ref._session()


@pytest.mark.parametrize("verb", short_verbs())
def test_a_short_way_is_taken_when_the_session_is_free(session, verb):
    assert short_verbs()[verb](session) is not UNDONE


@pytest.mark.parametrize("verb", short_verbs())
def test_no_short_way_passes_one_that_is_busy(session, verb):
    def handler():
        return [each(session) for each in short_verbs().values()]

    assert session.ask(True, None, handler) == [UNDONE] * 4


@pytest.mark.parametrize("verb", short_verbs())
def test_no_short_way_passes_what_waits(session, verb):
    holds, let_go = threading.Event(), threading.Event()
    thread = threading.Thread(target=session.ask, args=(True, None, lambda: (holds.set(), let_go.wait(10))))
    thread.start()
    holds.wait(10)
    session.post(True, lambda: None)
    session.turn.append(None)  # for a moment free, as between two messages
    undone = short_verbs()[verb](session)
    session.turn.pop()
    let_go.set()
    thread.join()
    assert undone is UNDONE


@pytest.mark.parametrize("verb", ["dispatch", "call", "get_state"])
def test_no_short_way_leads_into_a_session_that_has_ended(session, verb):
    session.terminate("normal")
    assert short_verbs()[verb](session) is UNDONE
    with pytest.raises(SessionNotFound):
        getattr(sessions.ref("desk"), verb)(*{"dispatch": ["count.add", 1], "call": ["read"]}.get(verb, []))


def test_a_session_that_is_being_born_is_not_there_yet():
    seen = []

    class Slow(Desk):
        def init_state(self, args):
            found = sessions.supervisor.registry.get("slow")
            seen.extend(each(found) for each in short_verbs().values())
            return {}

    sessions.start_session("slow", Slow)
    assert seen == [UNDONE] * 4


def test_the_next_message_is_handled_after_a_short_way_that_was_overtaken(session):
    """Who finds the session busy with a short way queues, and the short way drains the queue."""
    order = []

    class Meeting(Desk):
        def handle_call(self, request, state):
            session = sessions.supervisor.registry.get("meeting")
            thread = threading.Thread(target=lambda: order.append(sessions.ref("meeting").dispatch("count.add", 1)))
            thread.start()
            while not session.depth:
                pass
            order.append("answered")
            self.thread = thread
            return Reply(thread)

    ref = sessions.start_session("meeting", Meeting)
    ref.call("wait").join(10)
    assert order == ["answered", 1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("verb", ["dispatch", "call"])
def test_an_interrupt_leaves_the_session_free(verb, error):
    class Interrupted(Reducer):
        name = "interrupted"

        @on("now")
        def now(self, action, state):
            if action.payload:
                raise error
            return {}

    class Hall(SessionProcess):
        reducers = [Interrupted]

        def handle_call(self, request, state):
            raise error

    ref = sessions.start_session("hall", Hall)
    ref.dispatch("interrupted.now")
    with pytest.raises(error):
        getattr(ref, verb)(*{"dispatch": ["interrupted.now", True], "call": ["now"]}[verb])
    session = ref._session()
    assert (session.busy, session.owner) == (False, 0)
    assert ref.dispatch("interrupted.now") == 2


@pytest.fixture
def restless():
    """Have the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_many_threads_on_one_session_lose_nothing(session, restless):
    ref, start = sessions.ref("desk"), threading.Barrier(4)

    def work():
        start.wait(10)
        for _ in range(500):
            ref.dispatch("count.add", 1)
            ref.call("read")
            assert ref.get_state("count") > 0

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ref.get_state("count") == 2001
    assert ref.version == 2001


@contextlib.contextmanager
def at_every_line(file, look):
    """Call ``look(function name, line)`` before each line of this file that this thread runs."""

    def trace(frame, event, argument):
        if not frame.f_code.co_filename.endswith(file):
            return None
        if event == "line":
            look(frame.f_code.co_name, frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def test_the_state_is_never_seen_between_two_slices_of_one_commit():
    class Left(Count):
        name = "left"
        action_prefix = "both"

    class Right(Count):
        name = "right"
        action_prefix = "both"

    class Both(SessionProcess):
        reducers = [Left, Right]

    ref, seen = sessions.start_session("both", Both), []
    session = ref._session()

    def look(*_):
        session.copy = None  # nobody has looked before
        seen.append(ref.state)

    with at_every_line("runtime/store.py", look):
        ref.dispatch("both.add", 1)
    assert {(state["left"], state["right"]) for state in seen} == {(0, 0), (1, 1)}


def test_the_slices_of_a_new_life_are_never_there_with_a_version_of_the_old_one():
    """Else who looks in that moment would keep the new state as that of the old version, and give it out later."""

    class Again(Desk):
        restart = Restart.PERMANENT

    ref, moments = sessions.start_session("again", Again), set()
    session = ref._session()
    for _ in range(3):
        ref.dispatch("count.add", 1)

    def look(*_):
        moments.add((session.version, session.slices["count"]))

    with pytest.raises(CallFailed), at_every_line("runtime/store.py", look):
        ref.call("crash")
    assert moments == {(3, 3), (0, 3), (0, 0)}


def lines_of(function):
    first = function.__code__.co_firstlineno
    return sorted({line - first for _, _, line in function.__code__.co_lines() if line and line > first})


@pytest.mark.parametrize("offset", lines_of(shortcuts.apply))
def test_an_interrupt_at_any_line_leaves_a_history_that_is_true(offset, session):
    """CPython handles a signal after a call, so only lines that follow one are interrupted."""
    ref, (source, first) = sessions.ref("desk"), inspect.getsourcelines(shortcuts.apply)
    ref.dispatch("notes.write", "a")
    before = ["("]

    def interrupt(function, line):
        if function == "apply":
            if line - first == offset and "(" in before[-1] and session.owner:
                raise KeyboardInterrupt
            before.append(source[line - first])

    with contextlib.suppress(KeyboardInterrupt), at_every_line("runtime/shortcuts.py", interrupt):
        ref.dispatch("count.add", 1)
    if not session.turn:  # in the moment between taking the turn and being able to give it back
        session.release()
    ref.dispatch("count.add", 10)
    entries, states = ref.history(), {}
    assert [entry.version for entry in entries] == list(range(1, len(entries) + 1))
    for version in range(ref.version + 1):
        states[version] = dict(session.history.state_at(version, session.version, session.slices))
    assert states[0] == {"count": 0, "notes": ()}
    assert states[2] == {"count": 1, "notes": ("a",)}
    assert states[ref.version] == ref.get_state()


@pytest.mark.parametrize("type_", [lazystr("count.add"), SimpleLazyObject(lambda: 5), b"count.add"])
def test_what_only_looks_like_a_type_is_refused_also_when_the_type_is_known(type_, session):
    with pytest.raises(InvalidAction):
        sessions.ref("desk").dispatch(type_, 1)
    assert len(sessions.ref("desk").history()) == 1


@pytest.mark.parametrize(("options", "error"), [({"timeout": "soon"}, ValueError), ({"retries": "many"}, TypeError)])
async def test_options_that_make_no_sense_are_refused_also_when_the_session_is_free(options, error, session):
    with pytest.raises(error):
        await sessions.ref("desk").acall("read", **options)
    with pytest.raises(error):
        await asyncio.to_thread(sessions.ref("desk").call, "read", **options)


def test_a_replaced_value_is_kept_by_nobody():
    class Thing:
        pass

    class Box(Reducer):
        name = "box"

        @on("put")
        def put(self, action, state):
            return action.payload()

    class Boxes(SessionProcess):
        reducers = [Box]
        history_limit = 0

    ref = sessions.start_session("boxes", Boxes)
    ref.dispatch("box.put", dict)
    ref.dispatch("box.put", Thing)
    kept = weakref.ref(ref.state["box"])
    ref.dispatch("box.put", dict)
    assert kept() is None


def test_a_process_that_does_something_when_it_is_made_is_made_at_the_start():
    class Eager(SessionProcess):
        reducers = []

        def __init__(self, session):
            super().__init__(session)
            raise LookupError("as asked")

    with pytest.raises(LookupError):
        sessions.start_session("eager", Eager)


def test_every_slot_of_a_session_has_a_value():
    session = sessions.start_session("slots", Desk)._session()
    slots = {name for cls in type(session).__mro__ for name in getattr(cls, "__slots__", ())}
    assert [name for name in slots - {"__weakref__"} if not hasattr(session, name)] == []


def test_a_notification_is_told_after_the_receivers():
    order = []
    ref = sessions.start_session("ordered", Desk)
    ref.subscribe("count", receiver=lambda event, value: order.append(value))
    telemetry.attach("order", "phoenix_sessions.notification", lambda event, numbers, *_: order.append(numbers))
    ref.dispatch("count.add", 5)
    telemetry.detach("order")
    assert order == [0, 5, {"count": 1}]


def test_one_who_dispatches_from_a_stopped_session_is_told_so(session):
    session.terminate("gone")
    with pytest.raises(SessionStopped):
        session.ask(True, None, session.enter)
