"""Sessions begin, are loaded, and end."""

from __future__ import annotations

import os
from typing import Any

import pytest

from ...core.errors import Conflict, SessionNotFound
from ..base import Point, Record
from .examples import BINARY, EPOCH, ID, NEW_LIFE, RECORD, START, action_ids, name, step
from .fixtures import Fixtures
from .verbs import Verbs


class Sessions(Fixtures):
    """Sessions begin, are loaded, and end."""

    def test_what_was_created_is_loaded(self, here: Verbs, there: Verbs, started: None) -> None:
        assert there.load(ID) == RECORD

    def test_a_record_has_the_types_that_it_declares(self, here: Verbs, started: None) -> None:
        record = here.load(ID)
        types = type(record), type(record.at), type(record.birth), type(record.state), type(record.last)
        assert types == (Record, Point, bytes, bytes, bytes)

    def test_what_the_caller_knows_is_not_loaded(self, here: Verbs, started: None) -> None:
        assert here.load(ID, START) is None

    @pytest.mark.parametrize("known", [Point(EPOCH, 1), Point(EPOCH + 1, 0), Point(EPOCH - 1, 0)])
    def test_what_the_caller_does_not_know_is_loaded(self, here: Verbs, started: None, known: Point) -> None:
        assert here.load(ID, known) == RECORD

    @pytest.mark.parametrize(("version", "last"), [(0, name(1)), (1, b""), (1, name(2))])
    def test_what_the_caller_knows_by_another_name_is_loaded(
        self, here: Verbs, there: Verbs, started: None, version: int, last: bytes
    ) -> None:
        for each in range(1, version + 1):
            here.commit(ID, step(each))
        now = here.load(ID)
        assert there.load(ID, now.at, last=last) == now
        assert there.load(ID, now.at, last=now.last) is None

    def test_the_name_alone_is_not_what_the_caller_knows(self, here: Verbs, started: None) -> None:
        here.commit(ID, step(1))
        assert here.load(ID, last=name(1)) == here.load(ID, START, last=name(1)) == here.load(ID) != RECORD

    @pytest.mark.parametrize(
        ("verb", "args"),
        [
            ("load", ()), ("load", (START,)), ("load", (None, 1)), ("commit", (step(1),)), ("touch", (60.0,)),
            ("expire", (0.0, b"expired")), ("delete", (None, b"deleted")), ("delete", (START, b"deleted")),
        ],
    )  # fmt: skip
    def test_a_session_that_is_not_there_is_not_found(self, here: Verbs, verb: str, args: tuple[Any, ...]) -> None:
        with pytest.raises(SessionNotFound):
            getattr(here, verb)(ID, *args)

    def test_a_session_is_created_once(self, here: Verbs, there: Verbs, started: None) -> None:
        with pytest.raises(Conflict) as caught:
            there.create(ID, Record(at=NEW_LIFE, birth=b"other", state=b"other"), None)
        assert caught.value.record == RECORD
        assert here.load(ID) == RECORD

    def test_a_deleted_session_is_gone(self, here: Verbs, there: Verbs, started: None) -> None:
        here.delete(ID, None, b"")
        with pytest.raises(SessionNotFound):
            there.load(ID)

    def test_a_session_is_deleted_if_it_is_what_it_must_be(self, here: Verbs, started: None) -> None:
        here.delete(ID, START, b"")
        assert here.count() == 0

    @pytest.mark.parametrize("at", [Point(EPOCH, 1), NEW_LIFE])
    def test_a_session_that_is_something_else_is_not_deleted(self, here: Verbs, started: None, at: Point) -> None:
        with pytest.raises(Conflict) as caught:
            here.delete(ID, at, b"")
        assert caught.value.record == RECORD
        assert here.load(ID) == RECORD

    @pytest.mark.parametrize("last", [b"", name(2), name(1)[::-1]])
    def test_a_session_that_has_another_past_is_not_deleted(
        self, here: Verbs, there: Verbs, started: None, last: bytes
    ) -> None:
        here.commit(ID, step(1))
        now = here.load(ID)
        with pytest.raises(Conflict) as caught:
            there.delete(ID, now.at, b"", last)
        assert caught.value.record == here.load(ID) == now
        there.delete(ID, now.at, b"", now.last)
        assert here.count() == 0

    def test_nothing_of_a_deleted_session_comes_back_with_its_id(self, here: Verbs, started: None) -> None:
        change = step(1, log=(b"entry",), actions=action_ids(1))
        here.commit(ID, change)
        here.delete(ID, None, b"")
        here.create(ID, RECORD, None)
        assert (here.load(ID), here.log(ID)) == (RECORD, [])
        assert here.commit(ID, change) == ()
        assert here.load(ID).at == change.to

    @pytest.mark.parametrize("size", [0, 2**20])
    def test_a_state_may_be_empty_or_large(self, here: Verbs, started: None, size: int) -> None:
        state = os.urandom(size)
        here.commit(ID, step(1, state=state))
        assert here.load(ID).state == state

    def test_all_values_may_have_any_bytes(self, here: Verbs) -> None:
        here.create(ID, Record(at=START, birth=BINARY, state=BINARY[::-1]), None)
        assert here.load(ID) == Record(at=START, birth=BINARY, state=BINARY[::-1])
        here.commit(ID, step(1, state=BINARY, log=(BINARY, b"", b"\x00")))
        assert (here.load(ID).state, here.log(ID)) == (BINARY, [BINARY, b"", b"\x00"])
        assert here.scan().sessions == ((ID, BINARY),)

    @pytest.mark.parametrize("id", ["x" * 64, "-", "_", "-_" * 32, "0", "None", "A-b_C" * 12])
    def test_every_valid_id_is_one(self, here: Verbs, id: str) -> None:
        here.create(id, RECORD, None)
        here.commit(id, step(1, log=(b"entry",)))
        assert (here.load(id).at, here.log(id)) == (Point(EPOCH, 1), [b"entry"])
        assert [found for found, _ in here.scan().sessions] == [id]

    def test_ids_that_look_alike_are_different_sessions(self, here: Verbs) -> None:
        ids = ["a-b", "a_b", "A-b", "a-b-", "a", "a-b0"]
        for number, id in enumerate(ids):
            here.create(id, Record(at=START, birth=b"", state=b"%d" % number), None)
        assert [here.load(id).state for id in ids] == [b"%d" % number for number in range(len(ids))]
        here.delete("a_b", None, b"")
        assert here.count() == len(ids) - 1
