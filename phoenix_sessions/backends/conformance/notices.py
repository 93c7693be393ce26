"""Who watches a session is told of its changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ...core.errors import Conflict, Fenced
from .examples import BINARY, ID, NEW_LIFE, START, action_ids, entries, step
from .fixtures import Fixtures
from .listeners import Listener
from .verbs import Verbs
from .workers import increment


class Notices(Fixtures):
    """Who watches a session is told of its changes."""

    @pytest.mark.parametrize(
        ("verb", "args"),
        [
            ("commit", (step(1, notice=BINARY),)), ("commit", (step(1, to=NEW_LIFE, notice=BINARY),)),
            ("expire", (0.0, BINARY)), ("delete", (None, BINARY)), ("delete", (START, BINARY)),
        ],
        ids=["commit", "new life", "expire", "delete", "delete at"],
    )  # fmt: skip
    def test_watchers_are_told_of_a_change(
        self,
        here: Verbs,
        there: Verbs,
        started: None,
        listen: Callable[..., Listener],
        verb: str,
        args: tuple[Any, ...],
    ) -> None:
        listener = listen(here.backend, ID)
        getattr(there, verb)(ID, *args)
        listener.until("noticed", ID, self.carried(here, BINARY))

    @pytest.mark.usefixtures("carrying")
    def test_watchers_are_told_what_is_told(self, here: Verbs, there: Verbs, listen: Callable[..., Listener]) -> None:
        listener = listen(here.backend, ID)
        there.tell(ID, BINARY)
        listener.until("noticed", ID, BINARY)

    @pytest.mark.usefixtures("carrying")
    def test_watchers_are_told_when_only_the_log_grows(
        self, here: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        listener = listen(here.backend, ID)
        here.commit(ID, entries(b"entry", notice=b"logged"))
        listener.until("noticed", ID, b"logged")

    @pytest.mark.usefixtures("carrying")
    def test_notices_of_a_session_come_in_order(
        self, here: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        listener = listen(here.backend, ID)
        for version in range(1, 21):
            here.commit(ID, step(version, notice=b"%d" % version))
        told = listener.until("noticed", ID, b"20")
        assert [notice for _, _, notice in told] == [b"%d" % version for version in range(1, 21)]

    @pytest.mark.usefixtures("carrying")
    def test_notices_of_those_who_change_a_session_at_once_come_in_the_order_of_its_versions(
        self, here: Verbs, there: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        listener = listen(here.backend, ID)
        self.race(*[(verbs, lambda verbs: increment(verbs, 5)) for verbs in (here, there)] * 2)
        told = listener.until("noticed", ID, b"20")
        assert [notice for _, _, notice in told] == [b"%d" % version for version in range(1, 21)]

    @pytest.mark.usefixtures("carrying")
    def test_nothing_is_told_if_the_notice_is_empty(
        self, here: Verbs, started: None, listen: Callable[..., Listener]
    ) -> None:
        listener = listen(here.backend, ID)
        here.commit(ID, step(1))
        here.tell(ID, b"")
        here.delete(ID, None, b"")
        here.tell(ID, b"last")
        assert listener.until("noticed", ID, b"last") == [("noticed", ID, b"last")]

    @pytest.mark.usefixtures("carrying")
    def test_nobody_is_told_of_what_did_not_happen(
        self, here: Verbs, clock: Any, started: None, listen: Callable[..., Listener]
    ) -> None:
        listener = listen(here.backend, ID)
        change = step(1, notice=b"changed", actions=action_ids(1), fence=5)
        for each in (change, change, step(2, actions=change.actions, notice=b"repeated")):
            here.commit(ID, each)
        for refused in (step(7, notice=b"conflict"), step(2, fence=4, notice=b"fenced")):
            with pytest.raises((Conflict, Fenced)):
                here.commit(ID, refused)
        with pytest.raises(Conflict):
            here.delete(ID, START, b"not deleted")
        here.expire(ID, 60.0, b"not expired")
        here.tell(ID, b"last")
        assert [notice for _, _, notice in listener.until("noticed", ID, b"last")] == [b"changed", b"last"]
