"""Sessions are watched, by any number of watchers, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .examples import ID, RECORD, step
from .fixtures import Fixtures
from .listeners import Listener
from .verbs import Verbs


class Watches(Fixtures):
    """Sessions are watched, by any number of watchers, and no more."""

    def test_a_session_is_watched_before_it_exists(
        self, here: Verbs, there: Verbs, listen: Callable[..., Listener]
    ) -> None:
        listener = listen(here.backend, ID)
        there.create(ID, RECORD, None)
        there.commit(ID, step(1, notice=b"changed"))
        listener.until("noticed", ID, self.carried(here, b"changed"))

    def test_all_watchers_are_told(
        self, here: Verbs, there: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        listeners = [listen(verbs.backend, ID) for verbs in (here, here, there)]
        here.commit(ID, step(1, notice=b"changed"))
        for listener in listeners:
            listener.until("noticed", ID, self.carried(here, b"changed"))

    def test_a_watch_may_be_over_several_sessions(
        self, here: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        here.create("another", RECORD, None)
        listener = listen(here.backend, ID, "another")
        for id in (ID, "another"):
            here.commit(id, step(1, notice=b"changed"))
            listener.until("noticed", id, self.carried(here, b"changed"))

    def test_a_session_may_be_watched_again(self, here: Verbs, started: None, listen: Callable[..., Listener]) -> None:
        listener = listen(here.backend, ID)
        listener.remove(ID)
        listener.add(ID)
        here.commit(ID, step(1, notice=b"changed"))
        listener.until("noticed", ID, self.carried(here, b"changed"))

    def test_who_adds_a_session_again_is_told_again_that_it_is_watched(
        self, here: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        listener = listen(here.backend, ID)
        for version in range(1, 4):
            listener.add(ID)
            here.commit(ID, step(version, notice=b"changed"))
            listener.until("noticed", ID, self.carried(here, b"changed"))

    @pytest.mark.usefixtures("carrying")
    def test_a_session_that_was_added_twice_is_watched_once(self, here: Verbs, listen: Callable[..., Listener]) -> None:
        listener = listen(here.backend, "another", ID, ID)
        here.tell(ID, b"once")
        here.tell(ID, b"last")
        assert listener.until("noticed", ID, b"last") == [("noticed", ID, b"once"), ("noticed", ID, b"last")]
        listener.remove(ID)
        here.tell(ID, b"nobody hears")
        here.tell("another", b"last")
        assert listener.until("noticed", "another", b"last") == [("noticed", "another", b"last")]

    def test_who_stopped_watching_a_session_is_not_told(
        self, here: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        here.create("another", RECORD, None)
        listener = listen(here.backend, ID, "another")
        listener.remove(ID)
        here.commit(ID, step(1, notice=b"changed"))
        here.commit("another", step(1, notice=b"changed"))
        told = listener.until("noticed", "another", self.carried(here, b"changed"))
        assert [event for event in told if event[:2] == ("noticed", ID)] == []

    def test_one_who_stops_watching_leaves_the_others(
        self, here: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        leaver, stayer = listen(here.backend, ID), listen(here.backend, ID)
        leaver.remove(ID)
        here.commit(ID, step(1, notice=b"changed"))
        stayer.until("noticed", ID, self.carried(here, b"changed"))

    @pytest.mark.usefixtures("carrying")
    def test_who_watches_another_session_is_not_told(
        self, here: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        listener = listen(here.backend, "another")
        here.tell(ID, b"for the visitor")
        here.tell("another", b"last")
        assert listener.until("noticed", "another", b"last") == [("noticed", "another", b"last")]

    def test_a_watch_that_is_cancelled_ends(self, here: Verbs, listen: Callable[..., Listener]) -> None:
        listener = listen(here.backend, ID)
        listener.stop()
        assert not listener.runs()
        here.tell(ID, b"nobody hears")
