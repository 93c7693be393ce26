"""Ready store middleware: logging, timing, and the validation of payloads.

Rules:
    1. A middleware is a function of ``(ref, action, next)``, listed in ``store_middleware`` of a process class. The
       first is outermost. The action has its full type.
    2. ``next(action)`` returns the state as it would be; all that is done is committed once, when the outermost has
       returned. Not calling ``next`` stops the action, another action replaces it, a second call follows it up.
    3. What a middleware raises reaches the dispatcher as ReducerError, and nothing is changed.
    4. It runs in the session's mailbox: it must be quick, and may use only what never waits.

Source: Redux middleware. Differs: one commit for all that it does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .core.action import Action
from .core.state import State, differences

if TYPE_CHECKING:
    from .ref import SessionRef

logger = logging.getLogger("phoenix_sessions")

Next = Callable[[Action], State]
Middleware = Callable[["SessionRef", Action, Next], Any]


def log_actions(level: int = logging.DEBUG) -> Middleware:
    """Return a middleware that logs each action with the slices that it changes, or what it failed with."""

    def log_action(ref: SessionRef, action: Action, next: Next) -> State:
        before = ref.state
        try:
            after = next(action)
        except Exception as error:
            logger.log(level, "session %s: %s failed: %s", ref.id, action.type, error)
            raise
        changed = ", ".join(differences(before, after)) or "nothing"
        logger.log(level, "session %s: %s changes %s", ref.id, action.type, changed)
        return after

    return log_action


def time_actions(slower_than: float = 0.010) -> Middleware:
    """Return a middleware that logs a warning for each action that takes longer (seconds)."""

    def time_action(ref: SessionRef, action: Action, next: Next) -> State:
        started = time.perf_counter()
        after = next(action)
        duration = time.perf_counter() - started
        if duration > slower_than:
            logger.warning("session %s: %s took %.1f ms", ref.id, action.type, duration * 1000)
        return after

    return time_action


def validate_payloads(types: Mapping[str, Any]) -> Middleware:
    """Return a middleware that converts the payloads of these actions to their msgspec types, by full action type.

    A payload that does not fit is refused: the dispatcher gets ReducerError, whose ``__cause__`` is msgspec's
    ValidationError and says where.
    """

    def validate_payload(ref: SessionRef, action: Action, next: Next) -> State:
        if action.type in types:
            payload = msgspec.convert(action.payload, types[action.type], from_attributes=True)
            action = Action(action.type, payload, action.meta)
        return next(action)

    return validate_payload
