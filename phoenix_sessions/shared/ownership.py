"""How a worker comes to own a session that is written behind.

Rules:
    1. Who has the lease owns it. The engine bars those before by the fencing number, from the owner's first load on.
    2. A session that another worker owns is asked for, again and again, for ``patience`` seconds. Its owner hands it
       over, or has died, so that the lease runs out; else it cannot be had.
    3. Until when a lease lasts its owner reckons from when it was asked for, by a clock of his own.
    4. Who has handed a session over lets the other have it: for ``LONGEST_PAUSE`` seconds he does not ask for it.
    5. A lease that may have been given to somebody who has gone meanwhile is given back by the background loop.
"""

from __future__ import annotations

import contextlib
import logging
import math
import random
import secrets
from asyncio import Task
from collections.abc import Callable, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..core.errors import BackendError, BackendUnavailable
from ..runtime.flow import Request, Steps, arun
from .notices import Wanted, encode

if TYPE_CHECKING:
    from ..runtime.background import Background
    from ..runtime.clock import Clock
    from .engine import Engine

logger = logging.getLogger("phoenix_sessions")

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 0.5
GIVE_BACK_SECONDS: Final = 1.0


class Ownership(NamedTuple):
    """The lease of a session.

    Attributes:
        lease: Its name, with a character that ``sessions.claim`` refuses.
        owner: Who has it: one object in the memory of one worker.
        fence: Its fencing number.
        until: Until when it surely lasts (monotonic seconds).
    """

    lease: str
    owner: str
    fence: int
    until: float

    @property
    def key(self) -> tuple[str, str, int]:
        """What the engine knows it by."""
        return self.lease, self.owner, self.fence


class HandedOver:
    """The sessions that a worker has handed over just now.

    Args:
        clock: The worker's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, id: str) -> None:
        """Note that a session was handed over; those of long ago are forgotten."""
        now = self._clock.monotonic()
        for old in [each for each, until in list(self._until.items()) if until <= now]:
            self._until.pop(old, None)
        self._until[id] = now + LONGEST_PAUSE

    def seconds_left(self, id: str) -> float:
        """Return for how long (seconds) it is the other's turn."""
        return self._until.get(id, -math.inf) - self._clock.monotonic()


def own(
    engine: Engine, background: Background, id: str, is_here: Callable[[], bool] = lambda: False
) -> Generator[Request, Any, Ownership | None]:
    """Take the lease of a session; returns None once ``is_here`` says that this worker has it already.

    Raises:
        BackendUnavailable: Another worker owns the session and keeps it, or the engine cannot be asked.
    """
    lease, owner = f"owner/{id}", f"{engine.worker}:{secrets.token_hex(4)}"
    if (rest := engine.handed_over.seconds_left(id)) > 0:
        yield engine.pause(rest)
    until = engine.clock.monotonic() + engine.patience
    pause = FIRST_PAUSE
    while not is_here():
        asked = engine.clock.monotonic()
        try:
            claim = yield from engine.ask("claim", lease, owner, engine.owner_lease)
        except BaseException as error:
            if not isinstance(error, Exception) or (isinstance(error, BackendUnavailable) and error.maybe):
                _in_background(background, _give_back_claimed(engine, lease, owner))
            raise
        if claim.fence is not None:
            return Ownership(lease, owner, claim.fence, asked + engine.owner_lease)
        if engine.clock.monotonic() + pause > until:
            raise BackendUnavailable(
                f"another worker owns session {id!r} for {claim.seconds:.1f} s more at least, and keeps it; "
                f"route a session that is written behind to one worker"
            )
        yield from engine.ask("tell", id, encode(Wanted(engine.worker)))
        yield engine.pause(pause * random.uniform(0.5, 1.0))  # noqa: S311  # no secret
        pause = min(LONGEST_PAUSE, pause * 2)
    return None


def await_end(engine: Engine, id: str) -> Steps:
    """Wait until the engine knows of the end of the session that was under the id here.

    Raises:
        BackendUnavailable: It does not come to know in ``patience`` seconds.
    """
    try:
        yield from engine.ending.wait(id, engine.patience)
    except TimeoutError:
        raise BackendUnavailable(f"session {id!r} has ended, which the engine does not know yet") from None


def disown(engine: Engine, ownership: Ownership) -> Steps:
    """Give the lease back; if the engine cannot be asked it runs out by itself."""
    try:
        yield from engine.ask_once("release", *ownership.key)
    except BackendError as error:
        logger.info("the lease %r could not be given back, and runs out by itself: %s", ownership.lease, error)


def disown_later(engine: Engine, background: Background, ownership: Ownership) -> None:
    """Have the background loop give the lease back, for who must not wait any more."""
    _in_background(background, disown(engine, ownership))


def _give_back_claimed(engine: Engine, lease: str, owner: str) -> Steps:
    """Give back a lease whose number did not come: who has it is told the number if he claims it again."""
    try:
        claim = yield from engine.ask("claim", lease, owner, GIVE_BACK_SECONDS)
    except BackendError:
        return  # it runs out by itself
    if claim.fence is not None:
        yield from disown(engine, Ownership(lease, owner, claim.fence, -math.inf))


def _in_background(background: Background, steps: Steps) -> None:
    with contextlib.suppress(RuntimeError):  # no thread to be had: the lease runs out by itself
        background.launch(Context(), lambda: arun(steps), _report)


def _report(task: Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("a lease could not be given back", exc_info=task.exception())
