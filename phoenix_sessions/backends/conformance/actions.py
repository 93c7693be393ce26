"""An action that has a name is applied once."""

from __future__ import annotations

from typing import Final

import pytest

from ..base import Point
from .examples import EPOCH, ID, NEW_LIFE, RECORD, action_ids, entries, onward, step
from .fixtures import Fixtures
from .verbs import Verbs

MORE: Final = 50


class Actions(Fixtures):
    """An action that has a name is applied once."""

    def test_a_repeated_action_is_returned(self, here: Verbs, there: Verbs, started: None) -> None:
        old, repeated, new = action_ids(3)
        here.commit(ID, step(1, actions=(old, repeated)))
        assert there.commit(ID, step(2, actions=(repeated, new))) == (repeated,)

    def test_all_repeated_actions_are_returned(self, here: Verbs, started: None) -> None:
        repeated = action_ids(5)
        here.commit(ID, step(1, actions=repeated[:3]))
        here.commit(ID, step(2, actions=repeated[3:]))
        assert set(here.commit(ID, step(3, actions=(*action_ids(1), *repeated)))) == set(repeated)

    def test_a_repeated_action_changes_nothing(self, here: Verbs, started: None) -> None:
        action = action_ids(1)
        here.commit(ID, step(1, actions=action, log=(b"a",)))
        before = here.load(ID)
        here.commit(ID, step(2, actions=action, log=(b"b",)))
        assert (here.load(ID), here.log(ID)) == (before, [b"a"])

    def test_what_came_with_a_repeated_action_can_be_tried_without_it(self, here: Verbs, started: None) -> None:
        repeated, new = action_ids(2)
        here.commit(ID, step(1, actions=(repeated,)))
        refused = step(2, actions=(repeated, new))
        here.commit(ID, refused)
        assert here.commit(ID, step(2, id=refused.id, actions=(new,))) == ()
        assert here.load(ID).at == Point(EPOCH, 2)

    def test_as_many_actions_are_remembered_as_is_promised(self, here: Verbs, started: None) -> None:
        first, *others = action_ids(here.backend.remembers_actions)
        here.commit(ID, step(1, actions=(first,)))
        here.commit(ID, step(2, actions=tuple(others)))
        assert here.commit(ID, step(3, actions=(first,))) == (first,)

    def test_an_action_that_changed_no_state_is_remembered(self, here: Verbs, started: None) -> None:
        action = action_ids(1)
        here.commit(ID, entries(actions=action))
        assert here.commit(ID, step(1, actions=action)) == action

    def test_an_action_is_remembered_in_a_new_life(self, here: Verbs, started: None) -> None:
        action = action_ids(1)
        here.commit(ID, step(1, actions=action))
        here.commit(ID, step(2, to=NEW_LIFE))
        assert here.commit(ID, onward(here.load(ID), actions=action)) == action

    def test_the_actions_that_are_remembered_can_be_read(self, here: Verbs, there: Verbs, started: None) -> None:
        assert here.actions(ID) == []
        names = action_ids(5)
        here.commit(ID, step(1, actions=names[:2]))
        here.commit(ID, entries(version=1, actions=names[2:]))
        assert there.actions(ID) == list(names)

    def test_as_many_actions_as_are_remembered_go_to_another_session(self, here: Verbs, started: None) -> None:
        names = action_ids(here.backend.remembers_actions)
        here.commit(ID, step(1, actions=names))
        here.create("another", RECORD, None)
        here.commit("another", entries(actions=tuple(here.actions(ID))))
        assert here.commit("another", step(1, actions=names[:1])) == names[:1]

    def test_a_session_that_is_not_there_remembers_no_actions(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1, actions=action_ids(2)))
        here.delete(ID, None, b"")
        assert here.actions(ID) == []
        here.create(ID, RECORD, None)
        assert here.actions(ID) == []

    def test_a_commit_may_name_more_actions_than_are_remembered(self, here: Verbs, there: Verbs, started: None) -> None:
        remembered = here.backend.remembers_actions
        actions = action_ids(remembered + MORE)
        assert here.commit(ID, step(1, actions=actions)) == ()
        assert sorted(there.commit(ID, step(2, actions=actions[-remembered:]))) == sorted(actions[-remembered:])
        assert here.load(ID).at == Point(EPOCH, 1)
        assert there.actions(ID)[-remembered:] == list(actions[-remembered:])

    def test_of_many_actions_that_only_came_with_entries_the_last_are_remembered(
        self, here: Verbs, started: None
    ) -> None:
        remembered = here.backend.remembers_actions
        actions = action_ids(remembered + MORE)
        here.commit(ID, entries(b"entry", actions=actions))
        assert sorted(here.commit(ID, step(1, actions=actions[-remembered:]))) == sorted(actions[-remembered:])

    @pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
    def test_each_of_many_actions_is_looked_for(self, here: Verbs, started: None, place: float) -> None:
        here.commit(ID, step(1, actions=action_ids(1)))
        [repeated], new = action_ids(1), action_ids(here.backend.remembers_actions + MORE)
        here.commit(ID, step(2, actions=(repeated,)))
        before = round(place * len(new))
        assert here.commit(ID, step(3, actions=(*new[:before], repeated, *new[before:]))) == (repeated,)
        assert here.load(ID).at == Point(EPOCH, 2)
        assert here.commit(ID, step(3, actions=new)) == ()

    def test_many_commits_of_many_actions_leave_the_last_remembered(self, here: Verbs, started: None) -> None:
        remembered = here.backend.remembers_actions
        size = remembered // 4 * 3
        actions = [action_ids(size) for _ in range(4)]
        for version, some in enumerate(actions, 1):
            assert here.commit(ID, step(version, actions=some)) == ()
        last = (*actions[2], *actions[3])[-remembered:]
        assert sorted(here.commit(ID, step(5, actions=last))) == sorted(last)
