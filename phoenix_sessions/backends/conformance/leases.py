"""What must exist once has a lease."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from ...core.errors import Fenced
from .fixtures import Fixtures
from .verbs import Verbs


class Leases(Fixtures):
    """What must exist once has a lease."""

    NAME: ClassVar = "session:visitor"

    def test_a_free_lease_is_given(self, here: Verbs) -> None:
        claim = here.claim(self.NAME, "me", 30.0)
        assert type(claim.fence) is int
        assert claim.seconds == pytest.approx(30, abs=0.1)

    def test_a_lease_that_another_holds_is_not_given(self, here: Verbs, there: Verbs, clock: Any) -> None:
        here.claim(self.NAME, "me", 30.0)
        clock.advance(10)
        claim = there.claim(self.NAME, "you", 30.0)
        assert claim.fence is None
        assert claim.seconds == pytest.approx(20, abs=0.1)

    def test_who_holds_a_lease_gets_it_again_as_it_is(self, here: Verbs, there: Verbs, clock: Any) -> None:
        first = here.claim(self.NAME, "me", 30.0)
        clock.advance(20)
        assert here.claim(self.NAME, "me", 30.0).fence == first.fence
        clock.advance(20)
        assert there.claim(self.NAME, "you", 30.0).seconds == pytest.approx(10, abs=0.1)

    def test_the_number_grows_after_a_release(self, here: Verbs, there: Verbs) -> None:
        first = here.claim(self.NAME, "me", 30.0).fence
        here.release(self.NAME, "me", first)
        second = there.claim(self.NAME, "you", 30.0).fence
        there.release(self.NAME, "you", second)
        assert first < second < there.claim(self.NAME, "you", 30.0).fence

    def test_the_number_grows_after_a_lease_ran_out(self, here: Verbs, there: Verbs, clock: Any) -> None:
        first = here.claim(self.NAME, "me", 30.0).fence
        clock.advance(30.1)
        here.sweep()
        assert there.claim(self.NAME, "you", 30.0).fence > first

    def test_the_number_grows_if_the_same_owner_was_late(self, here: Verbs, clock: Any) -> None:
        first = here.claim(self.NAME, "me", 30.0).fence
        clock.advance(30.1)
        assert here.claim(self.NAME, "me", 30.0).fence > first

    def test_a_renewed_lease_lasts_longer(self, here: Verbs, there: Verbs, clock: Any) -> None:
        fence = here.claim(self.NAME, "me", 30.0).fence
        clock.advance(20)
        here.renew(self.NAME, "me", fence, 30.0)
        clock.advance(20)
        assert there.claim(self.NAME, "you", 30.0).fence is None

    def test_a_lease_that_another_took_over_cannot_be_renewed(self, here: Verbs, there: Verbs, clock: Any) -> None:
        fence = here.claim(self.NAME, "me", 30.0).fence
        clock.advance(30.1)
        there.claim(self.NAME, "you", 30.0)
        with pytest.raises(Fenced) as caught:
            here.renew(self.NAME, "me", fence, 30.0)
        assert (caught.value.name, caught.value.fence) == (self.NAME, fence)

    def test_a_lease_that_ran_out_cannot_be_renewed(self, here: Verbs, clock: Any) -> None:
        fence = here.claim(self.NAME, "me", 30.0).fence
        clock.advance(30.1)
        with pytest.raises(Fenced):
            here.renew(self.NAME, "me", fence, 30.0)

    def test_a_lease_that_was_given_back_cannot_be_renewed(self, here: Verbs) -> None:
        fence = here.claim(self.NAME, "me", 30.0).fence
        here.release(self.NAME, "me", fence)
        with pytest.raises(Fenced):
            here.renew(self.NAME, "me", fence, 30.0)

    @pytest.mark.parametrize(("owner", "older"), [("you", 0), ("me", 1)])
    def test_a_lease_is_renewed_by_its_owner_and_number_only(self, here: Verbs, owner: str, older: int) -> None:
        fence = here.claim(self.NAME, "me", 30.0).fence
        with pytest.raises(Fenced):
            here.renew(self.NAME, owner, fence - older, 30.0)

    @pytest.mark.parametrize(("owner", "older"), [("you", 0), ("me", 1)])
    def test_a_lease_is_given_back_by_its_owner_and_number_only(
        self, here: Verbs, there: Verbs, owner: str, older: int
    ) -> None:
        fence = here.claim(self.NAME, "me", 30.0).fence
        there.release(self.NAME, owner, fence - older)
        assert there.claim(self.NAME, "they", 30.0).fence is None

    def test_a_lease_that_nobody_holds_is_given_back_without_effect(self, here: Verbs) -> None:
        here.release(self.NAME, "me", 1)
        assert here.claim(self.NAME, "you", 30.0).fence is not None

    @pytest.mark.parametrize("name", ["x" * 255, "a {b} c:*?[d]\\%'\"", "Lease"])
    def test_names_and_owners_may_have_any_printable_characters(self, here: Verbs, there: Verbs, name: str) -> None:
        fence = here.claim(name, name, 30.0).fence
        here.renew(name, name, fence, 30.0)
        assert there.claim(name, name.swapcase(), 30.0).fence is None
        assert there.claim(name.swapcase(), name, 30.0).fence is not None
        here.release(name, name, fence)
        assert there.claim(name, "you", 30.0).fence > fence

    def test_leases_have_nothing_to_do_with_one_another(self, here: Verbs, started: None) -> None:
        here.claim(self.NAME, "me", 30.0)
        assert here.claim("session:visitor-2", "you", 30.0).fence is not None
        assert here.count() == 1

    def test_of_many_who_claim_a_lease_at_once_one_gets_it(self, here: Verbs, there: Verbs) -> None:
        def claim(owner: str) -> Callable[[Verbs], Any]:
            return lambda verbs: verbs.claim(self.NAME, owner, 30.0).fence

        fences = self.race(*[((here, there)[number % 2], claim(f"owner-{number}")) for number in range(6)])
        assert len([fence for fence in fences if fence is not None]) == 1
