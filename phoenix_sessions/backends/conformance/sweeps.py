"""Sessions are forgotten that no worker looks after any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from ...core.errors import Conflict, SessionNotFound
from ..base import Point
from .examples import EPOCH, ID, RECORD, entries, step
from .fixtures import Fixtures
from .verbs import Verbs, outcome

TTL: Final = 60.0


def sweep_all(*workers: Verbs) -> int:
    """Let workers sweep in turn until there is nothing left to sweep; return how many sessions they removed."""
    swept = 0
    for _ in range(1000):
        removed = sum(worker.sweep(2) for worker in workers)
        if not removed:
            return swept
        swept += removed
    raise AssertionError("a sweep of a few sessions does not end")


class Sweeps(Fixtures):
    """Sessions are forgotten that no worker looks after any more."""

    @pytest.fixture
    def expired(self, here: Verbs, clock: Any) -> list[str]:
        """Create sessions whose ``ttl`` is over; return their ids."""
        ids = [f"expired-{number}" for number in range(8)]
        for id in ids:
            here.create(id, RECORD, TTL)
            here.commit(id, entries(b"old", ttl=TTL))
        clock.advance(TTL + 1)
        return ids

    def test_a_session_is_not_forgotten_before_its_ttl(self, here: Verbs, clock: Any) -> None:
        here.create(ID, RECORD, 60.0)
        clock.advance(59)
        here.sweep()
        assert here.load(ID) == RECORD

    def test_a_session_that_was_touched_is_not_forgotten(self, here: Verbs, clock: Any) -> None:
        here.create(ID, RECORD, 60.0)
        clock.advance(59)
        here.touch(ID, 120.0)
        clock.advance(119)
        here.sweep()
        assert here.load(ID) == RECORD

    def test_a_session_that_was_committed_to_is_not_forgotten(self, here: Verbs, clock: Any) -> None:
        here.create(ID, RECORD, 60.0)
        clock.advance(59)
        here.commit(ID, step(1, ttl=60.0, log=(b"entry",)))
        clock.advance(59)
        here.sweep()
        assert (here.load(ID).at, here.log(ID)) == (Point(EPOCH, 1), [b"entry"])

    def test_a_session_without_ttl_is_never_forgotten(self, here: Verbs, clock: Any) -> None:
        here.create(ID, RECORD, 60.0)
        here.commit(ID, step(1, log=(b"entry",), ttl=60.0))
        here.touch(ID, None)
        clock.advance(10**8)
        here.sweep()
        assert (here.load(ID).at, here.log(ID)) == (Point(EPOCH, 1), [b"entry"])

    def test_only_what_has_expired_is_swept_away(self, here: Verbs, there: Verbs, clock: Any) -> None:
        living = {"longer": 2 * TTL, "never": None, "touched": TTL, "committed": TTL}
        expired = [f"expired-{number}" for number in range(5)]
        for id, ttl in {**living, **dict.fromkeys(expired, TTL)}.items():
            here.create(id, RECORD, ttl)
            here.commit(id, step(1, ttl=ttl, log=(b"entry",)))
        clock.advance(TTL - 1)
        here.touch("touched", TTL)
        here.commit("committed", entries(b"another", version=1, ttl=TTL))
        clock.advance(TTL - 1)
        swept = sweep_all(here, there)
        assert swept in (0, len(expired))
        assert here.count() == len(expired) + len(living) - swept
        assert [here.load(id).at for id in living] == [Point(EPOCH, 1)] * len(living)
        assert [here.log(id) for id in living] == [[b"entry"]] * 3 + [[b"entry", b"another"]]

    def test_what_is_swept_away_is_gone_everywhere(self, here: Verbs, there: Verbs, expired: list[str]) -> None:
        swept = here.sweep(3)
        assert swept <= 3
        swept += there.sweep()
        assert (here.count(), len(here.scan().sessions)) == (len(expired) - swept,) * 2

    def test_those_who_sweep_at_once_count_a_session_once(self, here: Verbs, there: Verbs, expired: list[str]) -> None:
        swept = sum(self.race(*[(verbs, sweep_all) for verbs in (here, there)] * 2))
        assert swept in (0, len(expired))
        assert here.count() == len(expired) - swept

    @pytest.mark.parametrize(("verb", "args"), [("touch", (60.0,)), ("commit", (step(1, ttl=60.0),))])
    def test_a_session_that_was_found_in_time_is_not_swept_away(
        self, here: Verbs, there: Verbs, expired: list[str], verb: str, args: tuple[Any, ...]
    ) -> None:
        def use(id: str) -> Callable[[Verbs], Any]:
            return lambda verbs: getattr(verbs, verb)(id, *args)

        for id in expired:
            used, _ = self.race((there, use(id)), (here, lambda verbs: verbs.sweep(1)))
            assert isinstance(used, SessionNotFound) == isinstance(outcome(here, "load", (id,)), type)

    def test_a_session_that_was_created_anew_in_time_is_not_swept_away(
        self, here: Verbs, there: Verbs, expired: list[str]
    ) -> None:
        def begin(id: str) -> Callable[[Verbs], Any]:
            def run(verbs: Verbs) -> None:
                verbs.create(id, RECORD, None)
                verbs.commit(id, step(1, log=(b"new",)))

            return run

        for id in expired:
            begun, _ = self.race((there, begin(id)), (here, lambda verbs: verbs.sweep(1)))
            if not isinstance(begun, Conflict):  # which it is if the engine has not yet forgotten the old one
                assert (begun, here.load(id).at, here.log(id)) == (None, Point(EPOCH, 1), [b"new"])

    def test_a_lease_that_lasts_is_not_swept_away(self, here: Verbs, there: Verbs, clock: Any) -> None:
        fence = here.claim("lease", "me", 30.0).fence
        clock.advance(29)
        there.sweep()
        assert there.claim("lease", "you", 30.0).fence is None
        here.renew("lease", "me", fence, 30.0)

    def test_an_engine_that_holds_nothing_has_nothing_to_sweep(self, here: Verbs) -> None:
        assert here.sweep() == 0
