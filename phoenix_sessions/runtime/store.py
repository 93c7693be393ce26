"""The store of a session: its state, how actions change it, and who is told.

Rules:
    1. A commit replaces the state, counts the version and tells the subscribers, in that order.
    2. An action whose reducer raises changes nothing.
    3. What the process class does not use costs nothing: the plain way of an action knows no middleware, no paces and
       no development checks; these go by a ``Draft``.
    4. Receivers, selectors and the unmatched handler are guarded: what they raise is reported, and ends nothing else.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.action import Action
from ..core.errors import SessionError
from ..core.history import History
from ..core.memoised import CreatedSelector, Memo
from ..core.mounts import Route, reduce
from ..core.selector import Selector, select
from ..core.state import EMPTY, State
from ..core.subscriptions import Receiver, Subscriber, Subscriptions, Told
from . import telemetry
from .draft import Draft
from .mailbox import Mailbox
from .message import Work
from .pacing import Pacing
from .spec import ProcessSpec

if TYPE_CHECKING:
    from .supervisor import Supervisor
    from .timers import Timer

logger = logging.getLogger("phoenix_sessions")


class Store(Mailbox):
    """The state of one session; the methods without an underscore are work for its mailbox.

    Attributes:
        epoch: Names the current life; no two lives of a site share one.
        version: Counts the state changes of this life, from 0; -1 before the first life began.
        state: The committed state.
        handled: How many actions were applied (count).
        history: What was applied in this life, or None if no history is kept.
    """

    __slots__ = (
        "_memo",
        "_pacing",
        "epoch",
        "handled",
        "history",
        "spec",
        "state",
        "subscriptions",
        "supervisor",
        "version",
    )

    def __init__(self, id: str, spec: ProcessSpec, supervisor: Supervisor, version: int) -> None:
        super().__init__(id, supervisor.background)
        self.spec = spec
        self.supervisor = supervisor
        self.state: State = EMPTY
        self.version = version
        self.epoch = 0
        self.handled = 0
        self.history: History | None = None
        self.subscriptions: Subscriptions | None = None
        self._memo: Memo | None = None
        self._pacing: Pacing | None = None

    @abstractmethod
    def enter(self) -> None:
        """Note that a message came.

        Raises:
            SessionStopped: The session is over.
            SessionNotFound: It never began.
        """

    @abstractmethod
    def later(self, delay: float, pure: bool, work: Work, *args: Any) -> Timer:
        """Post work in ``delay`` seconds, unless this life ends before or the timer is cancelled."""

    @property
    def pacing(self) -> Pacing:
        """What is throttled or debounced in this life, made when first needed."""
        if self._pacing is None:
            self._pacing = Pacing()
        return self._pacing

    @property
    def memo(self) -> Memo:
        """The last results of created selectors in this life, made when first needed."""
        if self._memo is None:
            self._memo = Memo(self._selector_asked)
        return self._memo

    def metadata(self, **more: Any) -> dict[str, Any]:
        """Return what telemetry events say about this session."""
        return {"session_id": self.id, "process": self.spec.process, **more}

    def open(self, state: State) -> None:
        """Begin a life with this state, as its version 0; the epoch comes last, for those who look meanwhile."""
        self.state = state
        self.version = 0
        self.epoch = self.supervisor.next_epoch()
        self._pacing = None
        if self._memo is not None:
            self._memo.clear()
        limit = self.spec.history_limit
        self.history = History(state, limit) if limit else None

    # -- actions -----------------------------------------------------------------------------------------------------

    def apply(self, action: Action, route: Route, origin: str = "dispatch") -> int:
        """Apply an action and return the version after it.

        Raises:
            ReducerError: A reducer or a middleware raised; nothing was changed.
            StateMutated: In development, a slice was changed in place.
        """
        self.enter()
        if telemetry.DISPATCH in telemetry.attached:
            return self._apply_measured(action, route, origin)
        return self._apply(action, route, origin)

    def apply_unasked(self, action: Action, route: Route, origin: str = "dispatch") -> None:
        """Apply an action that nobody waits for; a failure goes to the log and to telemetry."""
        try:
            self.apply(action, route, origin)
        except SessionError as error:
            self.report(error, "action", action=action.type)

    def _apply(self, action: Action, route: Route, origin: str) -> int:
        if not self.spec.plain:
            return self._apply_draft(action, route, origin)
        changed, unmatched = reduce(self.state, action, route)
        self.handled += 1
        if changed:
            self.commit(self.state.replace(changed), changed)
        self.remember(action, origin, changed)
        for each in unmatched:
            self._guarded("unmatched", self.spec.unmatched, *each)
        if not route:
            self._guarded("unmatched", self.spec.unmatched, action, None, None)
        return self.version

    def _apply_draft(self, action: Action, route: Route, origin: str) -> int:
        draft = Draft(self, action, route)
        draft.run(self.spec.middleware if origin != "debounce" else ())  # they saw it when it was dispatched
        self.handled += len(draft.applied)
        draft.settle_paces()
        if draft.changed:
            self.commit(draft.state, draft.changed)
        for applied, changed in draft.applied:
            self.remember(applied, origin, changed)
        for unmatched in draft.unmatched:
            self._guarded("unmatched", self.spec.unmatched, *unmatched)
        return self.version

    def _apply_measured(self, action: Action, route: Route, origin: str) -> int:
        started = self.supervisor.clock.monotonic()
        error: Exception | None = None
        try:
            return self._apply(action, route, origin)
        except Exception as raised:
            error = raised
            raise
        finally:
            duration = self.supervisor.clock.monotonic() - started
            facts = self.metadata(action=action.type, origin=origin, version=self.version, error=error)
            telemetry.execute(telemetry.DISPATCH, {"duration": duration}, facts)

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, selector: Selector) -> Any:
        """Return what the selector picks."""
        self.enter()
        return select(selector, self.state, self.memo if isinstance(selector, CreatedSelector) else None)

    def remember(
        self, action: Action | None, origin: str, changed: Mapping[str, Any], shows: int | None = None
    ) -> None:
        """Put what was applied into the history, if one is kept."""
        if self.history is not None:
            self.history.add(action, self.version, self.supervisor.clock.time(), origin, changed, shows)

    # -- subscriptions -----------------------------------------------------------------------------------------------

    def subscribe(
        self, selectors: Mapping[str, Selector], receiver: Receiver, since: tuple[int, int] | None = None
    ) -> tuple[Subscriber, bool]:
        """Subscribe and tell the receiver its first values.

        Args:
            selectors: The selector behind each event name.
            receiver: Who is told.
            since: The (epoch, version) that it has already.

        Returns the subscriber, and whether ``since`` is a point of this life.
        """
        self.enter()
        if self.spec.development is not None:
            self.spec.development.check_selectors(selectors, self.state)
        if self.subscriptions is None:
            self.subscriptions = Subscriptions(self.memo)
        known = since is not None and since[0] == self.epoch and 0 <= since[1] <= self.version
        version = since[1] if since is not None and known else None
        subscriber, first = self.subscriptions.add(selectors, receiver, self.state, self.version, version)
        telemetry.execute(telemetry.SUBSCRIBE, {"count": len(selectors)}, self.metadata(events=tuple(selectors)))
        self._guarded("receiver", receiver.changed, first, self.epoch, self.version)
        return subscriber, known

    def disown(self, receiver: Receiver) -> None:
        """End the subscriptions of a receiver whose owner has gone before it learned of them."""
        subscribers = () if self.subscriptions is None else self.subscriptions.subscribers
        if theirs := [each for each in subscribers if each.active and each.receiver is receiver]:
            for subscriber in theirs:
                subscriber.active = False
            self.purge_subscriptions()

    @abstractmethod
    def purge_subscriptions(self) -> None:
        """Forget those who have unsubscribed, which counts as a message."""

    # -- commit ------------------------------------------------------------------------------------------------------

    def commit(self, state: State, changed: Mapping[str, Any]) -> None:
        """Make this the state, count it, and tell whom it concerns."""
        self.state = state
        self.version += 1
        if telemetry.COMMIT in telemetry.attached:
            facts = self.metadata(epoch=self.epoch, version=self.version, slices=tuple(changed))
            telemetry.execute(telemetry.COMMIT, {"count": 1}, facts)
        if self.subscriptions is not None:
            self._tell(self.subscriptions.commit(state, changed, self.version))

    def _tell(self, told: Told) -> None:
        for subscriber, changes in told.changes.items():
            if subscriber.active:
                self._guarded("receiver", subscriber.receiver.changed, changes, self.epoch, self.version)
        for subscriber, error in told.failures.items():
            self.report(error, "selector")
            self._guarded("receiver", subscriber.receiver.failed, error)
        if told.changes and telemetry.NOTIFICATION in telemetry.attached:
            facts = self.metadata(version=self.version)
            telemetry.execute(telemetry.NOTIFICATION, {"count": len(told.changes)}, facts)

    def _selector_asked(self, selector: CreatedSelector[Any], hit: bool) -> None:
        event = telemetry.SELECTOR_HIT if hit else telemetry.SELECTOR_MISS
        if event in telemetry.attached:
            telemetry.execute(event, {"count": 1}, self.metadata(selector=selector))

    def _guarded(self, where: str, tell: Any, *args: Any) -> None:
        try:
            tell(*args)
        except Exception as error:
            self.report(error, where)

    def report(self, error: Exception, where: str, **more: Any) -> None:
        """Put a failure that no sender waits for into the log and into telemetry.

        Args:
            error: What failed.
            where: "action", "message" (a cast or info), "receiver", "selector", "unmatched" (its handler), "timer",
                "effect" or "broadcast".
            **more: Further metadata.
        """
        what = more.get("action", where)
        logger.error("session %s: %s failed: %s", self.id, what, error, exc_info=error)
        telemetry.execute(telemetry.COMMUNICATION_ERROR, {"count": 1}, self.metadata(where=where, error=error, **more))
