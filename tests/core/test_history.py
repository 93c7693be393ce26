"""The history, against a plain list of all states that there ever were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions import Action
from phoenix_sessions.core.history import History, HistoryEntry
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
        self.history = History(self.state, limit)
        self.states = [self.state]
        self.shows = [0]
        self.redoable = []
        self.entries = []

    def commit(self, after, origin, shows=None):
        changed = differences(self.state, after)
        if changed or origin != "dispatch":
            self.version += 1
            self.states.append(after)
            self.shows.append(self.version if shows is None else shows)
        self.state = after
        action = Action("change") if origin == "dispatch" else None
        self.history.add(action, self.version, float(self.version), origin, changed, shows)
        self.entries.append((self.version, origin))
        return changed

    def change(self, new):
        after = {key: value for key, value in {**self.state, **new}.items() if value is not None}
        if self.commit(after, "dispatch"):
            self.redoable = []

    def both(self, new):
        """Apply two actions and commit them as one version, as middleware may."""
        between = {**self.state, "a": f"between {self.version}"}
        after = {key: value for key, value in {**between, **new}.items() if value is not None}
        self.version += 1
        for before, then in ((self.state, between), (between, after)):
            self.history.add(Action("x"), self.version, 0.0, "dispatch", differences(before, then))
            self.entries.append((self.version, "dispatch"))
        self.state = after
        self.states.append(after)
        self.shows.append(self.version)
        self.redoable = []

    def travel(self, target):
        if self.history.oldest <= target <= self.version:
            self.check_version(target)
            self.commit(self.states[target], "travel", self.shows[target])
            self.redoable = []

    def undo(self, _):
        target = self.history.undone()
        if target is not None:
            assert target == self.shows[self.version] - 1
            self.redoable.append(self.version)
            self.check_version(target)
            self.commit(self.states[target], "undo", self.shows[target])

    def redo(self, _):
        target = self.history.redone()
        if target is None:
            assert not self.redoable or self.redoable[-1] < self.history.oldest
        else:
            assert target == self.redoable.pop()
            self.check_version(target)
            self.commit(self.states[target], "redo", self.shows[target])

    def check_version(self, version):
        assert self.history.state_at(version) == self.states[version]
        assert self.history.shown_at(version) == self.shows[version]


@given(STEPS, st.integers(1, 6))
def test_every_kept_version_is_what_it_was(steps, limit):
    session = Session(limit)
    for name, argument in steps:
        getattr(session, name)(argument)
        assert len(session.history) == min(limit, len(session.entries))
        assert [(entry.version, entry.origin) for entry in session.history.entries()] == session.entries[-limit:]
        assert session.history.shows == session.shows[session.version]
        for version in range(session.history.oldest, session.version + 1):
            session.check_version(version)


@given(STEPS)
def test_with_room_for_all_everything_can_be_undone_and_redone(steps):
    session = Session(10_000)
    for name, argument in steps:
        getattr(session, name)(argument)
    before = session.state
    undone = 0
    while session.history.undone() is not None:
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
    history = History({"a": 1}, 5)
    assert (history.entries(), len(history), history.oldest, history.shows) == ([], 0, 0, 0)
    assert history.undone() is None
    assert history.redone() is None
    state = history.state_at(0)
    assert state == {"a": 1}
    assert isinstance(state, State)


def test_an_entry_says_what_was_applied():
    history, action = History({}, 5), Action("add", 1)
    history.add(action, 1, 12.5, "effect", {"a": 1})
    assert history.entries() == [HistoryEntry(action, 1, 12.5, "effect")]


def test_a_limit_of_one_undoes_one_change_and_redoes_it():
    session = filled(1, "1", "2", "3")
    assert session.history.oldest == 2
    session.undo(None)
    assert session.state["a"] == "2"
    assert session.history.undone() is None
    session.redo(None)
    assert session.state["a"] == "3"
    assert session.history.redone() is None


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
    assert session.history.redone() is None
    session.undo(None)
    assert session.state["a"] == "1"


def test_the_caller_may_change_the_mapping_that_it_began_with():
    state = {"a": 1}
    history = History(state, 5)
    state["a"] = 2
    assert history.state_at(0) == {"a": 1}


@pytest.mark.parametrize("forgotten", [0, 1])
def test_two_actions_of_one_version_stay_one_version_when_one_of_them_is_forgotten(forgotten):
    session = filled(3, "1")
    session.both({"a": "2"})
    for number in range(forgotten + 1):
        session.change({"b": str(number + 5)})
    session.check_version(2)
    assert session.history.oldest == 1 + forgotten
