"""What a shared session does with actions, reads, effects and its history.

Rules:
    1. Actions and travelling are worked out on the cached state and committed (see ``committing``), so reducers and
       middleware may run again for the same action after a conflict; what must happen once is an effect.
    2. What reads, reads the newest state: the engine is asked, unless the session is watched over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Any

from ..core.action import Action
from ..core.errors import SessionError, SessionStopped
from ..core.history import History
from ..core.mounts import EffectStep, Route
from ..core.selector import Selector
from ..core.subscriber import Receiver, Subscriber, Tell
from ..runtime.effect import Effect
from ..runtime.flow import Flow, Steps
from ..runtime.message import Message, answer
from .batch import MOST, Dispatched, fail_all, reduce_all, settle
from .handling import Handling
from .log import decode_log
from .plans import Plan

_READS_BEFORE_WATCH = 2


class Acting(Handling):
    """A shared session, as far as it takes messages."""

    __slots__ = ()

    # -- actions -----------------------------------------------------------------------------------------------------

    def apply(self, action: Action, route: Route, origin: str = "dispatch") -> Flow:  # type: ignore[override]
        """Apply an action and return the version after it, once it is committed."""
        return Flow(self._apply_with_others(Dispatched(action, route, origin, unasked=False)))

    def apply_unasked(self, action: Action, route: Route, origin: str = "dispatch") -> Flow:  # type: ignore[override]
        """Apply an action that nobody waits for; a failure goes to the log and to telemetry."""
        return Flow(self._apply_unasked(Dispatched(action, route, origin, unasked=True)))

    def _apply_unasked(self, own: Dispatched) -> Steps:
        try:
            yield from self._apply_with_others(own)
        except SessionError as error:
            if own.error is None:
                self.report(error, "action", action=own.action.type)

    def _apply_with_others(self, own: Dispatched) -> Steps:
        self.enter()
        others = list(
            filter(None, map(self._dispatched, self.take_along((Acting.apply, Acting.apply_unasked), MOST - 1)))
        )
        batch = [own, *others]
        try:
            for each in batch:
                each.epoch = self.epoch
                self._cancel_named(each)
            yield from self.transact(lambda repeated: reduce_all(self, batch, repeated))
        except BaseException as error:
            fail_all(self, others, error)
            raise
        settle(self, batch)
        if own.error is not None:
            raise own.error
        return own.version

    def _dispatched(self, message: Message) -> Dispatched | None:
        """Return the action of a message that was taken along; None if it is none, which its sender is told."""
        action, route, origin = (*message.args, "dispatch")[:3]
        unasked = getattr(message.work, "__func__", None) is Acting.apply_unasked
        try:
            return Dispatched(action, route, origin, message.future, unasked=unasked)
        except Exception as error:  # whatever the ``repr`` of its id may raise
            if unasked:
                self.report(error, "action", action=action.type)
            answer(message.future, error=error)
            return None

    def _cancel_named(self, each: Dispatched) -> None:
        if self._effects is not None and "cancel_ref" in each.action.meta and each.origin != "debounce":
            self._effects.cancel(each.action.meta["cancel_ref"])

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, selector: Selector) -> Any:
        """Return what the selector picks out of the newest state."""
        self.enter()
        return super().read(selector) if self.fresh else Flow(self._read_newest(selector))

    def _read_newest(self, selector: Selector) -> Steps:
        yield from self.check()
        return super().read(selector)

    def checked(self) -> Flow:
        """See that the cached state is the newest; that is no use of the session.

        Raises:
            SessionStopped: It is over.
        """
        self.come_back()
        if self.ended is not None:
            raise SessionStopped(self.id, self.ended)
        return Flow(self.check())

    def come_back(self) -> None:
        """Go on after all, if it has left memory."""
        raise NotImplementedError

    def check(self) -> Steps:
        """See that the cached state is the newest; who does so often is watched over."""
        if not self.fresh:
            if self.asked >= _READS_BEFORE_WATCH:
                self.watch()
            yield from self.look()

    def subscribe(  # type: ignore[override]
        self,
        selectors: Any,
        receiver: Receiver,
        since: tuple[int, int] | None = None,
        tell: Tell | None = None,
    ) -> Flow:
        """Subscribe and tell the receiver its first values; see ``Store.subscribe``."""
        return Flow(self._subscribe(selectors, receiver, since, tell))

    def _subscribe(self, selectors: Any, receiver: Receiver, since: tuple[int, int] | None, tell: Tell | None) -> Steps:
        self.enter()
        self.watch()
        behind = since is not None and since[0] == self.epoch and since[1] > self.version
        if not self.fresh or behind:  # it has come from another worker, faster than the notice
            yield from self.look()
        answer: tuple[Subscriber, bool] = super().subscribe(selectors, receiver, since, tell)
        return answer

    # -- effects -----------------------------------------------------------------------------------------------------

    def start_effects(self, action: Action, steps: tuple[EffectStep, ...], context: Context) -> list[Effect]:
        """Start effects, which end with this life, wherever that ends; see ``Session.start_effects``."""
        self.watch()
        return super().start_effects(action, steps, context)

    # -- travelling --------------------------------------------------------------------------------------------------

    def with_history(self, work: Callable[..., Any], *args: Any) -> Flow:
        """Do work that needs the history, and commit what it changes."""
        return Flow(self._with_history(work, args))

    def _with_history(self, work: Callable[..., Any], args: tuple[Any, ...]) -> Steps:
        self.enter()
        results: list[Any] = []

        def work_out(_: tuple[bytes, ...]) -> Steps:
            yield from self._load_history()
            self._planned = None
            try:
                results[:] = [work(self, *args)]
            finally:
                self.history = None
            return self._planned or Plan()

        yield from self.look()
        plan: Plan = yield from self.transact(work_out)
        return self.version if plan.commits else results[0]

    def _load_history(self) -> Steps:
        while True:
            data = yield from self.ask_engine("log", self.id)
            records = decode_log(data, self.shapes)
            if not records or records[-1].version <= self.version or not (yield from self.look()):
                break
        self.history = History(self.spec.history_limit, 0.0) if self.spec.history_limit else None
        if self.history is not None:
            self.history.extend(records)
