"""The checks of development: what works by luck on this machine is pointed out while DEBUG is on.

Rules:
    1. A slice that was changed in place is StateMutated at the dispatcher, and names the slice and the action.
    2. The rest are warnings in the log, once for each cause: a selector that returns a new object on every call, a
       reducer slower than ``SLOW`` seconds, a payload that no shared backend could keep.
    3. None of it runs, or costs anything, without DEBUG.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from typing import Any, Final

from .backends.codec import check_payload
from .core.action import Action
from .core.errors import NotSerializable, StateMutated
from .core.fingerprint import fingerprint
from .core.mounts import Reduced, Route, reduce
from .core.selector import Selector, returns_new_object
from .core.state import State
from .runtime.clock import Clock

logger = logging.getLogger("phoenix_sessions")

SLOW: Final = 0.010

Seen = dict[str, tuple[Any, Any]]


class DevelopmentChecks:
    """The checks of one process class; it remembers what it has warned of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._warned: set[Any] = set()
        self._seen: weakref.WeakKeyDictionary[Any, Seen] = weakref.WeakKeyDictionary()
        self._last: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def reduce(self, session: Any, state: State, action: Action, route: Route) -> Reduced:
        """Reduce, and look at what the reducers did.

        Raises:
            StateMutated: A slice was changed in place, by a reducer now or by somebody before.
            ReducerError: As without the checks.
        """
        self._check_payload(action)
        seen = self._seen.setdefault(session, {})
        self._compare(seen, state, self._last.get(session, "the start"), during=False)
        started = self._clock.monotonic()
        try:
            reduced = reduce(state, action, route)
        finally:
            self._check_duration(action, self._clock.monotonic() - started)
            self._compare(seen, state, action.type, during=True)
            self._last[session] = action.type
        for name, value in reduced[0].items():
            seen[name] = value, fingerprint(value)
        return reduced

    def check_selectors(self, selectors: Mapping[str, Selector], state: State) -> None:
        """Point out selectors that return a new object each time, so that their subscribers are told too often."""
        for selector in selectors.values():
            if callable(selector) and returns_new_object(selector, state):
                self._warn(
                    ("selector", getattr(selector, "__code__", type(selector))),  # keeps no owner alive
                    "selector %s returns a new object on every call, which is compared by value after every commit, "
                    "and told again if it is not equal; use create_selector, or select something that is in the state",
                    repr(selector),
                )

    def _compare(self, seen: Seen, state: State, action: str, *, during: bool) -> None:
        for name, value in state.items():
            known, print_now = seen.get(name), fingerprint(value)
            seen[name] = value, print_now
            if known is not None and known[0] is value and known[1] != print_now:
                raise StateMutated(name, action, during=during)

    def _check_duration(self, action: Action, duration: float) -> None:
        if duration > SLOW:
            self._warn(
                ("slow", action.type),
                "the reducers of action %r took %.0f ms, during which the session handles nothing else; reducers "
                "should only compute the next state, work belongs into an @effect",
                action.type,
                duration * 1000,
            )

    def _check_payload(self, action: Action) -> None:
        try:
            check_payload(action)
        except NotSerializable as error:
            self._warn(
                ("payload", action.type),
                "action %r carries what no shared backend could keep: %s",
                action.type,
                error,
            )

    def _warn(self, cause: Any, message: str, *args: Any) -> None:
        if cause not in self._warned:
            self._warned.add(cause)
            logger.warning(message, *args)
