"""The verbs on many sessions at once.

Rules:
    1. Each id has a result of its own; one that fails does not stop the others.
    2. At most ``concurrency`` are under way at once: threads for the sync verbs, since ``init_state`` and handlers may
       block, tasks for the async ones. They are a part of what their caller does: in a handler, they may not wait for
       the handler's own session.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import get_ident
from typing import Any, TypeVar

from django.db import connections

from .core.errors import MailboxFull
from .ending import Ending
from .process import SessionProcess
from .ref import SessionRef
from .runtime import handlers, waits
from .runtime.session import Session
from .waiting import refuse_on_event_loop

T = TypeVar("T")

CONCURRENCY = 8


class Batches(Ending):
    """The part of ``sessions`` that handles many at once."""

    def start_sessions(
        self,
        ids: Iterable[str],
        process: type[SessionProcess] | None = None,
        args: Any = None,
        *,
        concurrency: int = CONCURRENCY,
    ) -> dict[str, SessionRef | Exception]:
        """Start a session under each id; returns its handle, or what ``start_session`` raised, by id.

        An id that is there twice is started once.
        """
        refuse_on_event_loop("start_sessions")
        return _for_each(ids, lambda id: self.start_session(id, process, args), concurrency)

    async def astart_sessions(
        self,
        ids: Iterable[str],
        process: type[SessionProcess] | None = None,
        args: Any = None,
        *,
        concurrency: int = CONCURRENCY,
    ) -> dict[str, SessionRef | Exception]:
        """Async twin of ``start_sessions``."""
        return await _afor_each(ids, lambda id: self.astart_session(id, process, args), concurrency)

    def terminate_sessions(
        self, ids: Iterable[str], reason: str = "normal", *, concurrency: int = CONCURRENCY
    ) -> dict[str, Exception | None]:
        """End the session under each id; returns None, or what ``terminate`` raised, by id."""
        refuse_on_event_loop("terminate_sessions")
        return _for_each(ids, lambda id: self.terminate(id, reason), concurrency)

    async def aterminate_sessions(
        self, ids: Iterable[str], reason: str = "normal", *, concurrency: int = CONCURRENCY
    ) -> dict[str, Exception | None]:
        """Async twin of ``terminate_sessions``."""
        return await _afor_each(ids, lambda id: self.aterminate(id, reason), concurrency)

    def broadcast_all(self, message: Any) -> None:
        """Send a message to ``handle_info`` of every session; waits for nothing but handlers that run here at once.

        Failures, a full mailbox among them, go to the log and to telemetry.
        """
        for session in self.supervisor.registry.all():
            _tell(session, message)

    async def abroadcast_all(self, message: Any) -> None:
        """Async twin of ``broadcast_all``."""
        for session in self.supervisor.registry.all():
            _tell(session, message)
            await asyncio.sleep(0)  # others on this loop have their turn too


def _tell(session: Session, message: Any) -> None:
    if session.alive:
        try:
            session.post(session.spec.async_info, handlers.info, session, message)
        except MailboxFull as error:
            session.report(error, "broadcast")


def _for_each(ids: Iterable[str], work: Callable[[str], T], concurrency: int) -> dict[str, T | Exception]:
    caller, context, unique = get_ident(), copy_context(), list(dict.fromkeys(ids))
    left = deque(unique)
    answers: dict[str, T | Exception] = {}

    def attempt(id: str) -> T | Exception:
        try:
            return context.copy().run(work, id)
        except Exception as error:
            return error

    def attempt_what_is_left() -> None:
        try:
            with waits.working_for(caller), contextlib.suppress(IndexError):  # nothing is left
                while True:
                    id = left.popleft()
                    answers[id] = attempt(id)
        finally:
            connections.close_all()  # those of this thread, which nobody else would close

    with ThreadPoolExecutor(_checked(concurrency)) as threads:
        for thread in [threads.submit(attempt_what_is_left) for _ in range(min(concurrency, len(unique)))]:
            thread.result()
    return {id: answers[id] for id in unique}


async def _afor_each(
    ids: Iterable[str], work: Callable[[str], Awaitable[T]], concurrency: int
) -> dict[str, T | Exception]:
    turns = asyncio.Semaphore(_checked(concurrency))

    async def attempt(id: str) -> T | Exception:
        async with turns:
            await asyncio.sleep(0)  # others on this loop have their turn too
            try:
                return await work(id)
            except Exception as error:
                return error

    unique = list(dict.fromkeys(ids))
    return dict(zip(unique, await asyncio.gather(*map(attempt, unique)), strict=True))


def _checked(concurrency: int) -> int:
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency!r}: it must be 1 or more")
    return concurrency
