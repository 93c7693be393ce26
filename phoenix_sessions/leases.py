"""The verbs that claim what must exist once: an AI connection, a timer, a job.

Rules:
    1. A lease is the engine's, so it counts on all workers of a shared backend; in memory it counts in this process.
    2. Each claim is another owner: who holds a lease and claims its name again is refused as anybody is.
    3. The names are a space of their own, apart from session ids.
"""

from __future__ import annotations

import contextlib
import logging
import random
import re
import secrets
from asyncio import Task
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Final

from .backends.base import Backend, Claim
from .core.errors import BackendError, BackendUnavailable
from .lease import Lease, lease_time
from .process import Seconds
from .process import seconds as in_seconds
from .runtime.clock import Clock
from .stopping import Stopping
from .waiting import refuse_on_event_loop

logger = logging.getLogger("phoenix_sessions")

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
GIVE_BACK_SECONDS: Final = 1.0

OnLost = Callable[[Lease], None]

_is_name = re.compile(r"[A-Za-z0-9_.:-]{1,64}").fullmatch


class Leases(Stopping):
    """The part of ``sessions`` that claims leases."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: set[Lease] = set()
        self._releases = False

    def claim(
        self,
        name: str,
        seconds: Seconds = 30,
        *,
        wait: Seconds = 0.0,
        keep: bool = False,
        on_lost: OnLost | None = None,
    ) -> Lease | None:
        """Claim what must exist once; returns the lease, or None if somebody else holds it.

        Args:
            name: 1 to 64 of ``A-Z a-z 0-9 _ - . :``.
            seconds: How long it lasts, unless it is renewed (seconds or timedelta).
            wait: For how long to try again while somebody else holds it, or the engine cannot be asked.
            keep: Whether it is renewed in the background until it is released. It lasts no longer than its process;
                ``seconds`` is after how long others can have it when that dies.
            on_lost: Called with the lease, once, on whichever thread notices that it is lost; must not block.

        Raises:
            ValueError: The name or the time is none.
            BackendUnavailable: The engine cannot be asked.
        """
        refuse_on_event_loop("claim")
        attempt = _Attempt(self.supervisor.clock, name, seconds, wait)
        with self._giving_back(attempt):
            for pause in attempt.pauses():
                if pause:
                    self.supervisor.clock.sleep(pause)
                asked = self.supervisor.now()
                try:
                    attempt.take(asked, self.backend.claim(attempt.name, attempt.owner, attempt.seconds))
                except BackendUnavailable as error:
                    attempt.fail(error)
        return self._claimed(attempt, keep, on_lost)

    async def aclaim(
        self,
        name: str,
        seconds: Seconds = 30,
        *,
        wait: Seconds = 0.0,
        keep: bool = False,
        on_lost: OnLost | None = None,
    ) -> Lease | None:
        """Async twin of ``claim``."""
        attempt = _Attempt(self.supervisor.clock, name, seconds, wait)
        with self._giving_back(attempt):
            for pause in attempt.pauses():
                if pause:
                    await self.supervisor.clock.asleep(pause)
                asked = self.supervisor.now()
                try:
                    attempt.take(asked, await self.backend.aclaim(attempt.name, attempt.owner, attempt.seconds))
                except BackendUnavailable as error:
                    attempt.fail(error)
        return self._claimed(attempt, keep, on_lost)

    @contextlib.contextmanager
    def _giving_back(self, attempt: _Attempt) -> Iterator[None]:
        """Have the background loop give back what may have been claimed for a caller who has gone."""
        try:
            yield
        except BaseException as error:
            if attempt.doubt or not isinstance(error, Exception):
                backend = self.backend
                with contextlib.suppress(RuntimeError):  # no thread to be had: it runs out by itself
                    self.supervisor.background.launch(Context(), lambda: _give_back(backend, attempt), _forget)
            raise

    def _claimed(self, attempt: _Attempt, keep: bool, on_lost: OnLost | None) -> Lease | None:
        if attempt.fence is None:
            return None
        lease = Lease(
            attempt.name,
            attempt.fence,
            attempt.owner,
            attempt.seconds,
            attempt.until,
            self.backend,
            self.supervisor,
            on_lost,
        )
        if keep:
            lease.keep(self._kept)
            if not self._releases:
                self._releases = True
                self.at_stop(self._release_kept, after=True)
        return lease

    def _release_kept(self, seconds: float) -> None:
        """Give back what is kept, so that others need not wait for its time to run out."""
        for lease in tuple(self._kept):
            try:
                lease.release()
            except BackendError:
                logger.warning("the lease %r could not be given back; it runs out by itself", lease.name, exc_info=True)


class _Attempt:
    """A claim that may be tried several times.

    Attributes:
        owner: Who claims; the same each time, so that a claim that was granted without an answer is granted again.
        fence: The fencing number, once it was granted.
        until: When it ends then (monotonic seconds).
        doubt: Whether it may have been granted without an answer.
    """

    def __init__(self, clock: Clock, name: str, seconds: Seconds, wait: Seconds) -> None:
        self.name = check_lease_name(name)
        self.seconds = lease_time(seconds)
        self.owner = secrets.token_urlsafe(16)
        self.fence: int | None = None
        self.until = 0.0
        self.doubt = False
        self._clock = clock
        self._end = clock.monotonic() + in_seconds(wait)
        self._others = 0.0  # how long (seconds) somebody else's lasts
        self._error: BackendUnavailable | None = None

    def pauses(self) -> Iterator[float]:
        """Give how long to wait before each try, for as long as there shall be another.

        Raises:
            BackendUnavailable: The last try failed so.
        """
        yield 0.0
        pause = FIRST_PAUSE
        while self.fence is None:
            left = self._end - self._clock.monotonic()
            if left <= 0:
                if self._error is not None:
                    raise self._error
                return
            soon = min(pause, self._others) if self._others else pause
            yield min(left, soon * random.uniform(0.5, 1.5))  # noqa: S311  # several who wait must not come in step
            pause = min(2 * pause, LONGEST_PAUSE)

    def take(self, asked: float, claim: Claim) -> None:
        """Note the answer to a try that was made at ``asked`` (monotonic seconds)."""
        self._error, self.doubt = None, False
        self.fence = claim.fence
        if claim.fence is None:
            self._others = claim.seconds
        else:
            self.until = asked + claim.seconds

    def fail(self, error: BackendUnavailable) -> None:
        """Note that a try failed."""
        self._error, self._others = error, 0.0
        self.doubt = self.doubt or error.maybe


async def _give_back(backend: Backend, attempt: _Attempt) -> None:
    """Give back what may have been granted: who has it is told its number if he claims it again."""
    with contextlib.suppress(BackendError):  # it runs out by itself
        claim = await backend.aclaim(attempt.name, attempt.owner, GIVE_BACK_SECONDS)
        if claim.fence is not None:
            await backend.arelease(attempt.name, attempt.owner, claim.fence)


def _forget(task: Task[None]) -> None:
    """Look at nothing: nobody waits."""


def check_lease_name(name: object) -> str:
    """Return the name if it is one.

    Raises:
        ValueError: It is no str of 1 to 64 characters from ``A-Z a-z 0-9 _ - . :``.
    """
    if isinstance(name, str) and _is_name(name):
        return name
    raise ValueError(f"{name!r} is no name of a lease: it must be a str of 1 to 64 characters from A-Z a-z 0-9 _ - . :")
