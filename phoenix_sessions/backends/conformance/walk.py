"""Whatever comes after whatever, the backend does what the one in memory does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import pytest

from ..base import ACTION_ID_BYTES, COMMIT_ID_BYTES, Backend, Commit, Point, Record
from ..memory import MemoryBackend
from .examples import EPOCH, ID, step
from .fixtures import Fixtures
from .verbs import Verbs, outcome

SESSIONS: Final = (ID, "another")

Step = tuple[str, tuple[Any, ...]]


def random_walk(seed: int, clock: Any, model: Backend) -> Iterator[Step]:
    """Yield verbs of sessions with their arguments, the same for the same seed, and let time pass between them.

    The model has taken all steps so far: most verbs are about what is there.
    What the contract leaves open does not come: no ``ttl``, no more names than are remembered, no note tried again.
    """
    walker = _Walker(random.Random(seed), model)  # noqa: S311 - so that it can be repeated
    while True:
        clock.advance(walker.pick.choice([0, 0, 0, 1, 30]))
        yield walker.step()


class _Walker:
    """Who chooses the steps.

    Attributes:
        pick: What it throws dice with.
    """

    def __init__(self, pick: random.Random, model: Backend) -> None:
        self.pick = pick
        self._model = model
        self._actions = [pick.randbytes(ACTION_ID_BYTES) for _ in range(30)]
        self._changes = [step(1)]

    def step(self) -> Step:
        """Return what is to be done now."""
        id, fence = self.pick.choice(SESSIONS), self.pick.choice([None, None, None, 1, 2])
        at, last = self._present(id)
        start = self._point()
        begun = Record(at=start, birth=self._some_bytes(), state=_state(start))
        return self.pick.choice(
            [
                *[("commit", (id, self._commit(at, last)))] * 20,
                *[("create", (id, begun, None, fence))] * 3,
                *[("load", (id, known, fence, last)) for known in (None, at)],
                ("touch", (id, None)),
                ("expire", (id, 90.0, b"")),
                ("delete", (id, at, b"", last)),
            ]
        )

    def _present(self, id: str) -> tuple[Point, bytes]:
        """Return where a session is and the name that led there; sometimes something else instead of one of them."""
        record = outcome(self._model, "load", (id,))
        at, last = (record.at, record.last) if isinstance(record, Record) else (self._point(), b"")
        wrong = self.pick.choices(["neither", "at", "last"], [85, 10, 5])
        return (
            self._point() if wrong == ["at"] else at,
            self.pick.choice(self._changes).id if wrong == ["last"] else last,
        )

    def _commit(self, at: Point, after: bytes) -> Commit:
        pick = self.pick
        if pick.random() < 0.2:
            return pick.choice(self._changes[-4:])
        later = at._replace(version=at.version + 1)
        to = pick.choice([at, later, later, self._point()])
        if to.epoch == at.epoch and to.version < at.version:
            at, to = to, at
        commit = step(
            to.version,
            at=at,
            after=after,
            to=to,
            id=pick.randbytes(COMMIT_ID_BYTES),
            state=_state(to),
            actions=tuple(pick.sample(self._actions, pick.choice([0, 0, 1, 2]))),
            log=tuple(self._some_bytes() for _ in range(pick.randrange(3))),
            log_limit=pick.randrange(5),
            fence=pick.choice([None, None, None, 2, 3]),
        )
        if to != at:
            self._changes.append(commit)
        return commit

    def _point(self) -> Point:
        return Point(self.pick.choice([EPOCH, EPOCH, EPOCH, EPOCH + 1]), self.pick.randrange(4))

    def _some_bytes(self) -> bytes:
        return self.pick.randbytes(self.pick.choice([0, 1, 30]))


def _state(at: Point) -> bytes:
    return b"state %d of life %d" % (at.version, at.epoch)


class Walks(Fixtures):
    """Whatever comes after whatever, the backend does what the one in memory does."""

    @pytest.mark.parametrize("seed", range(10))
    def test_a_random_walk_leads_to_the_same(self, here: Verbs, there: Verbs, clock: Any, seed: int) -> None:
        model = MemoryBackend({}, clock)
        walk = random_walk(seed, clock, model)
        for number in range(150):
            verb, args = next(walk)
            verbs = (here, there)[number % 2]
            assert outcome(verbs, verb, args) == outcome(model, verb, args), f"step {number}: {verb}{args}"
        for id in SESSIONS:
            assert outcome(here, "load", (id,)) == outcome(model, "load", (id,))
            assert here.log(id) == model.log(id)
            assert here.actions(id)[-model.remembers_actions :] == model.actions(id)
        assert (here.count(), set(here.scan().sessions)) == (model.count(), set(model.scan().sessions))
