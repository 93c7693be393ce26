"""Sessions end that nobody uses."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from ...core.errors import Conflict, SessionNotFound
from .examples import ID, RECORD, START, action_ids, entries, step
from .fixtures import Fixtures
from .verbs import Verbs


class Expiry(Fixtures):
    """Sessions end that nobody uses."""

    IDLE: ClassVar = 60.0

    def test_an_idle_session_is_ended(self, here: Verbs, there: Verbs, clock: Any, started: None) -> None:
        clock.advance(self.IDLE)
        assert here.expire(ID, self.IDLE, b"") is None
        with pytest.raises(SessionNotFound):
            there.load(ID)

    def test_a_session_that_is_not_idle_long_enough_stays(self, here: Verbs, clock: Any, started: None) -> None:
        clock.advance(self.IDLE - 20)
        assert here.expire(ID, self.IDLE, b"") == pytest.approx(20, abs=0.1)
        assert here.load(ID) == RECORD

    @pytest.mark.parametrize(
        ("verb", "args"), [("touch", (None,)), ("commit", (step(1),)), ("commit", (entries(b"a"),))]
    )
    def test_who_uses_a_session_puts_off_its_end(
        self, here: Verbs, there: Verbs, clock: Any, started: None, verb: str, args: tuple[Any, ...]
    ) -> None:
        clock.advance(self.IDLE - 1)
        getattr(there, verb)(ID, *args)
        clock.advance(10)
        assert here.expire(ID, self.IDLE, b"") == pytest.approx(self.IDLE - 10, abs=0.1)

    def test_who_only_reads_does_not_put_off_the_end(self, here: Verbs, clock: Any, started: None) -> None:
        clock.advance(self.IDLE)
        here.load(ID)
        here.load(ID, START, 1)
        here.log(ID)
        here.actions(ID)
        assert here.expire(ID, self.IDLE, b"") is None

    def test_a_commit_that_is_not_applied_does_not_put_off_the_end(
        self, here: Verbs, clock: Any, started: None
    ) -> None:
        change = step(1, actions=action_ids(1))
        here.commit(ID, change)
        clock.advance(self.IDLE)
        here.commit(ID, change)
        here.commit(ID, step(2, actions=change.actions))
        with pytest.raises(Conflict):
            here.commit(ID, step(9))
        assert here.expire(ID, self.IDLE, b"") is None

    def test_a_session_ends_once(self, here: Verbs, there: Verbs, clock: Any, started: None) -> None:
        clock.advance(self.IDLE)
        here.expire(ID, self.IDLE, b"")
        with pytest.raises(SessionNotFound):
            there.expire(ID, self.IDLE, b"")

    def test_of_those_who_end_a_session_at_once_one_does(
        self, here: Verbs, there: Verbs, clock: Any, started: None
    ) -> None:
        clock.advance(self.IDLE)
        results = self.race(*[(verbs, lambda verbs: verbs.expire(ID, self.IDLE, b"")) for verbs in (here, there)] * 3)
        assert results.count(None) == 1
        assert len([result for result in results if isinstance(result, SessionNotFound)]) == 5
