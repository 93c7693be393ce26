"""Workers at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from ...core.errors import Conflict, SessionNotFound
from ..base import Backend, Commit, Point, Record
from .examples import EPOCH, ID, RECORD, START, onward, staying, step
from .fixtures import Fixtures
from .loops import LoopThread
from .verbs import Verbs
from .workers import increment, insist


class Races(Fixtures):
    """Workers at the same time."""

    def test_no_change_is_lost(self, here: Verbs, there: Verbs, started: None) -> None:
        self.race(*[(verbs, lambda verbs: increment(verbs, 8)) for verbs in (here, there)] * 2)
        record = here.load(ID)
        assert (record.at, record.state) == (Point(EPOCH, 32), b"state 32")
        assert here.log(ID) == [b"%d" % version for version in range(1, 33)]

    def test_the_log_of_a_new_life_has_no_entries_of_another(self, here: Verbs, there: Verbs, started: None) -> None:
        def change(worker: int, turn: int, record: Record) -> Commit:
            log = (b"%d by %d" % (turn, worker),)
            if (worker + turn) % 3 == 0:
                return onward(record, to=Point(100 * (worker + 1) + turn, 0), log=log)
            return (onward, staying)[turn % 2](record, log=log)

        def live(worker: int, verbs: Verbs) -> list[tuple[int, bytes]]:
            record, added = verbs.load(ID), []
            for turn in range(9):
                record = insist(verbs, record, partial(change, worker, turn))
                added.append((record.at.epoch, b"%d by %d" % (turn, worker)))
            return added

        added = self.race(*[((here, there)[worker % 2], partial(live, worker)) for worker in range(4)])
        epoch, log = here.load(ID).at.epoch, here.log(ID)
        expected = [[entry for life, entry in each if life == epoch] for each in added]
        assert [[entry for entry in log if entry in each] for each in expected] == expected
        assert len(log) == sum(map(len, expected))

    def test_the_log_of_a_session_has_no_entries_of_one_that_was_there_before(
        self, here: Verbs, there: Verbs, started: None
    ) -> None:
        def replace(worker: int, verbs: Verbs) -> None:
            for turn in range(8):
                with contextlib.suppress(SessionNotFound, Conflict):
                    verbs.delete(ID, None, b"")
                    verbs.create(ID, Record(Point(100 * worker + turn + 100, 0), b"birth", b""), None)

        def change(record: Record) -> Commit:
            return onward(record, log=(b"%d" % record.at.epoch,))

        def write(verbs: Verbs) -> None:
            for _ in range(16):
                with contextlib.suppress(SessionNotFound):
                    insist(verbs, verbs.load(ID), change)

        self.race((here, partial(replace, 0)), (there, partial(replace, 1)), (here, write), (there, write))
        with contextlib.suppress(Conflict):
            here.create(ID, RECORD, None)
        at, log = here.load(ID).at, here.log(ID)
        assert log == [b"%d" % at.epoch] * at.version

    def test_the_log_keeps_to_its_limit_whoever_adds_to_it(self, here: Verbs, there: Verbs, started: None) -> None:
        def change(entry: bytes, turn: int, record: Record) -> Commit:
            return (onward, staying)[turn % 2](record, log=(entry,), log_limit=5)

        def write(worker: int, verbs: Verbs) -> list[bytes]:
            record, added = verbs.load(ID), [b"%d by %d" % (turn, worker) for turn in range(8)]
            for turn, entry in enumerate(added):
                record = insist(verbs, record, partial(change, entry, turn))
                assert len(verbs.log(ID)) <= 5
            return added

        added = self.race(*[((here, there)[worker % 2], partial(write, worker)) for worker in range(4)])
        log = here.log(ID)
        kept = [[entry for entry in log if entry in each] for each in added]
        assert kept == [each[len(each) - len(some) :] for each, some in zip(added, kept, strict=True)]
        assert len(log) == 5

    def test_of_those_who_create_a_session_at_once_one_does(self, here: Verbs, there: Verbs) -> None:
        def create(number: int) -> Callable[[Verbs], Any]:
            return lambda verbs: verbs.create(ID, Record(at=Point(number, 0), birth=b"", state=b""), None)

        results = self.race(*[((here, there)[number % 2], create(number)) for number in range(6)])
        conflicts = [result for result in results if isinstance(result, Conflict)]
        assert results.count(None) == 1
        assert [conflict.record for conflict in conflicts] == [here.load(ID)] * 5

    def test_of_those_who_commit_from_the_same_point_at_once_one_does(
        self, here: Verbs, there: Verbs, started: None
    ) -> None:
        def commit(number: int) -> Callable[[Verbs], Any]:
            return lambda verbs: verbs.commit(ID, onward(RECORD, state=b"by %d" % number))

        results = self.race(*[((here, there)[number % 2], commit(number)) for number in range(6)])
        assert here.load(ID).state == b"by %d" % results.index(())
        assert len([result for result in results if isinstance(result, Conflict)]) == 5

    def test_a_commit_that_is_tried_twice_at_once_is_applied_once(
        self, here: Verbs, there: Verbs, started: None
    ) -> None:
        change = step(1, log=(b"entry",))
        results = self.race(*[(verbs, lambda verbs: verbs.commit(ID, change)) for verbs in (here, there)] * 2)
        assert results == [()] * 4
        assert (here.load(ID).at, here.log(ID)) == (Point(EPOCH, 1), [b"entry"])

    def test_sessions_do_not_get_in_one_anothers_way(self, here: Verbs, there: Verbs) -> None:
        def live(id: str) -> Callable[[Verbs], Any]:
            def run(verbs: Verbs) -> Record:
                verbs.create(id, RECORD, None)
                for version in range(1, 6):
                    verbs.commit(id, step(version, state=id.encode()))
                record: Record = verbs.load(id)
                verbs.delete(id, record.at, b"", record.last)
                return record

            return run

        results = self.race(*[((here, there)[number % 2], live(f"visitor-{number}")) for number in range(4)])
        assert [record.state for record in results] == [b"visitor-%d" % number for number in range(4)]

    def test_many_async_twins_at_once_get_their_own_answers(self, backend: Backend, loop: LoopThread) -> None:
        async def live(id: str) -> bytes:
            await backend.acreate(id, Record(at=START, birth=b"", state=id.encode()), None)
            record = await backend.aload(id)
            assert record is not None
            return record.state

        async def together() -> list[bytes]:
            return await asyncio.gather(*[live(f"visitor-{number}") for number in range(30)])

        assert loop.run(together()) == [b"visitor-%d" % number for number in range(30)]

    def test_an_async_twin_that_is_cancelled_spoils_no_other(self, backend: Backend, loop: LoopThread) -> None:
        async def cancel_and_load(number: int) -> Record | None:
            cancelled = asyncio.ensure_future(backend.aload(f"visitor-{number}"))
            for _ in range(number % 5):
                await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.wait([cancelled])
            return await backend.aload(f"visitor-{number + 1}")

        async def run() -> list[Record | None]:
            for number in range(21):
                await backend.acreate(f"visitor-{number}", Record(at=START, birth=b"", state=b"%d" % number), None)
            return [await cancel_and_load(number) for number in range(20)]

        records = loop.run(run())
        assert [record.state for record in records] == [b"%d" % (number + 1) for number in range(20)]
