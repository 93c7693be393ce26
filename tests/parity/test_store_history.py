"""History and time travel: what was applied can be read, replayed and taken back."""

import pytest
from samples import Count

from phoenix_sessions import NoReply, Reducer, Reply, SessionProcess, VersionNotFound, effect, on, sessions


class Notes(Reducer):
    name = "notes"

    def init_state(self):
        return ()

    @on("add")
    def add(self, action, state):
        return (*state, action.payload)

    @effect("fetch")
    def fetch(self, action, dispatch, state):
        dispatch(".add", "fetched")


class Room(SessionProcess):
    reducers = [Count, Notes]

    def handle_call(self, request, state):
        return Reply(None, {**state, "count": request})

    def handle_cast(self, request, state):
        self.send_after(1, request)
        return NoReply({**state, "count": request})

    def handle_info(self, message, state):
        return NoReply({**state, "count": message + 1})


@pytest.fixture
def ref():
    return sessions.start_session("s", Room)


def test_the_history_tells_action_version_time_and_origin_oldest_first(ref, clock):
    start = clock.time()
    ref.dispatch("count.add", meta={"by": "ann"})
    clock.advance(5)
    ref.dispatch("notes.add", "milk")
    first, second = ref.history()
    assert (first.action.type, dict(first.action.meta), first.version, first.time) == (
        "count.add", {"by": "ann"}, 1, start,
    )  # fmt: skip
    assert (second.action.type, second.action.payload, second.version, second.time) == (
        "notes.add", "milk", 2, start + 5,
    )  # fmt: skip


def test_the_origin_says_what_applied_it(ref, clock):
    ref.dispatch("count.add")
    ref.dispatch_async("notes.fetch").result(10)
    ref.call(10)
    ref.cast(20)
    clock.advance(1)
    ref.undo()
    ref.redo()
    ref.travel_to(0)
    origins = [entry.origin for entry in ref.history()]
    assert origins == ["dispatch", "effect", "call", "cast", "info", "undo", "redo", "travel"]
    assert [entry.action is None for entry in ref.history()] == [False] * 2 + [True] * 6


def test_an_action_that_changes_nothing_is_in_the_history_too(ref):
    ref.dispatch("count.unknown")
    [entry] = ref.history()
    assert (entry.action.type, entry.version) == ("count.unknown", 0)


def test_100_entries_are_kept_by_default(ref):
    for number in range(150):
        ref.dispatch("notes.add", number)
    kept = ref.history()
    assert (len(kept), kept[0].version, kept[-1].version) == (100, 51, 150)


@pytest.mark.parametrize("by", ["setting", "attribute"])
def test_how_many_are_kept_is_a_setting_or_an_attribute(by, settings):
    if by == "setting":
        settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "HISTORY_LIMIT": 3}
    process = type("Short", (Room,), {"history_limit": 3} if by == "attribute" else {})
    ref = sessions.start_session("short", process)
    for _ in range(5):
        ref.dispatch("count.add")
    assert [entry.version for entry in ref.history()] == [3, 4, 5]


def test_a_limit_of_0_keeps_none():
    ref = sessions.start_session("none", type("None", (Room,), {"history_limit": 0}))
    ref.dispatch("count.add")
    assert ref.history() == []
    for verb in (ref.undo, ref.redo, lambda: ref.travel_to(0)):
        with pytest.raises(VersionNotFound):
            verb()


def test_replaying_the_actions_gives_the_same_state(ref):
    for number in range(30):
        ref.dispatch("count.add" if number % 3 else "notes.add", number)
    replayed = sessions.start_session("replayed", Room)
    for entry in ref.history():
        replayed.dispatch(entry.action.type, entry.action.payload, meta=entry.action.meta)
    assert replayed.get_state() == ref.get_state()


def test_travelling_makes_the_state_what_it_was_as_a_new_version(ref):
    for note in "abc":
        ref.dispatch("notes.add", note)
    assert ref.travel_to(1) == 4
    assert ref.get_state("notes") == ("a",)
    assert ref.travel_to(3) == 5
    assert ref.get_state("notes") == ("a", "b", "c")


def test_undo_and_redo_go_back_and_forth(ref):
    for note in "ab":
        ref.dispatch("notes.add", note)
    seen = [(verb(), "".join(ref.get_state("notes"))) for verb in (ref.undo, ref.undo, ref.redo, ref.redo)]
    assert seen == [(3, "a"), (4, ""), (5, "a"), (6, "ab")]


def test_a_change_after_an_undo_ends_the_redo(ref):
    ref.dispatch("notes.add", "a")
    ref.undo()
    ref.dispatch("notes.add", "b")
    with pytest.raises(VersionNotFound):
        ref.redo()


@pytest.mark.parametrize("verb", ["undo", "redo"])
def test_with_nothing_to_take_back_there_is_an_error(ref, verb):
    with pytest.raises(VersionNotFound) as caught:
        getattr(ref, verb)()
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("version", [-1, 2, 10**9])
def test_a_version_that_never_was_cannot_be_travelled_to(ref, version):
    ref.dispatch("count.add")
    with pytest.raises(VersionNotFound):
        ref.travel_to(version)
    assert ref.version == 1


def test_a_version_that_is_not_kept_cannot_be_travelled_to():
    ref = sessions.start_session("short", type("Short", (Room,), {"history_limit": 2}))
    for _ in range(5):
        ref.dispatch("count.add")
    with pytest.raises(VersionNotFound):
        ref.travel_to(2)
    ref.travel_to(3)
    assert ref.get_state("count") == 3


def test_subscribers_are_told_of_travels(ref):
    told = []
    with ref.subscribe("count", receiver=lambda event, value: told.append(value)):
        ref.dispatch("count.add")
        ref.undo()
        ref.redo()
    assert told == [0, 1, 0, 1]


async def test_each_has_an_async_twin():
    ref = await sessions.astart_session("s", Room)
    await ref.adispatch("count.add")
    assert [await ref.aundo(), await ref.aredo(), await ref.atravel_to(0)] == [2, 3, 4]
    assert len(await ref.ahistory()) == 4
