"""What is tried again is applied once."""

from __future__ import annotations

import os

import pytest

from ...core.errors import Conflict
from ..base import COMMIT_ID_BYTES, Point
from .examples import EPOCH, ID, NEW_LIFE, RECORD, action_ids, entries, step
from .fixtures import Fixtures
from .verbs import Verbs


class Once(Fixtures):
    """What is tried again is applied once."""

    def test_a_commit_that_is_tried_again_is_applied_once(self, here: Verbs, there: Verbs, started: None) -> None:
        change = step(1, log=(b"entry",), actions=action_ids(1))
        here.commit(ID, change)
        assert there.commit(ID, change) == ()
        assert (here.load(ID).at, here.log(ID)) == (Point(EPOCH, 1), [b"entry"])

    def test_a_commit_is_recognised_after_others(self, here: Verbs, started: None) -> None:
        first = step(1)
        here.commit(ID, first)
        for version in range(2, here.backend.remembers + 1):
            here.commit(ID, step(version))
        assert here.commit(ID, first) == ()
        assert here.load(ID).at == Point(EPOCH, here.backend.remembers)

    def test_commits_that_only_add_to_the_log_make_no_other_forgotten(self, here: Verbs, started: None) -> None:
        first = step(1)
        here.commit(ID, first)
        for _ in range(here.backend.remembers + 1):
            here.commit(ID, entries(b"entry", version=1))
        here.commit(ID, step(2))
        assert here.commit(ID, first) == ()

    def test_a_commit_is_recognised_in_a_new_life(self, here: Verbs, started: None) -> None:
        first = step(1)
        here.commit(ID, first)
        here.commit(ID, step(2, to=NEW_LIFE))
        assert here.commit(ID, first) == ()
        assert here.load(ID).at == NEW_LIFE

    def test_a_commit_that_was_refused_is_not_taken_for_done(self, here: Verbs, started: None) -> None:
        name, action = os.urandom(COMMIT_ID_BYTES), action_ids(1)
        with pytest.raises(Conflict):
            here.commit(ID, step(5, id=name, actions=action))
        assert here.commit(ID, step(1, id=name, actions=action)) == ()
        assert here.load(ID).at == Point(EPOCH, 1)

    def test_the_same_commit_id_at_another_session_is_another_commit(self, here: Verbs, started: None) -> None:
        here.create("another", RECORD, None)
        change = step(1, actions=action_ids(1))
        here.commit(ID, change)
        assert here.commit("another", change) == ()
        assert here.load("another").at == Point(EPOCH, 1)

    def test_ids_may_have_any_bytes(self, here: Verbs, started: None) -> None:
        change = step(1, id=b"\x00\xff\xfe\n'\\\"%", actions=(b"\x00\x00\x00\x00\xff\xff\xff\xff",))
        here.commit(ID, change)
        assert here.commit(ID, change) == ()
        assert here.commit(ID, step(2, after=change.id, actions=change.actions)) == change.actions
        assert here.load(ID).at == Point(EPOCH, 1)
