"""How calls, casts and infos are handled in a shared session.

Rules:
    1. A handler is called on the cached state, and again on a newer one after a conflict. What it answers counts once
       its state is committed; then its effects are started. What belongs to a life, as timers do, is not handled in
       another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

from ..core.errors import BackendError, NotSerializable, SessionError, SessionStopped, StateTooLarge
from ..core.replies import NoReply, Stop
from ..runtime import handlers, telemetry
from ..runtime.flow import Flow, Request, Steps, arun
from ..runtime.handlers import INFO, Kind
from ..runtime.message import Suspended
from .committing import Committing
from .plans import Over


class Handling(Committing):
    """A shared session, as far as its handlers change it."""

    __slots__ = ()

    def handle(self, kind: Kind, request: Any, unasked: bool) -> Flow | Suspended:
        """Call a handler, as often as it takes until its answer is committed; see ``runtime.handlers``."""
        steps = self._handling(kind, request)
        if unasked:
            steps = self._reporting(steps)
        if getattr(self.spec, kind.is_async):
            return Suspended(arun(steps), _finished)
        return Flow(steps)

    def _reporting(self, steps: Steps) -> Steps:
        try:
            return (yield from steps)
        except SessionError as error:
            self.report(error, "message")
            return None

    def _handling(self, kind: Kind, request: Any) -> Steps:
        started = self.supervisor.now()
        error: BaseException | None = None
        try:
            return (yield from self._answer(kind, request))
        except Exception as raised:
            error = raised
            raise
        finally:
            if kind.event is not None and kind.event in telemetry.attached:
                facts = self.metadata(error=error)
                telemetry.execute(kind.event, {"duration": self.supervisor.now() - started}, facts)

    def _answer(self, kind: Kind, request: Any) -> Steps:
        answers: list[Any] = []

        def work_out(_: tuple[bytes, ...]) -> Steps:
            answers[:] = [(yield from self._ask_handler(kind, request))]
            try:
                return self.plan(None, kind.origin, handlers.changes(self, kind, answers[0]))
            except (NotSerializable, StateTooLarge):
                raise
            except Exception as error:
                raise _Crash(error) from error

        try:
            yield from self.transact(work_out, self.epoch if kind is INFO else None)
        except Over:
            return None
        except _Crash as crash:
            yield from self.crash_here(crash.error)
            raise kind.failure(
                request, f"its handler raised {type(crash.error).__name__}: {crash.error}"
            ) from crash.error
        answer = answers[0]
        if isinstance(answer, Stop):
            yield from self.finish_here(answer.reason)
        else:
            handlers.begin_effects(self, answer)
        return None if isinstance(answer, NoReply) else answer.value

    def _ask_handler(self, kind: Kind, request: Any) -> Steps:
        handler = getattr(self.process, kind.handler)
        try:
            if getattr(self.spec, kind.is_async):
                return (yield Request(_never, _awaiting, (handler(request, self.state),)))
            return handler(request, self.state)
        except handlers.REFUSALS:
            raise
        except asyncio.CancelledError:
            if self.interrupted:
                raise SessionStopped(self.id, "terminated while its handler ran") from None
            raise _Crash(RuntimeError("it was cancelled, and by nobody but itself")) from None
        except (BackendError, NotSerializable, StateTooLarge):
            raise
        except Exception as error:
            raise _Crash(error) from error

    def crash_here(self, error: BaseException) -> Steps:
        """End this life after a handler raised; what ``Session.crash`` does."""
        raise NotImplementedError

    def finish_here(self, reason: str) -> Steps:
        """End this life by its own doing; what ``Session.finish_life`` does."""
        raise NotImplementedError


class _Crash(Exception):  # it carries one
    """A handler has raised what no sender is to get as it is."""

    def __init__(self, error: Exception) -> None:
        self.error = error


async def _awaiting(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await coroutine


def _never(coroutine: Coroutine[Any, Any, Any]) -> NoReturn:
    coroutine.close()
    raise AssertionError("an async def handler runs on the background loop")


def _finished(task: asyncio.Task[Any]) -> Any:
    return task.result()
