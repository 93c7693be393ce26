"""The store of a session: its state, how actions change it, and who is told.

Rules:
    1. A commit changes the slices, counts the version and tells the subscribers, in that order. What was given out as
       the state never changes: it is a copy, made when somebody asks and kept until the next commit.
    2. An action whose reducer raises changes nothing.
    3. What the process class does not use costs nothing: the plain way of an action knows no middleware, no paces and
       no development checks; these go by a ``Draft``. The way of most actions is shorter still, see ``shortcuts``.
    4. Receivers, selectors and the unmatched handler are guarded: what they raise is reported, and ends nothing else.
    5. The state may be read from any thread at any time. So changes of several slices are one step for other threads
       (``dict.update``, or another dict), and a copy that is kept says which commit it is of.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..core.action import Action
from ..core.errors import SessionError
from ..core.history import History, Record
from ..core.memoised import CreatedSelector, Memo
from ..core.mounts import Direct, Route, reduce
from ..core.once import Once, name_of
from ..core.reducer import Reducer
from ..core.selection import Told
from ..core.selector import Selector, select
from ..core.state import GONE, State, patch
from ..core.subscriber import Receiver, Subscriber, Tell
from ..core.subscriptions import Subscriptions
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

EMPTY: Final[dict[str, Any]] = {}
NO_DIRECT: Final[Mapping[str, Direct]] = {}


class Store(Mailbox):
    """The state of one session; the methods without an underscore are work for its mailbox.

    Attributes:
        epoch: Names the current life; no two lives of a site share one.
        version: Counts the state changes of this life, from 0; -1 before the first life began.
        slices: The committed state; nobody but a commit changes it.
        direct: The routes that ``shortcuts`` may take; none before the first action of a life, nor after the last.
        handled: How many actions were applied (count).
        copy: The last copy of the state that somebody asked for, after what it is a copy of: the slices, at a version.
        history: What was applied in this life; None before the first action, and if no history is kept.
    """

    __slots__ = (
        "_memo", "_once", "_pacing", "copy", "direct", "epoch", "handled", "history", "slices", "spec", "subscriptions",
        "supervisor", "version",
    )  # fmt: skip

    spec: ProcessSpec
    supervisor: Supervisor
    slices: dict[str, Any]
    copy: tuple[dict[str, Any], int, State] | None
    direct: Mapping[str, Direct]
    version: int
    epoch: int
    handled: int
    history: History | None
    subscriptions: Subscriptions | None
    _memo: Memo | None
    _once: Once | None
    _pacing: Pacing | None

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

    def open(self, slices: dict[str, Any]) -> None:
        """Begin a life with this state, as its version 0; the epoch comes last, for those who look meanwhile."""
        if self.version > 0:
            self.version = 0  # before the slices are there: nobody may take them for those of an old version
        self.slices = slices
        self.version = 0
        self.copy = None
        self.epoch = self.supervisor.next_epoch()
        self.history = self._pacing = None
        if self._memo is not None:
            self._memo.clear()

    # -- actions -----------------------------------------------------------------------------------------------------

    def apply(self, action: Action, route: Route, origin: str = "dispatch") -> int:
        """Apply an action and return the version after it.

        Raises:
            ReducerError: A reducer or a middleware raised; nothing was changed.
            StateMutated: In development, a slice was changed in place.
        """
        self.enter()
        if (name := name_of(action, origin)) is None:
            return self._apply_once(action, route, origin)
        if self._once is None:
            self._once = Once()
        if name not in self._once:
            self._apply_once(action, route, origin)
            self._once.note(name)
        return self.version

    def _apply_once(self, action: Action, route: Route, origin: str) -> int:
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
        changed, unmatched = reduce(self.slices, action, route)
        self.handled += 1
        self.change(action, origin, changed)
        for each in unmatched:
            self.tell_unmatched(*each)
        if not route:
            self.tell_unmatched(action, None, None)
        self.direct = self.spec.mounts.direct
        return self.version

    def _apply_draft(self, action: Action, route: Route, origin: str) -> int:
        draft = Draft(self, action, route)
        draft.run(self.spec.middleware if origin != "debounce" else ())  # they saw it when it was dispatched
        self.handled += len(draft.applied)
        draft.settle_paces()
        start, version = self.version, self.version + bool(draft.changed)
        for applied, before in draft.applied:
            self._remember(applied, origin, start, version, before, version)
            start = version
        if draft.changed:
            self.slices.update(draft.changed)
            self._committed(draft.changed)
        for unmatched in draft.unmatched:
            self.tell_unmatched(*unmatched)
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

    @property
    def state(self) -> State:
        """The committed state, as a value that stays as it is; may be asked for by any thread, at any time."""
        copy, slices, version = self.copy, self.slices, self.version
        if copy is None or copy[0] is not slices or copy[1] != version:
            copy = self.copy = slices, version, State(slices)
        return copy[2]

    # -- subscriptions -----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        selectors: Mapping[str, Selector],
        receiver: Receiver,
        since: tuple[int, int] | None = None,
        tell: Tell | None = None,
    ) -> tuple[Subscriber, bool]:
        """Subscribe and tell the receiver its first values.

        Args:
            selectors: The selector behind each event name.
            receiver: Who is told.
            since: The (epoch, version) that it has already.
            tell: See ``Subscriber``.

        Returns the subscriber, and whether ``since`` is a point of this life.
        """
        self.enter()
        if self.spec.development is not None:
            self.spec.development.check_selectors(selectors, self.state)
        if self.subscriptions is None:
            self.subscriptions = Subscriptions(self.memo)
        known = since is not None and since[0] == self.epoch and 0 <= since[1] <= self.version
        version = since[1] if since is not None and known else None
        subscriber, first = self.subscriptions.add(selectors, receiver, self.state, self.version, version, tell)
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

    def with_history(self, work: Callable[..., Any], *args: Any) -> Any:
        """Do work that needs the history; see ``travel``."""
        return work(self, *args)

    # -- commit ------------------------------------------------------------------------------------------------------

    def change(
        self, action: Action | None, origin: str, changed: Mapping[str, Any], *, shows: int | None = None
    ) -> None:
        """Commit what changed and put it into the history.

        Args:
            action: What was applied, if it was an action.
            origin: See ``HistoryEntry``.
            changed: The changed keys of the state, see ``differences``; if there is none, there is no commit.
            shows: For travellers: the version that they show; they commit in any case.
        """
        commits = bool(changed) or shows is not None
        start, version = self.version, self.version + commits
        before = {name: self.slices.get(name, GONE) for name in changed}
        self._remember(action, origin, start, version, before, version if shows is None else shows)
        if commits:
            if action is not None:
                self.slices.update(changed)
            else:  # keys may come and go
                slices = self.slices.copy()
                patch(slices, changed)
                self.slices = slices
            self._committed(changed)

    def records(self) -> History | None:
        """Return the history of this life, made when first needed; None if none is kept."""
        if self.history is None and self.spec.history_limit:
            clock = self.supervisor.clock
            self.history = History(self.spec.history_limit, clock.time() - clock.monotonic())
        return self.history

    def _remember(
        self, action: Action | None, origin: str, start: int, version: int, before: Mapping[str, Any], shows: int
    ) -> None:
        history = self.records()
        if history is not None:
            history.append(Record(action, origin, self.supervisor.clock.monotonic(), start, version, before, shows))

    def _committed(self, changed: Mapping[str, Any]) -> None:
        """Count a commit, and tell whom it concerns."""
        self.copy = None
        self.version += 1
        if telemetry.COMMIT in telemetry.attached:
            facts = self.metadata(epoch=self.epoch, version=self.version, slices=tuple(changed))
            telemetry.execute(telemetry.COMMIT, {"count": 1}, facts)
        if self.subscriptions is not None:
            self.tell(self.subscriptions, changed)

    def tell(self, subscriptions: Subscriptions, names: Iterable[str]) -> None:
        """Tell the subscribers whom a change of these slices concerns."""
        failed = None if telemetry.NOTIFICATION in telemetry.attached else self._receiver_failed
        told = subscriptions.commit(self.state, names, self.version, failed)
        if told is not None:
            self._tell(told)

    def tell_unmatched(self, action: Action, reducer: Reducer | None, name: str | None) -> None:
        """Tell the site's handler that an action was not known."""
        self._guarded("unmatched", self.spec.unmatched, action, reducer, name)

    def _tell(self, told: Told) -> None:
        receivers = told.receivers if telemetry.NOTIFICATION in telemetry.attached else None
        for subscriber, changes in told.tell(self._receiver_failed).items():
            if subscriber.active:
                try:
                    subscriber.receiver.changed(changes, self.epoch, self.version)
                except Exception as error:
                    self.report(error, "receiver")
        for subscriber, failure in told.failures.items():
            self.report(failure, "selector")
            self._guarded("receiver", subscriber.receiver.failed, failure)
        if receivers:
            facts = self.metadata(version=self.version)
            telemetry.execute(telemetry.NOTIFICATION, {"count": len(receivers)}, facts)

    def _receiver_failed(self, error: Exception) -> None:
        self.report(error, "receiver")

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
