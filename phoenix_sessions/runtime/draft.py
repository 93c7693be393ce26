"""A draft: what an action would do to a session, until it is committed as a whole or dropped.

Rules:
    1. Store middleware runs around the reducers, the first in the list outermost. Each calls ``next`` with the action,
       with another one, several times, or not at all.
    2. All that ``next`` does stays in the draft. When the outermost middleware has returned, there is one commit; when
       anything raises, there is none.
    3. Steps that are throttled or debounced are left out here, and counted or put on a timer by the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.action import Action
from ..core.errors import ReducerError, StateMutated
from ..core.mounts import Route, Step, reduce
from ..core.reducer import Reducer
from ..core.state import State
from .pacing import Key
from .spec import Middleware

if TYPE_CHECKING:
    from .store import Store

Next = Callable[[Action], State]


class Draft:
    """One dispatch on its way through the middleware and the reducers.

    Attributes:
        state: The state as it would be.
        changed: The slices that would change.
        applied: The actions that reached a reducer, each with what the slices that it changed were before.
        unmatched: Who did not know what: (action as seen, reducer or None, slice name or None).
        ran: The throttled steps that ran.
        waiting: The debounced steps, with the action that they wait with.
    """

    __slots__ = (
        "_action", "_now", "_route", "_session", "applied", "changed", "ran", "state", "unmatched", "waiting",
    )  # fmt: skip

    def __init__(self, session: Store, action: Action, route: Route, state: State | None = None) -> None:
        self._session = session
        self._action = action
        self._route = route
        self._now = session.supervisor.clock.monotonic()
        self.state = session.state if state is None else state
        self.changed: dict[str, Any] = {}
        self.applied: list[tuple[Action, dict[str, Any]]] = []
        self.unmatched: list[tuple[Action, Reducer | None, str | None]] = []
        self.ran: list[Step] = []
        self.waiting: list[tuple[Step, Action]] = []

    def run(self, middleware: tuple[Middleware, ...]) -> None:
        """Take the action through the middleware and the reducers.

        Raises:
            ReducerError: One of them raised.
        """
        self._next(middleware)(self._action)

    def _next(self, middleware: tuple[Middleware, ...]) -> Next:
        if not middleware:
            return self._reduce
        first, rest = middleware[0], middleware[1:]

        def following(action: Action) -> State:
            try:
                first(self._session.spec.handle(self._session.id), action, self._next(rest))
            except (ReducerError, StateMutated):
                raise
            except Exception as error:
                name = getattr(first, "__name__", type(first).__name__)
                raise ReducerError(name, action, error, "store middleware") from error
            return self.state

        return following

    def _reduce(self, action: Action) -> State:
        if not isinstance(action, Action):
            raise TypeError(f"next({action!r}): it takes the action, or another Action")
        spec = self._session.spec
        route = self._route if action.type == self._action.type else spec.mounts.route(action.type)
        now = tuple(step for step in route if step.pace is None or self._runs(step))
        if spec.development is None:
            changed, unmatched = reduce(self.state, action, now)
        else:
            changed, unmatched = spec.development.reduce(self._session, self.state, action, now)
        self.ran += [step for step in now if step.pace is not None]
        self.waiting += [(step, action) for step in route if step.pace is not None and step.pace.trailing]
        self.unmatched += unmatched
        if not route:
            self.unmatched.append((action, None, None))
        if now or not route:
            self.applied.append((action, {name: self.state[name] for name in changed}))
        if changed:
            self.state = self.state.replace(changed)
            self.changed |= changed
        return self.state

    def _runs(self, step: Step) -> bool:
        """Return whether a paced step runs now; if not, it is dropped or waits."""
        if step.pace is None or step.pace.trailing or step in self.ran:
            return False
        return self._session.pacing.free(_key(step), step.pace, self._now)

    def settle_paces(self) -> None:
        """Count what ran, and put on timers what waits."""
        session = self._session
        for step in self.ran:
            session.pacing.ran(_key(step), self._now)
        for step, action in self.waiting:
            assert step.pace is not None
            route = (step._replace(pace=None),)
            session.pacing.wait(session, _key(step), step.pace, session.apply_unasked, action, route, "debounce")


def _key(step: Step) -> Key:
    return step.name, step.type
