"""The verbs that dispatch actions.

Rules:
    1. ``dispatch`` returns when the action was applied, ``dispatch_nowait`` at once.
    2. ``dispatch_async`` starts effects: work beside the session, which dispatches what comes of it.
"""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any

from .core.action import Action, check_action, check_routing, make_action
from .core.mounts import EffectStep, Names, Route
from .effect_handle import EffectHandle
from .handle import Handle, Work
from .runtime import shortcuts
from .runtime.session import Session
from .runtime.shortcuts import UNDONE
from .waiting import refuse_on_event_loop


class Dispatching(Handle):
    """The part of ``SessionRef`` that dispatches."""

    __slots__ = ()

    def dispatch_nowait(
        self,
        type: str,
        payload: Any = None,
        *,
        reducers: Names | None = None,
        reducer_prefix: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Post an action and go on; a reducer's failure goes to the log and to telemetry.

        Raises:
            InvalidAction, SessionNotFound, MailboxFull: The action was not taken.
        """
        if reducers is None and reducer_prefix is None:
            found = self._manager.lookup(self.id)
            if found is not None and shortcuts.apply_unasked(found, type, payload, meta):
                return
        check_action(type, meta)
        check_routing(type, reducers, reducer_prefix)

        def post(session: Session, wherever: Callable[[Work], Work]) -> None:
            action, route = _routed(session, type, payload, reducers, reducer_prefix, meta)
            session.post(True, wherever(session.apply_unasked), action, route)

        self._post(post)

    def dispatch(
        self,
        type: str,
        payload: Any = None,
        *,
        reducers: Names | None = None,
        reducer_prefix: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> int:
        """Apply an action and return the session's version after it.

        Args:
            type: "prefix.local" or a bare type, which goes to every mount.
            payload: What it happened with; reducers treat it as read-only.
            reducers: Names of mounts that alone get it, with the type as it is.
            reducer_prefix: Only mounts with this prefix get it.
            meta: Facts about the action.

        Raises:
            ReducerError: A reducer raised; nothing was changed.
            InvalidAction, SessionNotFound, SessionStopped, MailboxFull, ReentrantCall: It was not applied.
        """
        if reducers is None and reducer_prefix is None and _get_running_loop() is None:
            lookup = self._manager.lookup
            found = lookup(self.id)
            if found is not None and (version := shortcuts.apply(found, type, payload, meta)) is not UNDONE:
                return version
        refuse_on_event_loop("dispatch")

        def message(session: Session) -> tuple[Any, ...]:
            return True, None, session.apply, *_routed(session, type, payload, reducers, reducer_prefix, meta)

        return int(self._ask(message))

    async def adispatch(
        self,
        type: str,
        payload: Any = None,
        *,
        reducers: Names | None = None,
        reducer_prefix: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> int:
        """Async twin of ``dispatch``."""
        if reducers is None and reducer_prefix is None:
            lookup = self._manager.lookup
            found = lookup(self.id)
            if found is not None and (version := shortcuts.apply(found, type, payload, meta)) is not UNDONE:
                return version

        def message(session: Session) -> tuple[Any, ...]:
            return True, None, session.apply, *_routed(session, type, payload, reducers, reducer_prefix, meta)

        return int(await self._aask(message))

    def dispatch_async(
        self,
        type: str,
        payload: Any = None,
        *,
        reducers: Names | None = None,
        reducer_prefix: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> EffectHandle:
        """Start what the matching reducers do for an action: their ``@effect`` method, or ``handle_async``.

        Args:
            type: As for ``dispatch``.
            payload: As for ``dispatch``.
            reducers: As for ``dispatch``.
            reducer_prefix: As for ``dispatch``.
            meta: As for ``dispatch``. Any later action whose meta has the same "cancel_ref" cancels the effects.

        Raises:
            InvalidAction, SessionNotFound, SessionStopped, MailboxFull, ReentrantCall: Nothing was started.
        """
        refuse_on_event_loop("dispatch_async")

        def message(session: Session) -> tuple[Any, ...]:
            steps = _steps(session, type, payload, reducers, reducer_prefix, meta)
            return True, None, session.start_effects, *steps, copy_context()

        return EffectHandle(self._ask(message))

    async def adispatch_async(
        self,
        type: str,
        payload: Any = None,
        *,
        reducers: Names | None = None,
        reducer_prefix: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> EffectHandle:
        """Async twin of ``dispatch_async``; returns when the effects are started, await the handle for their end."""

        def message(session: Session) -> tuple[Any, ...]:
            steps = _steps(session, type, payload, reducers, reducer_prefix, meta)
            return True, None, session.start_effects, *steps, copy_context()

        return EffectHandle(await self._aask(message))


def _routed(
    session: Session,
    type: str,
    payload: Any,
    reducers: Names | None,
    prefix: str | None,
    meta: Mapping[str, Any] | None,
) -> tuple[Action, Route]:
    action = make_action(type, payload, meta)
    if reducers is None and prefix is None:
        return action, session.spec.mounts.route(type)
    check_routing(type, reducers, prefix)
    return action, session.spec.mounts.route_to(type, reducers, prefix)


def _steps(
    session: Session,
    type: str,
    payload: Any,
    reducers: Names | None,
    prefix: str | None,
    meta: Mapping[str, Any] | None,
) -> tuple[Action, tuple[EffectStep, ...]]:
    action = make_action(type, payload, meta)
    check_routing(type, reducers, prefix)
    return action, session.spec.mounts.effects(type, reducers, prefix)
