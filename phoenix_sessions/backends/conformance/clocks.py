"""Without a clock, the engine's own time counts."""

from __future__ import annotations

import time

import pytest

from ...core.errors import Fenced, SessionNotFound
from ..base import Backend
from .examples import ID, RECORD, action_ids, step
from .fixtures import Fixtures
from .listeners import PATIENCE
from .loops import DEADLOCK, LoopThread
from .verbs import Verbs


class Clocks(Fixtures):
    """Without a clock, the engine's own time counts."""

    @pytest.fixture
    def timed(self, unclocked: Backend | None, way: LoopThread | None) -> Verbs:
        """Return the verbs of the backend without a clock."""
        if unclocked is None:
            pytest.skip("there is no fixture named unclocked")
        return Verbs(unclocked, way)

    def test_a_session_has_just_been_created(self, timed: Verbs) -> None:
        timed.create(ID, RECORD, 60.0)
        assert timed.expire(ID, 60.0, b"") == pytest.approx(60, abs=2)
        assert timed.load(ID) == RECORD

    def test_a_session_may_end_at_once(self, timed: Verbs) -> None:
        timed.create(ID, RECORD, 60.0)
        assert timed.expire(ID, 0.0, b"") is None

    def test_what_has_expired_is_removed_and_nothing_else(self, timed: Verbs) -> None:
        for id, ttl in {ID: None, "longer": 600.0, "never": None}.items():
            timed.create(id, RECORD, ttl)
        change = step(1, log=(b"entry",), actions=action_ids(1), ttl=0.05)
        timed.commit(ID, change)
        deadline = time.monotonic() + DEADLOCK
        while {id for id, _ in timed.scan().sessions} != {"longer", "never"} or timed.count() != 2:
            assert time.monotonic() < deadline, "what has expired is not removed"
            time.sleep(0.05)
            timed.sweep()
        with pytest.raises(SessionNotFound):
            timed.load(ID)
        timed.create(ID, RECORD, None)
        assert (timed.load(ID), timed.log(ID), timed.commit(ID, change)) == (RECORD, [], ())
        assert [timed.load(id) for id in ("longer", "never")] == [RECORD] * 2

    def test_a_lease_lasts_as_long_as_was_asked_for(self, timed: Verbs) -> None:
        timed.claim("lease", "me", 60.0)
        assert timed.claim("lease", "you", 60.0).seconds == pytest.approx(60, abs=2)

    def test_a_lease_runs_out(self, timed: Verbs) -> None:
        first = timed.claim("lease", "me", 0.05).fence
        deadline = time.monotonic() + PATIENCE
        while (claim := timed.claim("lease", "you", 0.05)).fence is None:
            assert time.monotonic() < deadline, "the lease does not run out"
            time.sleep(claim.seconds)
        assert claim.fence > first
        with pytest.raises(Fenced):
            timed.renew("lease", "me", first, 30.0)
