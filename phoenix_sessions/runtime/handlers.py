"""How call, cast and info reach the handlers of a process, and what their answers do to the session.

Rules:
    1. A ``def`` handler is called in the mailbox; an ``async def`` one suspends it until it has returned.
    2. The next state must be a mapping that still has every slice; anything else is a crash.
    3. CallFailed and CastFailed raised by a handler refuse the message; any other exception is a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..core.errors import CallFailed, CastFailed, SessionStopped
from ..core.replies import UNCHANGED, NoReply, Reply, Stop
from ..core.state import State, differences, is_state
from . import telemetry
from .message import Suspended
from .session import Session


class Kind(NamedTuple):
    """A kind of message: what the history calls it, what its handler returns, and how it fails."""

    origin: str
    answer: type[Reply] | type[NoReply]
    failure: type[CallFailed] | type[CastFailed]


CALL: Final = Kind("call", Reply, CallFailed)
CAST: Final = Kind("cast", NoReply, CastFailed)
INFO: Final = Kind("info", NoReply, CastFailed)


def call(session: Session, request: Any) -> Any:
    """Handle a call and return the handler's answer, or a Suspended.

    Raises:
        CallFailed: The handler refused, or crashed.
    """
    session.enter()
    with_event = _measured(session, telemetry.CALL)
    if session.spec.async_call:
        return Suspended(
            session.process.handle_call(request, session.state),
            lambda task: with_event(_settle, session, lambda: _outcome(session, task), CALL, request),
        )
    return with_event(_settle, session, lambda: session.process.handle_call(request, session.state), CALL, request)


def cast(session: Session, request: Any) -> Any:
    """Handle a cast; returns None or a Suspended.

    Raises:
        CastFailed: The handler refused, or crashed.
    """
    session.enter()
    with_event = _measured(session, telemetry.CAST)
    if session.spec.async_cast:
        return Suspended(
            session.process.handle_cast(request, session.state),
            lambda task: with_event(
                _reported, session, _settle, session, lambda: _outcome(session, task), CAST, request
            ),
        )
    return with_event(_settle, session, lambda: session.process.handle_cast(request, session.state), CAST, request)


def cast_unasked(session: Session, request: Any) -> Any:
    """Handle a cast whose sender has gone on; a failure goes to the log and to telemetry."""
    return _reported(session, cast, session, request)


def info(session: Session, message: Any) -> Any:
    """Handle a message that no sender waits for; a failure goes to the log and to telemetry."""
    if session.ended is not None:
        return None
    session.enter()
    if session.spec.async_info:
        return Suspended(
            session.process.handle_info(message, session.state),
            lambda task: _reported(session, _settle, session, lambda: _outcome(session, task), INFO, message),
        )
    return _reported(
        session, _settle, session, lambda: session.process.handle_info(message, session.state), INFO, message,
    )  # fmt: skip


def _outcome(session: Session, task: asyncio.Task[Any]) -> Any:
    if task.cancelled():
        if session.interrupted:
            raise SessionStopped(session.id, "terminated while its handler ran")
        raise RuntimeError("it was cancelled, and by nobody but itself")
    return task.result()


def _settle(
    session: Session,
    handle: Callable[[], Any],
    kind: Kind,
    request: Any,
) -> Any:
    """Take the handler's answer, or treat what it raised."""
    try:
        answer = handle()
        if not isinstance(answer, kind.answer | Stop):
            raise TypeError(f"the handler returned {answer!r}: it must return {kind.answer.__name__}(...) or Stop(...)")
        changed = _next_state(session, answer.state)
    except (CallFailed, CastFailed, SessionStopped):
        raise
    except Exception as error:
        session.crash(error)
        raise kind.failure(request, f"its handler raised {type(error).__name__}: {error}") from error
    if changed is not None:
        session.commit(*changed)
        session.remember(None, kind.origin, changed[1])
    if isinstance(answer, Stop):
        session.finish_life(answer.reason)
    return None if isinstance(answer, NoReply) else answer.value


def _next_state(session: Session, state: Any) -> tuple[State, dict[str, Any]] | None:
    """Return the new state and what changed, or None if nothing did."""
    before = session.state
    if state is UNCHANGED or state is before:
        return None
    if not is_state(state):
        raise TypeError(f"the handler's next state is {state!r}: it must be a mapping with str keys")
    if missing := [name for name in session.spec.mounts.names if state.get(name) is None]:
        raise TypeError(f"the handler's next state lacks the slices {sorted(missing)}: start from {{**state, ...}}")
    changed = differences(before, state)
    return (State(state), changed) if changed else None


def _reported(session: Session, work: Callable[..., Any], *args: Any) -> Any:
    try:
        return work(*args)
    except (CallFailed, CastFailed, SessionStopped) as error:
        session.report(error, "message")
        return None


def _measured(session: Session, event: str) -> Callable[..., Any]:
    """Return a function that calls another one and tells the event with the time since now."""
    if event not in telemetry.attached:
        return _plainly
    started = session.supervisor.clock.monotonic()

    def measure(work: Callable[..., Any], *args: Any) -> Any:
        error: BaseException | None = None
        try:
            return work(*args)
        except Exception as raised:
            error = raised
            raise
        finally:
            duration = session.supervisor.clock.monotonic() - started
            telemetry.execute(event, {"duration": duration}, session.metadata(error=error))

    return measure


def _plainly(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)
