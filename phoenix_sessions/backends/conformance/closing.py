"""A backend can be closed, and goes on when it is used again."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from ..base import Backend, Point, Record
from .examples import EPOCH, ID, RECORD, name, step
from .fixtures import Fixtures
from .loops import DEADLOCK, LoopThread
from .verbs import Verbs


class Closing(Fixtures):
    """A backend can be closed, and goes on when it is used again."""

    def test_nobody_notices_that_a_backend_is_closed_which_is_in_use(self, here: Verbs, started: None) -> None:
        def read(verbs: Verbs) -> set[Record | None]:
            return {verbs.load(ID) for _ in range(100)}

        def close(verbs: Verbs) -> None:
            for _ in range(50):
                verbs.backend.close()
                verbs.load(ID)

        assert self.race((here, close), *[(here, read)] * 3) == [None, {RECORD}, {RECORD}, {RECORD}]

    def test_what_was_closed_opens_anew(self, here: Verbs, loop: LoopThread, started: None) -> None:
        for _ in range(2):
            here.backend.close()
            loop.run(here.backend.aclose())
            assert here.load(ID) == RECORD

    def test_a_backend_serves_one_event_loop_after_another(self, backend: Backend, started: None) -> None:
        async def load() -> Record | None:
            try:
                return await backend.aload(ID)
            finally:
                await backend.aclose()

        with ThreadPoolExecutor(1) as pool:  # for there may be a loop on this thread
            assert [pool.submit(asyncio.run, load()).result(DEADLOCK) for _ in range(3)] == [RECORD] * 3

    def test_a_backend_serves_several_event_loops_at_once(
        self, backend: Backend, loop: LoopThread, started: None
    ) -> None:
        with LoopThread.running() as second:
            for number in range(1, 5):
                each = (loop, second)[number % 2]
                each.run(backend.acommit(ID, step(number)))
            second.run(backend.aclose())
        assert backend.load(ID, Point(EPOCH, 4), last=name(4)) is None
