"""The verbs that start and end sessions.

Rules:
    1. A verb that can wait has an ``a…`` twin, as in Django's ORM, and refuses to run on an event loop's thread.
    2. A start that a limit refuses may be tried again, after the time that the limit asks for.
"""

from __future__ import annotations

from typing import Any, Final

from .core.errors import SessionAlreadyStarted, SessionNotFound, SessionStopped
from .core.limits import check_session_id
from .finding import Finding
from .process import Seconds, SessionProcess, idle_time
from .ref import SessionRef
from .retrying import aretry, retry
from .runtime import shortcuts
from .runtime.mailbox import take_turn
from .runtime.session import Session
from .runtime.shortcuts import UNDONE
from .snapshot import restore
from .waiting import refuse_on_event_loop


class _Unset:
    def __repr__(self) -> str:
        return "<the process class's, or the setting's>"


UNSET: Final = _Unset()


class Starting(Finding):
    """The part of ``sessions`` that starts and ends them."""

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
            return self._start(id, process, args, ttl, snapshot)

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

    # -- end -------------------------------------------------------------------------------------------------------

    def touch(self, id: str) -> None:
        """Put off the session's expiry.

        Raises:
            SessionNotFound: None runs under the id.
        """
        refuse_on_event_loop("touch")
        self._find(id).touch()

    async def atouch(self, id: str) -> None:
        """Async twin of ``touch``."""
        self._find(id).touch()

    def terminate(self, id: str, reason: str = "normal") -> None:
        """End a session for good; its receivers are told, messages that wait are answered with SessionStopped.

        Raises:
            SessionNotFound: None runs under the id.
            CallTimeout: A handler is still running after CALL_TIMEOUT; the session ends as soon as that returns.
        """
        refuse_on_event_loop("terminate")
        found = self.lookup(id) if type(id) is str else None
        if found is not None and shortcuts.end(found, reason) is not UNDONE:
            return
        session = self._ending(id, reason)
        session.ask(True, self.config.call_timeout, take_turn)

    async def aterminate(self, id: str, reason: str = "normal") -> None:
        """Async twin of ``terminate``."""
        found = self.lookup(id) if type(id) is str else None
        if found is not None and shortcuts.end(found, reason) is not UNDONE:
            return
        session = self._ending(id, reason)
        await session.aask(True, self.config.call_timeout, take_turn)

    def move(self, id: str, new_id: str) -> SessionRef:
        """Let a session go on under another id, for instance at login; the old id is dead at once.

        Raises:
            SessionNotFound: None runs under the old id.
            SessionAlreadyStarted: One runs under the new id.
            SessionStopped, MailboxFull: It ended before its turn came, or too many messages wait.
        """
        refuse_on_event_loop("move")
        session, target = self._session(id), self.ref(new_id)
        try:
            session.ask(True, None, session.move, target.id)
        except SessionAlreadyStarted:
            raise SessionAlreadyStarted(target.id, target) from None
        return target

    async def amove(self, id: str, new_id: str) -> SessionRef:
        """Async twin of ``move``."""
        session, target = self._session(id), self.ref(new_id)
        try:
            await session.aask(True, None, session.move, target.id)
        except SessionAlreadyStarted:
            raise SessionAlreadyStarted(target.id, target) from None
        return target

    # -- the parts that both worlds share --------------------------------------------------------------------------

    def _ending(self, id: str, reason: str) -> Session:
        """Post the end, which nobody can take back by giving up to wait for it; returns the session."""
        session = self._session(id)
        session.check_reentrant()
        session.cancel_running()
        session.post_always(session.spec.quiet_end, session.terminate, reason)
        return session

    def _start(
        self,
        id: str,
        process: type[SessionProcess] | None,
        args: Any,
        ttl: Seconds | _Unset | None,
        snapshot: bytes | None,
    ) -> SessionRef:
        id = check_session_id(id)
        process = process or self.config.process
        spec = self.specs.get(process)
        life = spec.ttl if isinstance(ttl, _Unset) else idle_time(ttl)
        restored = None if snapshot is None else restore(process, spec.mounts, snapshot)
        try:
            self.supervisor.start(id, spec, args, life, restored)
        except SessionAlreadyStarted as error:
            raise SessionAlreadyStarted(id, self._ref(id)) from error.__cause__
        return self._ref(id)
