"""A commit changes a session, if that is what it was worked out from."""

from __future__ import annotations

import pytest

from ...core.errors import Conflict
from ..base import Point, Record
from .examples import EPOCH, ID, NEW_LIFE, RECORD, START, action_ids, entries, name, onward, step
from .fixtures import Fixtures
from .verbs import Verbs


class Commits(Fixtures):
    """A commit changes a session, if that is what it was worked out from."""

    def test_a_commit_changes_version_and_state_but_not_the_birth(
        self, here: Verbs, there: Verbs, started: None
    ) -> None:
        here.commit(ID, step(1))
        assert there.load(ID) == Record(Point(EPOCH, 1), b"birth", b"state 1", last=name(1))

    def test_a_commit_without_repeated_actions_returns_none(self, here: Verbs, started: None) -> None:
        assert here.commit(ID, step(1, actions=action_ids(2))) == ()

    def test_a_commit_may_lead_several_versions_on(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1, to=Point(EPOCH, 5)))
        assert here.load(ID).at == Point(EPOCH, 5)

    @pytest.mark.parametrize("at", [START, Point(EPOCH, 2), Point(EPOCH - 1, 1), Point(EPOCH + 1, 1)])
    def test_a_commit_worked_out_from_anything_else_is_a_conflict(
        self, here: Verbs, there: Verbs, started: None, at: Point
    ) -> None:
        here.commit(ID, step(1))
        now = here.load(ID)
        with pytest.raises(Conflict) as caught:
            there.commit(ID, step(3, at=at, log=(b"entry",)))
        assert caught.value.record == now
        assert (here.load(ID), here.log(ID)) == (now, [])

    @pytest.mark.parametrize("after", [b"", name(2), name(1)[::-1]])
    def test_a_commit_after_another_commit_is_a_conflict(
        self, here: Verbs, there: Verbs, started: None, after: bytes
    ) -> None:
        here.commit(ID, step(1))
        now, actions = here.load(ID), action_ids(1)
        with pytest.raises(Conflict) as caught:
            there.commit(ID, step(2, after=after, log=(b"entry",), actions=actions))
        assert caught.value.record == now
        assert (here.load(ID), here.log(ID)) == (now, [])
        assert here.commit(ID, step(2, actions=actions)) == ()

    def test_a_commit_after_one_that_was_not_there_is_a_conflict(self, here: Verbs, started: None) -> None:
        with pytest.raises(Conflict) as caught:
            here.commit(ID, step(1, after=name(1)))
        assert caught.value.record == here.load(ID) == RECORD

    def test_who_knows_another_past_of_the_same_version_commits_nothing(
        self, here: Verbs, there: Verbs, started: None
    ) -> None:
        known = step(1, state=b"lost")
        here.commit(ID, known)
        here.delete(ID, None, b"")  # as an engine does that fails over to one that is behind
        there.create(ID, RECORD, None)
        there.commit(ID, onward(RECORD, state=b"true"))
        now = there.load(ID)
        for late in (step(2), step(2, to=NEW_LIFE), entries(b"late", version=1)):
            with pytest.raises(Conflict) as caught:
                here.commit(ID, late)
            assert caught.value.record == now
        assert (here.load(ID, known.to, last=known.id), here.log(ID)) == (now, [])

    def test_another_epoch_is_a_new_life(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1))
        here.commit(ID, step(2, to=NEW_LIFE, state=b"new"))
        assert here.load(ID) == Record(NEW_LIFE, b"birth", b"new", last=name(2))

    def test_a_new_life_may_have_the_number_of_a_smaller_epoch(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1, to=Point(EPOCH - 1, 0)))
        assert here.load(ID).at == Point(EPOCH - 1, 0)

    def test_the_largest_numbers_come_back_as_they_were(self, here: Verbs, started: None) -> None:
        largest = Point(2**53 - 1, 2**40 - 1)
        here.commit(ID, step(1, to=largest))
        assert here.load(ID).at == largest
        assert here.load(ID, largest, last=name(1)) is None
