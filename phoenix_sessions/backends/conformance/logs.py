"""A life has a log."""

from __future__ import annotations

import pytest

from ...core.errors import Conflict
from ..base import Point
from .examples import EPOCH, ID, NEW_LIFE, START, entries, step
from .fixtures import Fixtures
from .verbs import Verbs


class Logs(Fixtures):
    """A life has a log."""

    def test_the_log_is_in_order(self, here: Verbs, there: Verbs, started: None) -> None:
        here.commit(ID, step(1, log=(b"a", b"b")))
        there.commit(ID, step(2, log=(b"c",)))
        assert here.log(ID) == [b"a", b"b", b"c"]

    def test_a_session_that_is_not_there_has_no_log(self, here: Verbs) -> None:
        assert here.log(ID) == []

    def test_the_log_may_grow_alone(self, here: Verbs, started: None) -> None:
        here.commit(ID, entries(b"a"))
        here.commit(ID, entries(b"b"))
        assert (here.load(ID).at, here.log(ID)) == (START, [b"a", b"b"])

    def test_a_commit_that_only_adds_to_the_log_can_be_a_conflict(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1))
        with pytest.raises(Conflict):
            here.commit(ID, entries(b"a", version=0))
        assert here.log(ID) == []

    def test_the_newest_entries_are_kept(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1, log=(b"a", b"b"), log_limit=3))
        here.commit(ID, step(2, log=(b"c", b"d"), log_limit=3))
        assert here.log(ID) == [b"b", b"c", b"d"]

    def test_of_more_entries_than_the_limit_the_newest_are_kept(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1, log=(b"a", b"b", b"c"), log_limit=2))
        assert here.log(ID) == [b"b", b"c"]

    def test_a_limit_of_none_keeps_no_entry(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1, log=(b"a",), log_limit=0))
        assert here.log(ID) == []

    def test_a_commit_without_entries_leaves_the_log(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1, log=(b"a", b"b")))
        here.commit(ID, step(2, log_limit=0))
        assert here.log(ID) == [b"a", b"b"]

    @pytest.mark.parametrize("new_life", [NEW_LIFE, Point(EPOCH - 1, 0), Point(EPOCH + 1, 1)])
    def test_a_new_life_has_a_log_of_its_own(self, here: Verbs, started: None, new_life: Point) -> None:
        here.commit(ID, step(1, log=(b"a",)))
        here.commit(ID, step(2, to=new_life, log=(b"new",)))
        assert here.log(ID) == [b"new"]

    def test_a_new_life_without_entries_has_an_empty_log(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1, log=(b"a",)))
        here.commit(ID, step(2, to=NEW_LIFE))
        assert here.log(ID) == []
