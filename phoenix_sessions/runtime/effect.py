"""One effect: the work that one mount does for one action.

Rules:
    1. A coroutine function runs on the background loop; a plain function on a worker of a pool of its own, so that
       blocking effects never keep handlers waiting.
    2. An effect ends once: it returns, raises, or is cancelled. Cancelled, it can dispatch no more.
    3. A function that it returns is called once, on a worker (on the loop, if it is a coroutine function): when the
       effect is cancelled, or when the life ends.
    4. One that raises is reported, and dispatches ``<type>.failed`` if its reducer handles that.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..core.action import Action, check_action, make_action
from ..core.errors import MailboxFull
from ..core.mounts import EffectStep, Route
from . import telemetry, waits

if TYPE_CHECKING:
    from .effects import Effects
    from .session import Session

logger = logging.getLogger("phoenix_sessions")


class Effect:
    """One effect of one life.

    Attributes:
        action: The action that started it, with its full type.
        cancel_ref: Actions with the same "cancel_ref" in their meta cancel it; None = none does.
        future: What it returned or raised, or that it was cancelled.
        over: Whether it has returned, raised or been cancelled.
    """

    __slots__ = (
        "_cleanup", "_context", "_effects", "_session", "_started", "_step", "_task", "action", "cancel_ref", "future",
        "over",
    )  # fmt: skip

    def __init__(self, session: Session, effects: Effects, step: EffectStep, action: Action, context: Context) -> None:
        self._session = session
        self._effects = effects
        self._step = step
        self._context = _without_waits(context)
        self._task: asyncio.Task[Any] | None = None
        self._cleanup: Callable[[], Any] | None = None
        self._started: float | None = None
        self.action = action
        self.cancel_ref = action.meta.get("cancel_ref")
        self.future: Future[Any] = Future()
        self.over = False

    def launch(self) -> bool:
        """Let it run, its ``Effects`` have made room; returns False if it is over because no thread could be had."""
        try:
            self._launch()
        except RuntimeError as error:
            self._end(None, CancelledError() if "shutdown" in str(error) else error)  # of the interpreter
            return False
        return True

    def _launch(self) -> None:
        function, session = self._step.function, self._session
        assert function is not None
        self._started = session.supervisor.clock.monotonic()
        self._tell(telemetry.EFFECT_START, {"count": 1})
        action = Action(self._step.type, self.action.payload, self.action.meta)
        state = session.slices.get(self._step.mount.name)
        if inspect.iscoroutinefunction(function):
            coroutine = functools.partial(function, action, self._adispatch, state)
            session.background.launch(self._context, lambda: self._await(coroutine), self._done)
        else:
            work = functools.partial(function, action, self._dispatch, state)
            session.background.submit_effect(self._context.run, self._call, work)

    def cancel(self) -> bool:
        """Cancel it, from any thread; returns False if it was over. What it left to be cleaned up is called."""
        with self._effects.lock:
            first, self.over = not self.over, True
            cleanup, self._cleanup = self._cleanup, None
            self._effects.withdraw(self)
        if cleanup is not None:
            self._clean_up(cleanup)
        if first:
            self._cancel_future()
            self._tell(telemetry.EFFECT_CANCEL, {"duration": self._duration()})
            if (task := self._task) is not None:
                self._session.background.cancel(task)
        return first

    def check_reentrant(self) -> None:
        """Raise ReentrantCall if the caller may wait for it and, as it may dispatch, so for itself."""
        if not self.future.done():
            self._session.check_reentrant()

    def _cancel_future(self) -> None:
        self.future.cancel()
        self.future.set_running_or_notify_cancel()  # without it concurrent.futures.wait does not count it as over

    # -- running -----------------------------------------------------------------------------------------------------

    def _call(self, work: Callable[[], Any]) -> None:
        try:
            value = None if self.over else work()
        except BaseException as error:  # whatever it is, those who wait must hear of it
            self._finish(None, error)
        else:
            self._finish(value, None)

    async def _await(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        self._task = asyncio.current_task()
        return None if self.over else await work()  # over: cancelled before its first step

    def _done(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self._finish(None, CancelledError())
        elif (error := task.exception()) is not None:
            self._finish(None, error)
        else:
            self._finish(task.result(), None)

    def _finish(self, value: Any, error: BaseException | None) -> None:
        self._end(value, error)
        self._effects.leave(self)

    def _end(self, value: Any, error: BaseException | None) -> None:
        cleanup = value if callable(value) else None
        with self._effects.lock:
            first, self.over = not self.over, True
            oldest = None
            if kept := first and cleanup is not None and not self._effects.over:
                self._cleanup = cleanup
                oldest = self._effects.keep(self)
        if oldest is not None:
            oldest.cancel()
        if cleanup is not None and not kept:
            self._clean_up(cleanup)
        if first:
            self._report(None if cleanup else value, error)

    def _report(self, value: Any, error: BaseException | None) -> None:
        """Tell how it ended: telemetry, the failure action, then whoever waits."""
        duration = {"duration": self._duration()}
        if error is None:
            self._tell(telemetry.EFFECT_STOP, duration)
            self.future.set_result(value)
        elif isinstance(error, asyncio.CancelledError | CancelledError):  # the loop ends, or it cancelled itself
            self._tell(telemetry.EFFECT_CANCEL, duration)
            self._cancel_future()
        else:
            logger.error("session %s: effect %s failed", self._session.id, self.action.type, exc_info=error)
            self._tell(telemetry.EFFECT_EXCEPTION, duration, error=error)
            self._dispatch_failure(error)
            self.future.set_exception(error)

    def _dispatch_failure(self, error: BaseException) -> None:
        if not self._step.failed:
            return
        payload = {"error": type(error).__name__, "message": str(error)}
        meta = {key: value for key, value in self.action.meta.items() if key != "cancel_ref"}  # its siblings go on
        action = Action(f"{self.action.type}.failed", payload, meta)
        try:
            self._session.post(True, self._apply_failure, action)
        except MailboxFull as full:
            self._session.report(full, "effect")

    def _apply_failure(self, action: Action) -> Any:
        if self._effects.over:  # the next life knows nothing of this effect
            return None
        return self._session.apply_unasked(action, self._step.failed, "effect")

    def _clean_up(self, cleanup: Callable[[], Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the interpreter is going down
            if inspect.iscoroutinefunction(cleanup):
                self._session.background.launch(self._context.copy(), cleanup, self._cleaned_up)
            else:
                self._session.background.submit(cleanup)

    def _cleaned_up(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("session %s: what %s left failed", self._session.id, self.action.type, exc_info=error)

    # -- what the function may do ------------------------------------------------------------------------------------

    def _dispatch(self, type: str, payload: Any = None, meta: Mapping[str, Any] | None = None) -> int:
        """Apply an action and return the version after it; a type that begins with a dot is the mount's own."""
        version: int = self._session.ask(True, None, self._apply, *self._routed(type, payload, meta))
        return version

    async def _adispatch(self, type: str, payload: Any = None, meta: Mapping[str, Any] | None = None) -> int:
        """Do the same, for a coroutine."""
        version: int = await self._session.aask(True, None, self._apply, *self._routed(type, payload, meta))
        return version

    def _routed(self, type: str, payload: Any, meta: Mapping[str, Any] | None) -> tuple[Action, Route]:
        action = make_action(type, payload, meta)
        if type.startswith("."):
            check_action(type[1:], meta)
            action = Action(f"{self._step.mount.prefix}{type}".removeprefix("."), payload, action.meta)
        return action, self._session.spec.mounts.route(action.type)

    def _apply(self, action: Action, route: Route) -> int:
        if self.over:
            raise CancelledError(f"effect {self.action.type!r} was cancelled, so it can dispatch no more")
        return self._session.apply(action, route, "effect")

    # -- telling -----------------------------------------------------------------------------------------------------

    def _duration(self) -> float:
        return 0.0 if self._started is None else self._session.supervisor.clock.monotonic() - self._started

    def _tell(self, event: str, measurements: Mapping[str, Any], **more: Any) -> None:
        if event in telemetry.attached:
            facts = self._session.metadata(action=self.action.type, reducer=self._step.mount.name, **more)
            telemetry.execute(event, measurements, facts)


def _without_waits(context: Context) -> Context:
    """Return a copy without the mailboxes that the sender keeps busy: an effect is no part of that."""
    context = context.copy()
    context.run(waits.suspended_in.set, ())
    return context
