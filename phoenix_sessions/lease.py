"""A lease: the right to be the only one, for a time.

Rules:
    1. The engine gives it to one holder at a time, with a fencing number greater than those of all before. Who writes
       to something that outlives the lease sends the number along, so that it can refuse older ones.
    2. Its time is counted here from before the engine was asked, by this machine's monotonic clock: when it has run out
       the lease is lost, whether the engine can be asked or not. What is lost stays lost; claim it anew.
       That its process was paused for longer is noticed at the next look: ask ``held``, and send the number.
    3. Renewals that are under way at once may reach the engine in any order: the shortest counts. One that may have
       been done counts if it makes the time shorter.
    4. It belongs to the process that claimed it, not to its forked children.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from .backends.base import Backend
from .core.errors import BackendError, BackendUnavailable, Fenced
from .keeping import Keeper
from .process import Seconds, seconds
from .runtime.supervisor import Supervisor
from .waiting import refuse_on_event_loop

logger = logging.getLogger("phoenix_sessions")


class Lease:
    """What ``sessions.claim`` gives; leave its ``with`` block, or call ``release``, to give it back.

    Attributes:
        name: What it is the right to.
        fence: Its fencing number.
        lost: Set once it is noticed that the lease is lost; of one that is not kept, when somebody asks.
    """

    def __init__(
        self,
        name: str,
        fence: int,
        owner: str,
        seconds: float,
        until: float,
        backend: Backend,
        supervisor: Supervisor,
        on_lost: Callable[[Lease], None] | None,
    ) -> None:
        self.name = name
        self.fence = fence
        self.lost = threading.Event()
        self._owner = owner
        self._seconds = seconds
        self._until = until
        self._backend = backend
        self._supervisor = supervisor
        self._on_lost = on_lost
        self._released = False
        self._under_way = 0
        self._shortest = math.inf
        self._keeper: Keeper | None = None
        self._kept: set[Lease] = set()
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"<Lease {self.name!r} fence={self.fence} {'held' if self.held else 'not held'}>"

    @property
    def held(self) -> bool:
        """Whether it is held still, as far as can be known without asking the engine."""
        if self._pid != os.getpid() or self._released or self.lost.is_set():
            return False
        if self._supervisor.now() < self._until:
            return True
        self._lose()
        return False

    @property
    def expires_in(self) -> float:
        """How long (seconds) it lasts still, unless it is renewed; 0 when it is not held."""
        return max(0.0, self._until - self._supervisor.now()) if self.held else 0.0

    def renew(self, seconds: Seconds | None = None) -> None:
        """Keep it for ``seconds`` from now; None = for as long as it was claimed.

        Raises:
            Fenced: It is lost, or was released. Stop what needed it.
            BackendUnavailable: The engine cannot be asked; the lease lasts as long as it did before.
        """
        refuse_on_event_loop("renew")
        duration = self._seconds if seconds is None else lease_time(seconds)
        with self._by_hand(duration), self._renewal(duration):
            self._backend.renew(self.name, self._owner, self.fence, duration)

    async def arenew(self, seconds: Seconds | None = None) -> None:
        """Async twin of ``renew``."""
        duration = self._seconds if seconds is None else lease_time(seconds)
        with self._by_hand(duration):
            await self._arenew(duration)

    async def _arenew(self, duration: float) -> None:
        with self._renewal(duration):
            await self._backend.arenew(self.name, self._owner, self.fence, duration)

    def release(self) -> None:
        """Give it back, so that another can have it at once. Fine to repeat.

        Raises:
            BackendUnavailable: The engine cannot be asked; it is free when its time has run out.
        """
        refuse_on_event_loop("release")
        if self._releasing():
            self._backend.release(self.name, self._owner, self.fence)

    async def arelease(self) -> None:
        """Async twin of ``release``."""
        if self._releasing():
            await self._backend.arelease(self.name, self._owner, self.fence)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.release()
        except BackendError:
            logger.warning("the lease %r could not be given back; it runs out by itself", self.name, exc_info=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.arelease()
        except BackendError:
            logger.warning("the lease %r could not be given back; it runs out by itself", self.name, exc_info=True)

    # -- what both worlds share ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _by_hand(self, duration: float) -> Iterator[None]:
        """Have the keeper, if there is one, reckon with what becomes of a renewal that it has not made."""
        until = self._supervisor.now() + duration
        try:
            yield
            if self._keeper is not None:
                self._keeper.want(until)
        finally:
            if self._keeper is not None and self.held:
                self._keeper.go_on()

    @contextlib.contextmanager
    def _renewal(self, duration: float) -> Iterator[None]:
        """Note what becomes of a renewal for so many seconds, which the block asks the engine for."""
        if not self.held:
            raise Fenced(self.name, self.fence)
        until = self._supervisor.now() + duration
        with self._lock:
            self._under_way += 1
            self._shortest = min(self._shortest, until)
        try:
            yield
            self._renewed()
        except Fenced:
            self._lose()
            raise
        except BaseException as error:
            if not isinstance(error, BackendUnavailable) or error.maybe:
                with self._lock:
                    self._until = min(self._until, until)
            raise
        finally:
            with self._lock:
                self._under_way -= 1
                if not self._under_way:
                    self._shortest = math.inf

    def _renewed(self) -> None:
        with self._lock:
            if self.lost.is_set() or self._released:  # its time ran out, or it was given back, while it was renewed
                raise Fenced(self.name, self.fence)
            self._until = self._shortest

    def _releasing(self) -> bool:
        """Note that it is released; returns whether the engine has to know."""
        with self._lock:
            released, self._released = self._released, True
            self._forget()
        return not released and self._pid == os.getpid()

    def _lose(self) -> None:
        with self._lock:
            if self._released or self.lost.is_set():
                return
            self.lost.set()
            self._forget()
        if self._on_lost is not None:
            try:
                self._on_lost(self)
            except Exception:
                logger.exception("what is told about the loss of the lease %r failed", self.name)

    # -- keeping it ------------------------------------------------------------------------------------------------

    def keep(self, kept: set[Lease]) -> None:
        """Renew it in the background, and have it among the kept ones, until it is released or lost."""
        self._kept = kept
        kept.add(self)
        self._keeper = Keeper(self, self._seconds, self._supervisor, self._arenew)
        self._keeper.go_on()

    def _forget(self) -> None:
        """Keep it no more."""
        if self._keeper is not None:
            self._keeper.stop()
        self._kept.discard(self)


def lease_time(duration: Seconds) -> float:
    """Return the time of a lease in seconds.

    Raises:
        ValueError: It is no positive, finite duration.
    """
    if 0 < (time := seconds(duration)) < float("inf"):
        return time
    raise ValueError(f"a lease for {duration!r}: it must be a positive number of seconds, or a timedelta")
