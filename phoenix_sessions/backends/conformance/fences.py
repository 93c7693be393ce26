"""An owner that was replaced changes nothing any more."""

from __future__ import annotations

import pytest

from ...core.errors import Fenced
from ..base import Point
from .examples import EPOCH, ID, NEW_LIFE, RECORD, START, step
from .fixtures import Fixtures
from .verbs import Verbs


class Fences(Fixtures):
    """An owner that was replaced changes nothing any more."""

    @pytest.fixture
    def owned(self, here: Verbs, started: None) -> None:
        """Let number 5 take the session ``ID`` over."""
        here.load(ID, None, 5)

    def test_a_new_owner_gets_the_session(self, here: Verbs, started: None) -> None:
        assert here.load(ID, None, 5) == RECORD

    @pytest.mark.parametrize("fence", [5, 6])
    def test_the_owner_and_a_later_one_may_load_and_commit(self, here: Verbs, owned: None, fence: int) -> None:
        assert here.load(ID, None, fence) == RECORD
        here.commit(ID, step(1, fence=fence))
        assert here.load(ID).at == Point(EPOCH, 1)

    def test_a_lower_number_commits_nothing(self, here: Verbs, there: Verbs, owned: None) -> None:
        with pytest.raises(Fenced) as caught:
            there.commit(ID, step(1, fence=4, log=(b"entry",)))
        assert (caught.value.name, caught.value.fence) == (ID, 4)
        assert (here.load(ID), here.log(ID)) == (RECORD, [])

    def test_a_lower_number_is_fenced_whatever_it_was_worked_out_from(self, here: Verbs, owned: None) -> None:
        with pytest.raises(Fenced):
            here.commit(ID, step(9, fence=4))

    def test_a_lower_number_does_not_load(self, there: Verbs, owned: None) -> None:
        with pytest.raises(Fenced) as caught:
            there.load(ID, None, 4)
        assert (caught.value.name, caught.value.fence) == (ID, 4)

    def test_a_lower_number_is_not_told_that_it_knows(self, here: Verbs, owned: None) -> None:
        with pytest.raises(Fenced):
            here.load(ID, START, 4)

    def test_an_owner_who_knows_the_session_takes_it_over(self, here: Verbs, started: None) -> None:
        assert here.load(ID, START, 5) is None
        with pytest.raises(Fenced):
            here.commit(ID, step(1, fence=4))

    def test_who_creates_a_session_owns_it(self, here: Verbs) -> None:
        here.create(ID, RECORD, None, 5)
        with pytest.raises(Fenced):
            here.load(ID, None, 4)
        with pytest.raises(Fenced):
            here.commit(ID, step(1, fence=4))

    def test_who_commits_with_a_higher_number_owns_the_session(self, here: Verbs, owned: None) -> None:
        here.commit(ID, step(1, fence=6))
        with pytest.raises(Fenced):
            here.commit(ID, step(2, fence=5))

    def test_without_a_number_everybody_may_load_and_commit(self, here: Verbs, owned: None) -> None:
        here.commit(ID, step(1))
        assert here.load(ID).at == Point(EPOCH, 1)

    def test_who_comes_without_a_number_leaves_the_owner(self, here: Verbs, owned: None) -> None:
        here.load(ID)
        here.commit(ID, step(1))
        with pytest.raises(Fenced):
            here.commit(ID, step(2, fence=4))

    def test_a_new_life_has_the_same_owner(self, here: Verbs, owned: None) -> None:
        here.commit(ID, step(1, to=NEW_LIFE, fence=5))
        with pytest.raises(Fenced):
            here.load(ID, None, 4)

    def test_a_commit_that_was_applied_is_recognised_under_a_new_owner(self, here: Verbs, owned: None) -> None:
        change = step(1, fence=5)
        here.commit(ID, change)
        here.load(ID, None, 6)
        assert here.commit(ID, change) == ()

    def test_large_numbers_are_compared_exactly(self, here: Verbs, started: None) -> None:
        here.load(ID, None, 2**53 - 1)
        with pytest.raises(Fenced):
            here.commit(ID, step(1, fence=2**53 - 2))
