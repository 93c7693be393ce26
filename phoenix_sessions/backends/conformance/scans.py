"""All sessions can be gone through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..base import Page, Record
from .examples import RECORD, START
from .fixtures import Fixtures
from .verbs import Verbs


class Scans(Fixtures):
    """All sessions can be gone through."""

    def pages(self, verbs: Verbs, count: int, between: Callable[[], Any] = lambda: None) -> dict[str, bytes]:
        """Return all sessions by their id, doing something between each two pages."""
        found: dict[str, bytes] = {}
        cursor = None
        for _ in range(10_000):
            page = verbs.scan(cursor, count)
            found.update(page.sessions)
            if (cursor := page.cursor) is None:
                return found
            between()
        raise AssertionError("a scan of a few sessions does not end")

    def create(self, verbs: Verbs, count: int) -> dict[str, bytes]:
        """Create sessions; return them by their id."""
        births = {f"visitor-{number}": b"birth %d" % number for number in range(count)}
        for id, birth in births.items():
            verbs.create(id, Record(at=START, birth=birth, state=b""), None)
        return births

    def test_an_empty_engine_has_no_sessions(self, here: Verbs) -> None:
        assert (self.pages(here, 1000), here.count()) == ({}, 0)

    def test_a_page_has_the_types_that_it_declares(self, here: Verbs, started: None) -> None:
        page = here.scan()
        assert isinstance(page, Page)
        assert [(type(id), type(birth)) for id, birth in page.sessions] == [(str, bytes)]

    @pytest.mark.parametrize("count", [1, 7, 10, 40, 1000])
    def test_the_pages_together_have_every_session(self, here: Verbs, there: Verbs, count: int) -> None:
        births = self.create(here, 40)
        assert self.pages(there, count) == births

    def test_sessions_that_stay_are_found_while_others_come_and_go(self, here: Verbs, there: Verbs) -> None:
        births = self.create(here, 30)
        leaving = [id for number, id in enumerate(births) if number % 2]
        staying = {id: birth for id, birth in births.items() if id not in leaving}

        def between() -> None:
            if leaving:
                id = leaving.pop()
                there.delete(id, None, b"")
                there.create(f"after-{id}", RECORD, None)

        assert staying.items() <= self.pages(here, 4, between).items()

    def test_sessions_are_counted(self, here: Verbs, there: Verbs) -> None:
        self.create(here, 10)
        there.delete("visitor-3", None, b"")
        assert here.count() == 9
