"""A session says which commit led to where it is."""

from __future__ import annotations

from typing import Any

import pytest

from ...core.errors import Conflict
from ..base import Record
from .examples import BINARY, ID, NEW_LIFE, RECORD, START, action_ids, entries, name, onward, step
from .fixtures import Fixtures
from .verbs import Verbs


class Names(Fixtures):
    """A session says which commit led to where it is."""

    def test_no_commit_led_to_what_was_created(self, here: Verbs, there: Verbs) -> None:
        here.create(ID, Record(START, b"birth", b"state 0", last=name(5)), None)
        assert there.load(ID) == RECORD
        assert here.commit(ID, step(1)) == ()

    def test_the_commit_that_led_to_a_state_is_named(self, here: Verbs, there: Verbs, started: None) -> None:
        for version in range(1, 4):
            here.commit(ID, step(version))
            assert there.load(ID).last == name(version)

    def test_a_name_may_have_any_bytes(self, here: Verbs, started: None) -> None:
        for number in range(0, len(BINARY) - 8, 8):
            here.commit(ID, onward(here.load(ID), id=BINARY[number : number + 8]))
            record = here.load(ID)
            assert record.last == BINARY[number : number + 8]
            assert here.load(ID, record.at, last=record.last) is None

    def test_a_commit_that_is_tried_again_gives_no_name(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1))
        here.commit(ID, step(2))
        here.commit(ID, step(1))
        assert here.load(ID).last == name(2)

    def test_a_commit_that_only_adds_to_the_log_gives_no_name(self, here: Verbs, started: None) -> None:
        here.commit(ID, entries(b"a"))
        assert here.load(ID) == RECORD
        here.commit(ID, step(1))
        here.commit(ID, entries(b"b", version=1))
        assert here.load(ID).last == name(1)
        assert here.commit(ID, step(2)) == ()

    def test_a_commit_that_was_refused_gives_no_name(self, here: Verbs, started: None) -> None:
        change = step(1, actions=action_ids(1))
        here.commit(ID, change)
        here.commit(ID, step(2, actions=change.actions))
        with pytest.raises(Conflict):
            here.commit(ID, step(9))
        assert here.load(ID).last == name(1)

    def test_a_new_life_is_named_by_its_commit(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1))
        here.commit(ID, step(2, to=NEW_LIFE))
        assert here.load(ID).last == name(2)
        assert here.load(ID, NEW_LIFE, last=name(2)) is None
        assert here.commit(ID, step(3, at=NEW_LIFE, to=NEW_LIFE._replace(version=1))) == ()

    def test_the_name_goes_with_the_session(self, here: Verbs, there: Verbs, started: None) -> None:
        here.commit(ID, step(1))
        here.delete(ID, None, b"")
        there.create(ID, RECORD, None)
        assert here.load(ID) == RECORD
        assert here.load(ID, START) is None

    def test_a_touch_leaves_the_name(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1))
        here.touch(ID, 60.0)
        assert here.load(ID).last == name(1)

    @pytest.mark.parametrize(
        ("verb", "args"),
        [("create", (RECORD, None)), ("commit", (step(1, id=b"another."),)), ("delete", (START, b""))],
    )
    def test_a_conflict_tells_the_name(
        self, here: Verbs, there: Verbs, started: None, verb: str, args: tuple[Any, ...]
    ) -> None:
        here.commit(ID, step(1))
        with pytest.raises(Conflict) as caught:
            getattr(there, verb)(ID, *args)
        assert caught.value.record.last == name(1)
