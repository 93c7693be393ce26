"""The verbs that end sessions, put off their end, or have them go on under another id.

Rules:
    1. A verb that can wait has an ``a…`` twin, as in Django's ORM, and refuses to run on an event loop's thread.
    2. An end is posted: who gives up to wait for it has ended the session all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from .core.errors import (
    CallTimeout,
    InvalidSnapshot,
    SessionAlreadyStarted,
    SessionLimitReached,
    SessionStopped,
)
from .ref import SessionRef
from .runtime import flow, shortcuts
from .runtime.departure import Departure, is_found_again
from .runtime.mailbox import take_turn
from .runtime.session import Session
from .runtime.shortcuts import UNDONE
from .starting import Starting
from .waiting import refuse_on_event_loop


class Ending(Starting):
    """The part of ``sessions`` that ends them."""

    def touch(self, id: str) -> None:
        """Put off the session's expiry.

        Raises:
            SessionNotFound: None runs under the id.
        """
        refuse_on_event_loop("touch")
        self.find_session(id).touch()

    async def atouch(self, id: str) -> None:
        """Async twin of ``touch``."""
        (await self.afind_session(id)).touch()

    def terminate(self, id: str, reason: str = "normal") -> None:
        """End a session for good; its receivers are told, messages that wait are answered with SessionStopped.

        Raises:
            SessionNotFound: None runs under the id.
            CallTimeout: A handler is still running after CALL_TIMEOUT; the session ends as soon as that returns.
            ShuttingDown: This worker stops, and has left the session to others before it could end it.
        """
        refuse_on_event_loop("terminate")
        found = self.lookup(id) if type(id) is str else None
        if found is not None and shortcuts.end(found, reason) is not UNDONE:
            return
        while True:
            try:
                session = self.session(id)
            except (InvalidSnapshot, SessionLimitReached):  # nobody here can read it, or has room for it: it can end
                flow.run(self.shared.delete(id, reason))
                return
            work = self._ending(session, reason)
            with _ending_anyway(session, reason):
                session.ask(True, self.config.call_timeout, *work)
            if not _has_left(session):
                return

    async def aterminate(self, id: str, reason: str = "normal") -> None:
        """Async twin of ``terminate``."""
        found = self.lookup(id) if type(id) is str else None
        if found is not None and shortcuts.end(found, reason) is not UNDONE:
            return
        while True:
            try:
                session = await self.asession(id)
            except (InvalidSnapshot, SessionLimitReached):
                await flow.arun(self.shared.delete(id, reason))
                return
            work = self._ending(session, reason)
            with _ending_anyway(session, reason):
                await session.aask(True, self.config.call_timeout, *work)
            if not _has_left(session):
                return

    def move(self, id: str, new_id: str) -> SessionRef:
        """Let a session go on under another id, for instance at login; the old id is dead at once.

        Raises:
            SessionNotFound: None runs under the old id.
            SessionAlreadyStarted: One runs under the new id.
            SessionStopped, MailboxFull: It ended before its turn came, or too many messages wait.
        """
        refuse_on_event_loop("move")
        target = self.ref(new_id)
        while True:
            session = self.session(id)
            try:
                session.ask(True, None, session.move, target.id)
            except SessionAlreadyStarted:
                raise SessionAlreadyStarted(target.id, target) from None
            except SessionStopped as stopped:
                if not is_found_again(stopped.reason):
                    raise
            else:
                return target

    async def amove(self, id: str, new_id: str) -> SessionRef:
        """Async twin of ``move``."""
        target = self.ref(new_id)
        while True:
            session = await self.asession(id)
            try:
                await session.aask(True, None, session.move, target.id)
            except SessionAlreadyStarted:
                raise SessionAlreadyStarted(target.id, target) from None
            except SessionStopped as stopped:
                if not is_found_again(stopped.reason):
                    raise
            else:
                return target

    def _ending(self, session: Session, reason: str) -> tuple[Any, ...]:
        """Post the end, which nobody can take back by giving up to wait for it; returns the work to wait for.

        A shared session ends once the engine has said so, which is to be waited for.
        """
        session.check_reentrant()
        session.cancel_running()
        if session.shared:
            return session.terminate, reason
        session.post_always(session.spec.quiet_end, session.terminate, reason)
        return (take_turn,)


def _has_left(session: Session) -> bool:
    """Return whether a session has not ended, but was no more in this worker's memory when its end came."""
    return session.stored and isinstance(session.ended, Departure) and not session.shared


@contextlib.contextmanager
def _ending_anyway(session: Session, reason: str) -> Iterator[None]:
    """See that a shared session ends, also if who ends it gives up to wait for its turn."""
    try:
        yield
    except (CallTimeout, asyncio.CancelledError):
        if session.shared:
            session.post_always(session.spec.quiet_end, session.terminate, reason)
        raise
