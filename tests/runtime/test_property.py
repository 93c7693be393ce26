"""Properties of the store and the mailbox that hold for all actions and all senders."""

import asyncio
import functools
import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from racing import race

from phoenix_sessions import Reducer, ReducerError, Reply, SessionProcess, on, sessions
from phoenix_sessions.testing import isolated_sessions

COUNT, ITEMS = 0, ()

an_action = st.one_of(
    st.tuples(st.sampled_from(["count.add", "count.set", "add"]), st.integers(-5, 5)),
    st.tuples(st.sampled_from(["items.push", "items.fail"]), st.integers()),
    st.tuples(st.sampled_from(["items.clear", "nobody.knows", "unknown"]), st.none()),
)
"""An action of the two reducers below; "add" without a prefix reaches both."""


class Count(Reducer):
    name = "count"

    def init_state(self):
        return COUNT

    @on("add")
    def add(self, action, state):
        return state + action.payload

    @on("set")
    def set(self, action, state):
        return action.payload


class Items(Reducer):
    name = "items"

    def init_state(self):
        return ITEMS

    @on("push", "add")
    def push(self, action, state):
        return (*state, action.payload)

    @on("clear")
    def clear(self, action, state):
        return ()

    @on("fail")
    def fail(self, action, state):
        raise ValueError(action.payload)


class Store(SessionProcess):
    reducers = [Count, Items]


def expected(state, action):
    """The rules of Count and Items once more, as plainly as possible."""
    count, items = state
    type_, payload = action
    match type_:
        case "count.add":
            return count + payload, items
        case "count.set":
            return payload, items
        case "add":
            return count + payload, (*items, payload)
        case "items.push":
            return count, (*items, payload)
        case "items.clear":
            return count, ()
    return state


def dispatch(ref, action):
    try:
        ref.dispatch(*action)
    except ReducerError:
        assert action[0] == "items.fail"


@given(st.lists(an_action, max_size=40))
def test_the_state_is_the_actions_replayed(actions):
    with isolated_sessions():
        ref = sessions.start_session("store", Store)
        for action in actions:
            dispatch(ref, action)
        state = ref.get_state()
    assert (state["count"], state["items"]) == functools.reduce(expected, actions, (COUNT, ITEMS))


@given(st.lists(an_action, max_size=40))
def test_the_version_counts_the_actions_that_changed_something(actions):
    with isolated_sessions():
        ref = sessions.start_session("store", Store)
        for action in actions:
            before, version = ref.state, ref.version
            dispatch(ref, action)
            assert ref.version in (version, version + 1)
            assert (ref.version == version) == (ref.state is before)
            if ref.state != before:
                assert ref.version == version + 1


@given(st.lists(an_action, max_size=40))
def test_a_subscriber_sees_versions_that_only_grow_and_the_last_value(actions):
    seen = []
    with isolated_sessions():
        ref = sessions.start_session("store", Store)
        ref.subscribe("items", receiver=lambda event, items: seen.append((ref.version, items)))
        for action in actions:
            dispatch(ref, action)
        last = ref.get_state("items")
    assert [version for version, _ in seen] == sorted({version for version, _ in seen})
    assert seen[-1][1] == last
    assert all(earlier[1] != later[1] for earlier, later in itertools.pairwise(seen))


# -- the mailbox: threads and event loops mixed ----------------------------------------------------------------------


class Journal(Reducer):
    name = "journal"

    def init_state(self):
        return ()

    @on("write", "post")
    def write(self, action, state):
        return (*state, action.payload)

    @on("refuse")
    def refuse(self, action, state):
        raise ValueError("as asked")


class JournalSession(SessionProcess):
    reducers = [Journal]

    def handle_call(self, request, state):
        return Reply(("answer", request), {**state, "journal": (*state["journal"], request)})


class AsyncJournalSession(JournalSession):
    async def handle_call(self, request, state):
        await asyncio.sleep(0)
        return super().handle_call(request, state)


verbs = st.lists(st.sampled_from(["dispatch", "post", "call", "refuse", "read"]), max_size=12)
senders = st.lists(st.tuples(st.booleans(), verbs), min_size=2, max_size=6)
"""(whether it runs on an event loop, what it sends one after the other) of each sender."""


def send(ref, sender, script):
    """Send the script from this thread; return one answer for each message that has one."""
    answers = []
    for number, verb in enumerate(script):
        entry = (sender, number)
        match verb:
            case "dispatch":
                answers.append(type(ref.dispatch("journal.write", entry)))
            case "post":
                answers.append(ref.dispatch_nowait("journal.post", entry))
            case "call":
                assert ref.call(entry) == ("answer", entry)
                answers.append("called")
            case "read":
                mine = [each for each in ref.get_state("journal") if each[0] == sender]
                assert len(mine) == sum(each in ("dispatch", "post", "call") for each in script[:number])
                answers.append("read")
            case "refuse":
                try:
                    ref.dispatch("journal.refuse")
                except ReducerError:
                    answers.append("refused")
    return answers


async def asend(ref, sender, script):
    """The same from an event loop."""
    answers = []
    for number, verb in enumerate(script):
        entry = (sender, number)
        match verb:
            case "dispatch":
                answers.append(type(await ref.adispatch("journal.write", entry)))
            case "post":
                answers.append(ref.dispatch_nowait("journal.post", entry))
            case "call":
                assert await ref.acall(entry) == ("answer", entry)
                answers.append("called")
            case "read":
                mine = [each for each in await ref.aget_state("journal") if each[0] == sender]
                assert len(mine) == sum(each in ("dispatch", "post", "call") for each in script[:number])
                answers.append("read")
            case "refuse":
                try:
                    await ref.adispatch("journal.refuse")
                except ReducerError:
                    answers.append("refused")
    return answers


ANSWERS = {"dispatch": int, "post": None, "call": "called", "read": "read", "refuse": "refused"}


@settings(max_examples=80)
@given(st.sampled_from([JournalSession, AsyncJournalSession]), senders)
def test_every_sender_is_answered_once_and_its_order_is_kept(process, scripts):
    with isolated_sessions():
        ref = sessions.start_session("journal", process)

        def run(sender, on_loop, script):
            return asyncio.run(asend(ref, sender, script)) if on_loop else send(ref, sender, script)

        answers = race(*(functools.partial(run, sender, *each) for sender, each in enumerate(scripts)))

        journal = ref.get_state("journal")
        version = ref.version
    assert answers == [[ANSWERS[verb] for verb in script] for _, script in scripts]
    sent = [
        (sender, number)
        for sender, (_, script) in enumerate(scripts)
        for number, verb in enumerate(script)
        if verb in ("dispatch", "post", "call")
    ]
    assert Counter(journal) == Counter(sent)
    assert version == len(sent)
    for sender in range(len(scripts)):
        assert [entry for entry in journal if entry[0] == sender] == [entry for entry in sent if entry[0] == sender]
