"""What streams ask for: notices under names that are no session's, whole and in order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .fixtures import Fixtures
from .listeners import Listener
from .verbs import Verbs

NAME = "stream:" + "conversation:01H_x.y-" + "z" * 107
LARGEST = (bytes(range(256)) * 23)[:5_700]


class Streams(Fixtures):
    """What streams ask for: notices under names that are no session's, whole and in order."""

    @pytest.mark.usefixtures("carrying")
    def test_a_notice_of_a_stream_comes_whole(self, here: Verbs, listen: Callable[..., Listener]) -> None:
        listener = listen(here.backend, NAME)
        here.tell(NAME, LARGEST)
        listener.until("noticed", NAME, LARGEST)

    @pytest.mark.usefixtures("carrying")
    def test_all_who_watch_a_stream_see_one_order(
        self, here: Verbs, there: Verbs, listen: Callable[..., Listener]
    ) -> None:
        one, two = listen(here.backend, NAME), listen(there.backend, NAME)
        for number in range(20):
            (here, there)[number % 2].tell(NAME, b"%d" % number)
        told = [each.until("noticed", NAME, b"19") for each in (one, two)]
        expected = [("noticed", NAME, b"%d" % number) for number in range(20)]
        assert [[event for event in each if event[0] == "noticed"] for each in told] == [expected, expected]
