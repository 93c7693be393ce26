"""The verbs that start sessions.

Rules:
    1. A verb that can wait has an ``a…`` twin, as in Django's ORM, and refuses to run on an event loop's thread.
    2. A start that a limit refuses may be tried again, after the time that the limit asks for.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, Final

from .core.errors import (
    SessionAlreadyStarted,
    SessionNotFound,
    SessionStopped,
)
from .core.limits import check_session_id
from .finding import Finding
from .process import Seconds, SessionProcess, idle_time
from .ref import SessionRef
from .retrying import aretry, retry
from .runtime import flow
from .runtime.flow import Steps
from .snapshot import restore
from .waiting import refuse_on_event_loop


class _Unset:
    def __repr__(self) -> str:
        return "<the process class's, or the setting's>"


UNSET: Final = _Unset()


class Starting(Finding):
    """The part of ``sessions`` that starts them."""

    # -- start -----------------------------------------------------------------------------------------------------

    def start_session(
        self,
        id: str,
        process: type[SessionProcess] | None = None,
        args: Any = None,
        *,
        ttl: Any = UNSET,
        snapshot: bytes | None = None,
        retries: int = 0,
    ) -> SessionRef:
        """Start a session.

        Args:
            id: 1 to 64 of ``A-Z a-z 0-9 _ -``.
            process: Its process class; default: the SESSION_PROCESS setting.
            args: Given to the process's ``init_state``.
            ttl: Idle time after which it expires (seconds or timedelta; None = never).
            snapshot: State of an earlier session of the process class, from ``ref.snapshot()``.
            retries: How many times to wait and try again when a limit refuses the start (count).

        Raises:
            SessionAlreadyStarted: It runs; the error's ``.ref`` is its handle. Uses up no limit.
            SessionLimitReached: MAX_SESSIONS run.
            RateLimitExceeded: RATE_LIMIT starts were made; ``.retry_after`` tells when the next may be.
            InvalidSessionId, InvalidReducer, InvalidSnapshot: The id, the process class or the snapshot is wrong.
            ValueError: The ttl is no duration.
        """
        refuse_on_event_loop("start_session")
        if not retries:
            return self._start(id, process, args, ttl, snapshot)
        return retry(lambda: self._start(id, process, args, ttl, snapshot), retries, self.supervisor.clock)

    async def astart_session(
        self,
        id: str,
        process: type[SessionProcess] | None = None,
        args: Any = None,
        *,
        ttl: Any = UNSET,
        snapshot: bytes | None = None,
        retries: int = 0,
    ) -> SessionRef:
        """Async twin of ``start_session``."""

        async def attempt() -> SessionRef:
            process_ = process or self.config.process
            if self._is_local(process_):
                return self._start_local(id, process_, args, ttl, snapshot)
            with self._naming(id):
                await flow.arun(self._begin(self.shared.start, id, process_, args, ttl, snapshot))
            return self._ref(id)

        return await aretry(attempt, retries, self.supervisor.clock)

    def get_or_start(
        self,
        id: str,
        process: type[SessionProcess] | None = None,
        args: Any = None,
        *,
        ttl: Any = UNSET,
        snapshot: bytes | None = None,
        retries: int = 0,
    ) -> SessionRef:
        """Return a handle on the session that runs, or start it: once, whatever the race.

        Raises:
            SessionLimitReached, RateLimitExceeded, InvalidSessionId, InvalidReducer, InvalidSnapshot: As
                ``start_session``.
        """
        refuse_on_event_loop("get_or_start")
        id = check_session_id(id)
        process = process or self.config.process
        if not self._is_local(process):
            steps = functools.partial(self._begin, self.shared.get_or_start, id, process, args, ttl, snapshot)
            retry(lambda: flow.run(steps()), retries, self.supervisor.clock)
            return self._ref(id)
        while True:
            session = self.supervisor.registry.get(id)
            if session is None:
                try:
                    return self.start_session(id, process, args, ttl=ttl, snapshot=snapshot, retries=retries)
                except SessionAlreadyStarted:
                    continue
            if session.alive:
                return self._ref(id)
            try:
                session.ask(True, None, session.enter)
            except (SessionNotFound, SessionStopped):
                continue

    async def aget_or_start(
        self,
        id: str,
        process: type[SessionProcess] | None = None,
        args: Any = None,
        *,
        ttl: Any = UNSET,
        snapshot: bytes | None = None,
        retries: int = 0,
    ) -> SessionRef:
        """Async twin of ``get_or_start``."""
        id = check_session_id(id)
        process = process or self.config.process
        if not self._is_local(process):
            steps = functools.partial(self._begin, self.shared.get_or_start, id, process, args, ttl, snapshot)
            await aretry(lambda: flow.arun(steps()), retries, self.supervisor.clock)
            return self._ref(id)
        while True:
            session = self.supervisor.registry.get(id)
            if session is None:
                try:
                    return await self.astart_session(id, process, args, ttl=ttl, snapshot=snapshot, retries=retries)
                except SessionAlreadyStarted:
                    continue
            if session.alive:
                return self._ref(id)
            try:
                await session.aask(True, None, session.enter)
            except (SessionNotFound, SessionStopped):
                continue

    # -- the parts that both worlds share --------------------------------------------------------------------------

    def _is_local(self, process: type[SessionProcess]) -> bool:
        """Return whether sessions of this class live in this OS process and nowhere else."""
        return self.specs.get(process).durability == "memory"

    def _begin(
        self,
        verb: Callable[..., Steps],
        id: str,
        process: type[SessionProcess],
        args: Any,
        ttl: Seconds | _Unset | None,
        snapshot: bytes | None,
    ) -> Steps:
        spec = self.specs.get(process)
        life = spec.ttl if isinstance(ttl, _Unset) else idle_time(ttl)
        return (yield from verb(check_session_id(id), process, args, life, snapshot))

    @contextlib.contextmanager
    def _naming(self, id: str) -> Iterator[None]:
        """Give the error of an id that is taken its handle."""
        try:
            yield
        except SessionAlreadyStarted:
            raise SessionAlreadyStarted(id, self._ref(id)) from None

    def _start(
        self,
        id: str,
        process: type[SessionProcess] | None,
        args: Any,
        ttl: Seconds | _Unset | None,
        snapshot: bytes | None,
    ) -> SessionRef:
        process = process or self.config.process
        if self._is_local(process):
            return self._start_local(id, process, args, ttl, snapshot)
        with self._naming(id):
            flow.run(self._begin(self.shared.start, id, process, args, ttl, snapshot))
        return self._ref(id)

    def _start_local(
        self, id: str, process: type[SessionProcess], args: Any, ttl: Seconds | _Unset | None, snapshot: bytes | None
    ) -> SessionRef:
        id = check_session_id(id)
        spec = self.specs.get(process)
        life = spec.ttl if isinstance(ttl, _Unset) else idle_time(ttl)
        restored = None if snapshot is None else restore(process, spec.mounts, snapshot)
        try:
            self.supervisor.start(id, spec, args, life, restored)
        except SessionAlreadyStarted as error:
            raise SessionAlreadyStarted(id, self._ref(id)) from error.__cause__
        return self._ref(id)
