"""How call, cast and info reach the handlers of a process, and what their answers do to the session.

Rules:
    1. A ``def`` handler is called in the mailbox; an ``async def`` one suspends it until it has returned.
    2. The next state must be a mapping that still has every slice; anything else is a crash.
    3. CallFailed and CastFailed raised by a handler refuse the message; any other exception is a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final, NamedTuple

from ..core.action import make_action
from ..core.errors import CallFailed, CastFailed, SessionError, SessionStopped
from ..core.replies import UNCHANGED, NoReply, Reply, Stop
from ..core.state import differences, is_state
from . import telemetry
from .message import Suspended
from .session import Session


class Kind(NamedTuple):
    """A kind of message.

    Attributes:
        origin: What the history calls it.
        handler: The name of the method of the process.
        is_async: The attribute of the spec that says whether that is a coroutine function.
        answer: What it returns, if not Stop.
        failure: What its sender gets when it crashes.
        event: The telemetry event that tells how long it took, if there is one.
    """

    origin: str
    handler: str
    is_async: str
    answer: type[Reply] | type[NoReply]
    failure: type[CallFailed] | type[CastFailed]
    event: str | None


CALL: Final = Kind("call", "handle_call", "async_call", Reply, CallFailed, telemetry.CALL)
CAST: Final = Kind("cast", "handle_cast", "async_cast", NoReply, CastFailed, telemetry.CAST)
INFO: Final = Kind("info", "handle_info", "async_info", NoReply, CastFailed, None)

REFUSALS: Final = (CallFailed, CastFailed, SessionStopped)
"""What a handler raises that is no crash; the last comes from other sessions, or because this one ends."""

Taken = Callable[[Callable[[], Any]], Any]


def call(session: Session, request: Any) -> Any:
    """Handle a call and return the handler's answer, or a Suspended.

    Raises:
        CallFailed: The handler refused, or crashed.
    """
    session.enter()
    return _handle(session, CALL, request, unasked=False)


def cast(session: Session, request: Any) -> Any:
    """Handle a cast; returns None or a Suspended.

    Raises:
        CastFailed: The handler refused, or crashed.
    """
    session.enter()
    return _handle(session, CAST, request, unasked=session.spec.async_cast)


def cast_unasked(session: Session, request: Any) -> Any:
    """Handle a cast whose sender has gone on; a failure goes to the log and to telemetry."""
    try:
        session.enter()
    except SessionStopped as error:
        return session.report(error, "message")
    return _handle(session, CAST, request, unasked=True)


def info(session: Session, message: Any) -> Any:
    """Handle a message that no sender waits for; a failure goes to the log and to telemetry."""
    if session.ended is not None:
        return None
    session.enter()
    return _handle(session, INFO, message, unasked=True)


def _handle(session: Session, kind: Kind, request: Any, *, unasked: bool) -> Any:
    """Call the handler, or let it begin as a coroutine; ``unasked``: nobody is there to get its failure."""
    if session.shared:
        return session.handle(kind, request, unasked)  # type: ignore[attr-defined]  # see ``shared.replica``
    taken = _taking(session, kind, request)
    if unasked:
        taken = _reporting(session, taken)
    handler = getattr(session.process, kind.handler)
    if getattr(session.spec, kind.is_async):
        return Suspended(handler(request, session.state), lambda task: taken(lambda: _outcome(session, task)))
    return taken(lambda: handler(request, session.state))


def _taking(session: Session, kind: Kind, request: Any) -> Taken:
    """Return what takes the handler's answer, and tells telemetry how long that took from now on."""

    def plain(handle: Callable[[], Any]) -> Any:
        return settle(session, kind, request, handle)

    if kind.event is None or kind.event not in telemetry.attached:
        return plain
    event, started = kind.event, session.supervisor.now()

    def measured(handle: Callable[[], Any]) -> Any:
        error: BaseException | None = None
        try:
            return plain(handle)
        except Exception as raised:
            error = raised
            raise
        finally:
            telemetry.execute(event, {"duration": session.supervisor.now() - started}, session.metadata(error=error))

    return measured


def _reporting(session: Session, taken: Taken) -> Taken:
    def reported(handle: Callable[[], Any]) -> Any:
        try:
            return taken(handle)
        except REFUSALS as error:
            session.report(error, "message")
            return None

    return reported


def _outcome(session: Session, task: asyncio.Task[Any]) -> Any:
    if task.cancelled():
        if session.interrupted:
            raise SessionStopped(session.id, "terminated while its handler ran")
        raise RuntimeError("it was cancelled, and by nobody but itself")
    return task.result()


def settle(session: Session, kind: Kind, request: Any, handle: Callable[[], Any]) -> Any:
    """Take the handler's answer, or treat what it raised.

    Raises:
        CallFailed, CastFailed: The handler refused, or crashed.
        SessionStopped: It was cancelled, because the session ends.
    """
    try:
        answer = handle()
    except REFUSALS:
        raise
    except Exception as error:
        raise crashed(session, kind, request, error) from error
    return take(session, kind, request, answer)


def take(session: Session, kind: Kind, request: Any, answer: Any) -> Any:
    """Do what a handler's answer says, and return its value.

    Raises:
        CallFailed, CastFailed: The answer is none; the session has crashed.
    """
    try:
        changed = changes(session, kind, answer)
    except Exception as error:
        raise crashed(session, kind, request, error) from error
    if changed:
        session.change(None, kind.origin, changed)
    if isinstance(answer, Stop):
        session.finish_life(answer.reason)
    else:
        begin_effects(session, answer)
    return None if isinstance(answer, NoReply) else answer.value


def begin_effects(session: Session, answer: Reply | NoReply) -> None:
    """Start the effects that a handler's answer names; one that cannot be started is reported."""
    for effect in answer.effects:
        try:
            action = make_action(*effect, None) if isinstance(effect, tuple) else make_action(effect, None, None)
            session.start_effects(action, session.spec.mounts.effects(action.type, None, None), copy_context())
        except (SessionError, TypeError) as error:
            session.report(error, "effect", action=str(effect))


def changes(session: Session, kind: Kind, answer: Any) -> dict[str, Any]:
    """Return what a handler's answer changes.

    Raises:
        TypeError: It is none, or its next state cannot be one.
    """
    if not isinstance(answer, kind.answer | Stop):
        raise TypeError(f"the handler returned {answer!r}: it must return {kind.answer.__name__}(...) or Stop(...)")
    return _changed_by(session, answer.state)


def crashed(session: Session, kind: Kind, request: Any, error: Exception) -> CallFailed | CastFailed:
    """End the life of a session whose handler has raised; returns what its sender gets."""
    session.crash(error)
    return kind.failure(request, f"its handler raised {type(error).__name__}: {error}")


def _changed_by(session: Session, state: Any) -> dict[str, Any]:
    """Return what a handler's next state changes."""
    if state is UNCHANGED or state is session.state:
        return {}
    if not is_state(state):
        raise TypeError(f"the handler's next state is {state!r}: it must be a mapping with str keys")
    if missing := [name for name in session.spec.mounts.names if state.get(name) is None]:
        raise TypeError(f"the handler's next state lacks the slices {sorted(missing)}: start from {{**state, ...}}")
    return differences(session.slices, state)
