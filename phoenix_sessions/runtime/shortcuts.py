"""The short ways of the messages that are sent most: one function each, in place of some fifteen.

Rules:
    1. A short way is taken when the session is free and surely this worker's, nothing waits in its mailbox, and nobody
       looks on by telemetry. Otherwise the answer is ``UNDONE``, nothing has happened, and the sender takes the
       ordinary way.
    2. Whatever a short way does, the ordinary way does too; ``tests/runtime/test_shortcuts.py`` compares them.
    3. Every line is here for speed: the turn is taken and given back in place, and what can be, is a local variable.
       What is not needed every time is in a function of its own. A function that is kept in an attribute is fetched
       and called in two steps, since CPython 3.11 does that faster.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from threading import get_ident
from typing import Any, Final, Literal

from ..core.action import Action
from ..core.errors import ReducerError
from ..core.memoised import CreatedSelector
from ..core.reducer import UNMATCHED
from ..core.replies import UNCHANGED, Reply
from ..core.selector import Selector, check_selector, select
from .departure import Departure
from .handlers import CALL, REFUSALS, crashed, take
from .session import Session
from .telemetry import hot


class _Undone(enum.Enum):
    UNDONE = enum.auto()


UNDONE: Final = _Undone.UNDONE


def apply(session: Session, type: str, payload: Any, meta: Mapping[str, Any] | None = None) -> int | _Undone:
    """Apply an action that concerns one slice, as ``Session.apply`` does; returns the version after it.

    Raises:
        ReducerError: The reducer raised; nothing was changed.
    """
    if hot or session.queue is not None or (meta is not None and _is_special(meta)):
        return UNDONE
    try:
        session.turn.pop()
    except IndexError:  # it is busy
        return UNDONE
    session.owner = get_ident()
    try:
        try:
            name, handle, local = session.direct[type]
        except (KeyError, TypeError):  # unknown yet, or nothing that could be a type
            return UNDONE
        if type.__class__ is not str and not isinstance(type, str):  # it only looks like one
            return UNDONE
        clock = session.supervisor.now
        session.touched = now = clock()
        if now > session.sure_until:
            return UNDONE
        action = Action(local, payload) if meta is None else Action(local, payload, meta)
        slices = session.slices
        before = slices[name]
        try:
            after = handle(action, before)
            if after is None:
                raise TypeError("it returned None; return the next slice, or the same one for no change")
        except Exception as error:
            raise ReducerError(name, action, error) from error
        session.handled += 1
        history = session.history
        if after is before or after is UNMATCHED:
            if history is not None:
                history.append((type, payload, meta, now, None, None))
            if after is UNMATCHED:
                session.tell_unmatched(action, handle.__self__, name)  # type: ignore[attr-defined]
            return session.version
        slices[name] = after
        session.version = version = session.version + 1
        session.copy = None
        if history is not None:  # last, and no call before it: an interrupt can come between calls only
            history.append((type, payload, meta, now, name, before))
        if (subscriptions := session.subscriptions) is not None and subscriptions.concern(name):
            session.tell(subscriptions, (name,))
        return version
    finally:
        session.owner = 0
        session.turn.append(None)
        if session.queue is not None:
            session.drain()


def apply_unasked(session: Session, type: str, payload: Any, meta: Mapping[str, Any] | None) -> bool:
    """Do as ``apply`` for a sender that has gone on, and return whether it was done; a failure is reported."""
    try:
        return apply(session, type, payload, meta) is not UNDONE
    except ReducerError as error:
        session.report(error, "action", action=type)
        return True


def _is_special(meta: object) -> bool:
    """Return whether this is no plain meta, may cancel effects, or names an action that is applied once."""
    return type(meta) is not dict or "cancel_ref" in meta or "id" in meta


def call(session: Session, request: Any) -> Any:
    """Ask a ``def`` handler, as ``handlers.call`` does.

    Raises:
        CallFailed: The handler refused, or crashed.
    """
    if hot or session.queue is not None or session.spec.async_call:
        return UNDONE
    try:
        session.turn.pop()
    except IndexError:  # it is busy
        return UNDONE
    session.owner = get_ident()
    try:
        if session.ended is not None:
            return UNDONE
        clock = session.supervisor.now
        session.touched = now = clock()
        if now > session.sure_until:
            return UNDONE
        copy = session.copy
        state = (
            copy[2] if copy is not None and copy[1] == session.version and copy[0] is session.slices else session.state
        )
        process = session.instance or session.process
        try:
            reply = process.handle_call(request, state)
        except REFUSALS:
            raise
        except Exception as error:
            raise crashed(session, CALL, request, error) from error
        if type(reply) is Reply and (reply.state is state or reply.state is UNCHANGED) and not reply.effects:
            return reply.value
        return take(session, CALL, request, reply)
    finally:
        session.owner = 0
        session.turn.append(None)
        if session.queue is not None:
            session.drain()


def end(session: Session, reason: str) -> Literal[True] | _Undone:
    """End a session for good, if nothing of the user's runs at its end, as ``Session.terminate`` does."""
    if session.queue is not None or not session.spec.quiet_end:
        return UNDONE
    try:
        session.turn.pop()
    except IndexError:  # it is busy
        return UNDONE
    session.owner = get_ident()
    try:
        if session.stored and (isinstance(session.ended, Departure) or session.in_doubt):
            return UNDONE  # it goes on elsewhere, or may do, and is to end there
        session.terminate(reason)
        return True
    finally:
        session.owner = 0
        session.turn.append(None)
        if session.queue is not None:
            session.drain()


def read(session: Session, selector: Selector) -> Any:
    """Return the state, or what a path or a function picks, as ``Session.read`` does; nothing need be made busy.

    Raises:
        SelectorError: The selector raised, or its path leads nowhere.
    """
    if not session.turn or session.queue is not None or session.ended is not None:
        return UNDONE
    session.touched = now = session.supervisor.now()
    if now > session.sure_until or isinstance(selector, CreatedSelector):  # a memo is the session's, and changes
        return UNDONE
    check_selector(selector)
    return select(selector, session.state)
