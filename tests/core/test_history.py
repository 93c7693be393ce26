"""The history, against a plain list of all states that there ever were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions import Action
from phoenix_sessions.core.history import History, HistoryEntry, Record
from phoenix_sessions.core.state import State, differences

KEYS = ("a", "b", "own")
CHANGES = st.dictionaries(st.sampled_from(KEYS), st.one_of(st.none(), st.integers(0, 9).map(str)), max_size=2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), CHANGES),
        st.tuples(st.just("both"), CHANGES),
        st.tuples(st.sampled_from(["undo", "redo"]), st.none()),
        st.tuples(st.just("travel"), st.integers(0, 30)),
    ),
    max_size=30,
)


class Session:
    """What a store does with a history, and beside it the state of every version."""

    def __init__(self, limit):
        self.state = {"a": "0", "b": "0"}
        self.version = 0
        self.records = History(limit, 0.0)
        self.states = [self.state]
        self.shows = [0]
        self.redoable = []
        self.entries = []

    def commit(self, after, origin, shows=None):
        before, start = differences(after, self.state), self.version
        changed = bool(before)
        if changed or origin != "dispatch":
            self.version += 1
            self.states.append(after)
            self.shows.append(self.version if shows is None else shows)
        self.state = after
        action = Action("change") if origin == "dispatch" else None
        self.add(action, origin, start, before, self.version if shows is None else shows)
        return changed

    def add(self, action, origin, start, before, shows):
        record = Record(action, origin, float(self.version), start, self.version, before, shows)
        if origin == "dispatch" and set(before) <= {"a"} and self.version == start + len(before):  # as shortcuts do
            name, value = next(iter(before.items()), (None, None))
            record = action.type, action.payload, None, float(self.version), name, value
        self.records.append(record)
        self.entries.append((self.version, origin))

    def change(self, new):
        after = {key: value for key, value in {**self.state, **new}.items() if value is not None}
        if self.commit(after, "dispatch"):
            self.redoable = []

    def both(self, new):
        """Apply two actions and commit them as one version, as middleware may."""
        between = {**self.state, "a": f"between {self.version}"}
        after = {key: value for key, value in {**between, **new}.items() if value is not None}
        start, self.version = self.version, self.version + 1
        for earlier, then in ((self.state, between), (between, after)):
            before = differences(then, earlier)
            self.records.append(Record(Action("x"), "dispatch", 0.0, start, self.version, before, self.version))
            self.entries.append((self.version, "dispatch"))
            start = self.version
        self.state = after
        self.states.append(after)
        self.shows.append(self.version)
        self.redoable = []

    @property
    def oldest(self):
        return self.records.oldest(self.version)

    def shown(self, version):
        """Return the version that a version shows; the oldest that is kept stands for all before it."""
        return max(self.shows[version], self.oldest)

    def travel(self, target):
        if self.oldest <= target <= self.version:
            self.check_version(target)
            self.commit(self.states[target], "travel", self.shows[target])
            self.redoable = []

    def undo(self, _):
        target = self.records.undone(self.version)
        if target is not None:
            assert target == self.shown(self.version) - 1
            self.redoable.append(self.version)
            self.check_version(target)
            self.commit(self.states[target], "undo", self.shows[target])

    def redo(self, _):
        target = self.records.redone(self.version)
        if target is None:
            assert not self.redoable or self.redoable[-1] < self.oldest
        else:
            assert target == self.redoable.pop()
            self.check_version(target)
            self.commit(self.states[target], "redo", self.shows[target])

    def check_version(self, version):
        assert self.records.state_at(version, self.version, self.state) == self.states[version]
        assert self.records.shown_at(version, self.version) == self.shown(version)


@given(STEPS, st.integers(1, 6))
def test_every_kept_version_is_what_it_was(steps, limit):
    session = Session(limit)
    for name, argument in steps:
        getattr(session, name)(argument)
        assert len(session.records) == min(limit, len(session.entries))
        kept = session.records.entries(session.version)
        assert [(entry.version, entry.origin) for entry in kept] == session.entries[-limit:]
        for version in range(session.oldest, session.version + 1):
            session.check_version(version)


@given(STEPS)
def test_with_room_for_all_everything_can_be_undone_and_redone(steps):
    session = Session(10_000)
    for name, argument in steps:
        getattr(session, name)(argument)
    before = session.state
    undone = 0
    while session.records.undone(session.version) is not None:
        session.undo(None)
        undone += 1
    assert session.state == session.states[0]
    for _ in range(undone):
        session.redo(None)
    assert session.state == before


def filled(limit, *values):
    session = Session(limit)
    for value in values:
        session.change({"a": value})
    return session


def test_a_history_begins_with_one_version_and_nothing_to_undo_or_redo():
    history = History(5, 0.0)
    assert (history.entries(0), len(history), history.oldest(0), history.shown_at(0, 0)) == ([], 0, 0, 0)
    assert history.undone(0) is None
    assert history.redone(0) is None
    state = history.state_at(0, 0, {"a": 1})
    assert state == {"a": 1}
    assert isinstance(state, State)


def test_an_entry_says_what_was_applied_and_when_by_the_calendar():
    history, action = History(5, 100.0), Action("add", 1)
    history.append(Record(action, "effect", 12.5, 0, 1, {"a": 0}, 1))
    assert history.entries(1) == [HistoryEntry(action, 1, 112.5, "effect")]


def test_a_plain_dispatch_is_kept_in_brief_and_told_in_full():
    history = History(5, 0.0)
    history.append(("cart.add", 2, {"by": "me"}, 12.5, "cart", "old"))
    history.append(("cart.look", None, None, 13.5, None, None))
    first, second = (
        HistoryEntry(Action("cart.add", 2, {"by": "me"}), 1, 12.5, "dispatch"),
        HistoryEntry(Action("cart.look"), 1, 13.5, "dispatch"),
    )
    assert history.entries(1) == [first, second]
    assert history.state_at(0, 1, {"cart": "new"}) == {"cart": "old"}


def test_a_limit_of_one_undoes_one_change_and_redoes_it():
    session = filled(1, "1", "2", "3")
    assert session.oldest == 2
    session.undo(None)
    assert session.state["a"] == "2"
    assert session.records.undone(session.version) is None
    session.redo(None)
    assert session.state["a"] == "3"
    assert session.records.redone(session.version) is None


def test_an_action_that_changes_nothing_neither_counts_for_undo_nor_ends_redo():
    session = filled(9, "1", "2")
    session.undo(None)
    session.change({})
    session.redo(None)
    assert session.state["a"] == "2"
    session.change({})
    session.undo(None)
    assert session.state["a"] == "1"


def test_a_change_after_an_undo_leaves_nothing_to_redo():
    session = filled(9, "1", "2")
    session.undo(None)
    session.change({"a": "3"})
    assert session.records.redone(session.version) is None
    session.undo(None)
    assert session.state["a"] == "1"


def test_the_state_that_is_given_to_look_back_from_stays_as_it_is():
    state, history = {"a": 2}, History(5, 0.0)
    history.append(("change", None, None, 0.0, "a", 1))
    assert history.state_at(0, 1, state) == {"a": 1}
    assert state == {"a": 2}


@pytest.mark.parametrize("forgotten", [0, 1])
def test_two_actions_of_one_version_stay_one_version_when_one_of_them_is_forgotten(forgotten):
    session = filled(3, "1")
    session.both({"a": "2"})
    for number in range(forgotten + 1):
        session.change({"b": str(number + 5)})
    session.check_version(2)
    assert session.oldest == 1 + forgotten
