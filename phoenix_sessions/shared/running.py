"""How work that has the turn is run: on a thread, on an event loop, or by the background.

Rules:
    1. A flow waits for an engine in its sender's own way: on the thread, or on the event loop without a hop.
    2. A sender that gives up in the middle of a request, by a cancellation or an interrupt, leaves the rest to the
       background loop, with the turn: what was asked of an engine may have been done, and others may wait for it.
    3. An ``async def`` handler runs on the background loop, and takes the turn along.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from threading import get_ident
from typing import Any

from ..core.errors import SessionStopped
from ..runtime import waits
from ..runtime.flow import Flow, Request, Steps, run
from ..runtime.message import Message, Suspended, Work, answer
from .engine import Unheard
from .stored import Stored

logger = logging.getLogger("phoenix_sessions")


class Running(Stored):
    """A session whose work may be a flow.

    Attributes:
        _running: The task of the ``async def`` handler that is running, if one is.
        _cancelled: Whether somebody else has cancelled it.
    """

    __slots__ = ("_cancelled", "_running")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._running: asyncio.Task[Any] | None = None
        self._cancelled = False

    def _run(self, timeout: float | None, work: Work, args: tuple[Any, ...]) -> Any:
        """Run work on this thread, which has the turn."""
        self.owner = get_ident()
        handed_over = False
        try:
            result = work(*args)
            if type(result) is Suspended:
                handed_over = True
                future = self._launch(result.coroutine)
            elif type(result) is Flow:
                try:
                    return self._run_steps(result.steps)
                except _Left as left:
                    handed_over = True
                    raise left.error from None
            else:
                return result
        finally:
            if not handed_over:
                self.release()
        return self._wait_suspended(future, timeout)

    async def _arun(self, timeout: float | None, work: Work, args: tuple[Any, ...]) -> Any:
        """Run work on this event loop, which has the turn."""
        self.owner = get_ident()
        handed_over = False
        try:
            result = work(*args)
            if type(result) is Suspended:
                handed_over = True
                future = self._launch(result.coroutine)
            elif type(result) is Flow:
                try:
                    return await self._arun_steps(result.steps)
                except _Left as left:
                    handed_over = True
                    raise left.error from None
            else:
                return result
        finally:
            if not handed_over:
                self.release()
        with waits.awaiting(self):
            return await self._await(future, timeout)

    def _run_steps(self, steps: Steps) -> Any:
        """Run a flow on this thread; after an interrupt the rest is run by the background loop, with the turn.

        Raises:
            _Left: There was one.
        """
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                request = steps.send(value) if error is None else steps.throw(error)
            except StopIteration as stop:
                return stop.value
            try:
                value, error = request.run(*request.args), None
            except Exception as raised:
                value, error = None, raised
            except BaseException as interrupt:
                if self._leave(steps, request):
                    raise _Left(interrupt) from None
                value, error = None, interrupt

    async def _arun_steps(self, steps: Steps, error: BaseException | None = None) -> Any:
        """Run a flow here; if this is cancelled, the rest is run by the background loop, which then has the turn.

        Raises:
            _Left: It was cancelled.
        """
        value: Any = None
        while True:
            self.owner = get_ident()
            try:
                request = steps.send(value) if error is None else steps.throw(error)
            except StopIteration as stop:
                return stop.value
            finally:
                self.owner = 0
            try:
                value, error = await request.arun(*request.args), None
            except asyncio.CancelledError as cancelled:
                if self._leave(steps, request):
                    raise _Left(cancelled) from None
                value, error = None, cancelled
            except BaseException as raised:
                value, error = None, raised

    def _leave(self, steps: Steps, request: Request) -> bool:
        """Have the background loop run the rest of a flow, whose request may have been done or not."""
        gone = None if request.pause else Unheard()
        context = copy_context()
        context.run(waits.suspended_in.set, ())
        self.owner = 0
        try:
            self.background.launch(context, lambda: self._arun_rest(self._arun_steps(steps, gone)), nothing)
        except RuntimeError:  # no thread to be had
            return False
        return True

    async def _arun_rest(self, rest: Coroutine[Any, Any, Any]) -> None:
        handed_over = False
        try:
            await rest
        except _Left:
            handed_over = True
        except Exception:
            logger.debug("session %s: what a sender had left has failed", self.id, exc_info=True)
        finally:
            if not handed_over:
                self.release()

    def _launch(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Have the background loop run a coroutine that takes the turn along; returns the future of its answer.

        Raises:
            RuntimeError: No thread could be had.
        """
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        context = copy_context()
        context.run(waits.suspended_in.set, (*context.get(waits.suspended_in, ()), self))
        self.owner = 0
        try:
            self.background.launch(context, lambda: self._arun_launched(coroutine, future), nothing)
        except RuntimeError:
            coroutine.close()
            self.release()
            raise
        return future

    async def _arun_launched(self, coroutine: Coroutine[Any, Any, Any], future: Future[Any]) -> None:
        self._running, self._cancelled = asyncio.current_task(), False
        result: Any = None
        error: BaseException | None = None
        try:
            result = await coroutine
        except asyncio.CancelledError:
            error = SessionStopped(self.id, "terminated while its handler ran")
        except BaseException as raised:
            error = raised
        finally:
            self._running = None
            answer(future, result, error=error)
            self.release()

    async def _arun_posted(self, message: Message) -> None:
        """Run what nobody waits for on the background loop."""
        handed_over = False
        self.owner = get_ident()
        try:
            result = message.work(*message.args)
            self.owner = 0
            if type(result) is Suspended:
                self._running, self._cancelled = asyncio.current_task(), False
                waits.suspended_in.set((self,))
                await result.coroutine
            elif type(result) is Flow:
                await self._arun_steps(result.steps)
        except _Left:
            handed_over = True
        except Exception as error:
            self._fail(message, error)
        finally:
            if not handed_over:
                self._running = None
                self.release()

    def _run_posted(self, message: Message) -> None:
        """Run what nobody waits for on a background worker."""
        self.owner = get_ident()
        try:
            result = message.work(*message.args)
            if type(result) is Flow:
                run(result.steps)
        except Exception as error:
            self._fail(message, error)
        finally:
            self.release()

    def cancel_running(self) -> None:
        """Cancel the ``async def`` handler that is running, if one is."""
        if (running := self._running) is not None:
            self._cancelled = True
            self.background.cancel(running)

    @property
    def interrupted(self) -> bool:
        """Whether the ``async def`` handler was cancelled from outside, and not by what it did itself."""
        return self._cancelled or not self.background.running


class _Left(Exception):  # it is no error
    """The rest of a flow runs elsewhere, and has the turn."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def nothing(task: asyncio.Task[Any]) -> None:
    """Do nothing when a task ends: it has answered."""
