"""An engine that does not answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ClassVar

import pytest

from ...core.errors import BackendUnavailable
from ..base import Backend
from .examples import ID, RECORD, START, action_ids, step
from .fixtures import Fixtures, Losing, Lossy
from .listeners import PATIENCE, Listener
from .loops import LoopThread
from .verbs import Verbs


class Failures(Fixtures):
    """An engine that does not answer."""

    VERBS: ClassVar[dict[str, tuple[Any, ...]]] = {
        "load": (ID,), "create": (ID, RECORD, None), "commit": (ID, step(1)), "touch": (ID, None),
        "expire": (ID, 0.0, b""), "delete": (ID, None, b""), "log": (ID,), "actions": (ID,), "scan": (), "count": (),
        "claim": ("lease", "me", 30.0), "renew": ("lease", "me", 1, 30.0), "release": ("lease", "me", 1),
    }  # fmt: skip
    LOST: ClassVar[dict[str, tuple[tuple[Any, ...], Callable[[Verbs], bool]]]] = {
        "create": (("another", RECORD, None), lambda here: here.count() == 2),
        "commit": ((ID, step(1)), lambda here: here.load(ID) != RECORD),
        "expire": ((ID, 0.0, b""), lambda here: here.count() == 0),
        "delete": ((ID, START, b""), lambda here: here.count() == 0),
        "claim": (("lease", "me", 30.0), lambda here: here.claim("lease", "you", 30.0).fence is None),
    }

    @pytest.fixture
    def unanswered(self, dead: Backend | None) -> Backend:
        """Return the backend whose engine does not answer."""
        if dead is None:
            pytest.skip("the engine of this backend cannot fail to answer")
        return dead

    @pytest.fixture
    def unanswering(self, lossy: Lossy | None, way: LoopThread | None, started: None) -> Verbs:
        """Return the verbs of the backend that loses answers; it is connected."""
        if lossy is None:
            pytest.skip("there is no fixture named lossy")
        verbs = Verbs(lossy[0], way)
        assert verbs.load(ID) == RECORD
        return verbs

    @pytest.fixture
    def losing(self, lossy: Lossy | None) -> Losing | None:
        """Return the function in whose context answers are lost."""
        return lossy and lossy[1]

    def unavailable(self, verbs: Verbs, verb: str, *args: Any) -> BackendUnavailable:
        """Call a verb that gets no answer; return its error, which must come in time."""
        called: Future[Any] = Future()

        def call() -> None:
            try:
                called.set_result(getattr(verbs, verb)(*args))
            except BaseException as error:
                called.set_exception(error)
            finally:
                self.leave_thread(verbs.backend)

        threading.Thread(target=call, daemon=True).start()  # so that one that waits for ever holds up nobody
        with pytest.raises(BackendUnavailable) as caught:
            called.result(verbs.backend.timeout + 1)
        return caught.value

    @pytest.mark.parametrize("verb", VERBS)
    def test_no_answer_is_unavailable_in_time_and_never_not_found(
        self, unanswered: Backend, way: LoopThread | None, verb: str
    ) -> None:
        error = self.unavailable(Verbs(unanswered, way), verb, *self.VERBS[verb])
        assert not error.maybe, "nothing was sent"

    def test_those_who_get_no_answer_do_not_wait_for_one_another(self, unanswered: Backend, loop: LoopThread) -> None:
        async def together() -> list[Any]:
            return await asyncio.gather(*[unanswered.aload(ID) for _ in range(5)], return_exceptions=True)

        begin = time.monotonic()
        assert [type(answer) for answer in loop.run(together())] == [BackendUnavailable] * 5
        assert time.monotonic() - begin < unanswered.timeout + 1

    @pytest.mark.parametrize("verb", LOST)
    def test_what_was_done_and_not_answered_may_have_been_done(
        self, here: Verbs, unanswering: Verbs, losing: Losing, verb: str
    ) -> None:
        args, is_done = self.LOST[verb]
        with losing():
            error = self.unavailable(unanswering, verb, *args)
        assert error.maybe or not is_done(here)

    def test_a_commit_whose_answer_was_lost_is_applied_once(
        self, here: Verbs, unanswering: Verbs, losing: Losing
    ) -> None:
        change = step(1, log=(b"entry",), actions=action_ids(1))
        with losing():
            self.unavailable(unanswering, "commit", ID, change)
        assert here.commit(ID, change) == unanswering.commit(ID, change) == ()
        assert (here.load(ID).at, here.log(ID)) == (change.to, [b"entry"])

    def test_watchers_are_told_that_notices_may_be_missed(
        self, unanswered: Backend, loop: LoopThread, listen: Callable[..., Listener]
    ) -> None:
        listener = listen(unanswered)
        loop.call(listener.watch.add, ID)
        listener.until("lost", timeout=unanswered.timeout + PATIENCE)
        assert listener.runs()
