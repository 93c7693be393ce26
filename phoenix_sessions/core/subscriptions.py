"""Who wants to know which part of the state, and what each is told after a commit.

Rules:
    1. Equal selectors share one ``Selection``: it is evaluated once per commit, whatever the number of subscribers.
    2. A selection that depends on known slices (a path, or a selector created from paths) is not evaluated while those
       are the same objects; a value that is the same or equal is not told again.
    3. All that one commit changes for a subscription is told at once, with the version.
    4. A selector that raises ends the subscriptions on it, and nothing else.
    5. Such a selection keeps its last value for ``MAX_IDLE`` selections after its last subscriber left, so that a
       subscriber that comes back is told only what it missed.

Nothing here calls a receiver: the tables say who is to be told what, the session does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from .errors import SelectorError
from .memoised import Memo
from .selector import ANY_SLICE, Selector, select, slices_of

MAX_IDLE: Final = 32


class Receiver(Protocol):
    """Whoever is told; called while the session is busy with the message, so it must not block."""

    def changed(self, changes: Mapping[str, Any], epoch: int, version: int) -> None:
        """Take the new values, by event name."""

    def ended(self, event: str, reason: str) -> None:
        """Learn that the session is over: ``"session_expired"`` or ``"terminated"``."""

    def failed(self, error: SelectorError) -> None:
        """Learn that a selector raised, which ended this subscription."""

    def moved(self, session_id: str) -> None:
        """Learn that the session goes on under another id."""


class Subscriber:
    """One subscription in the tables: a receiver and the selections behind its event names."""

    __slots__ = ("__weakref__", "active", "events", "receiver")

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.events: dict[str, Selection] = {}
        self.active = True


class Selection:
    """A selector with the value that it last picked.

    Attributes:
        version: The version at which the value last changed.
        checked: The version at which it was last evaluated.
        slices: The slices that it depends on, or (None,).
        seen: The version up to which the value is known, once nobody subscribes; None while somebody does.
    """

    __slots__ = ("checked", "seen", "selector", "slices", "subscribers", "value", "version")

    def __init__(self, selector: Selector, value: Any, version: int) -> None:
        self.selector = selector
        self.value = value
        self.version = self.checked = version
        self.slices = slices_of(selector)
        self.seen: int | None = None
        self.subscribers: list[tuple[Subscriber, str]] = []

    def refresh(self, state: Any, version: int, memo: Memo | None) -> bool:
        """Evaluate the selector and return whether the value changed.

        Raises:
            SelectorError: The selector or the comparison raised.
        """
        self.checked = version
        value = select(self.selector, state, memo)
        if value is self.value or self._equals(value):
            return False
        self.value, self.version = value, version
        return True

    def _equals(self, value: Any) -> bool:
        try:
            return bool(value == self.value)
        except Exception as error:
            raise SelectorError(self.selector, error) from error


class Told(NamedTuple):
    """What a commit tells whom.

    Attributes:
        changes: The new values of each subscriber, by event name.
        failures: The subscribers whose selector raised; they are not subscribed any more.
    """

    changes: dict[Subscriber, dict[str, Any]]
    failures: dict[Subscriber, SelectorError]


class Subscriptions:
    """The subscriptions of one session.

    Args:
        memo: Where its created selectors find their last results.
    """

    __slots__ = ("_by_slice", "_memo", "_selections", "subscribers")

    def __init__(self, memo: Memo | None = None) -> None:
        self._memo = memo
        self.subscribers: set[Subscriber] = set()
        self._selections: dict[object, Selection] = {}
        self._by_slice: dict[str | None, list[Selection]] = {}

    def __bool__(self) -> bool:
        """Return whether anybody is subscribed (who has unsubscribed, or was collected, does not count)."""
        return any(subscriber.active for subscriber in self.subscribers)

    def __len__(self) -> int:
        return sum(subscriber.active for subscriber in tuple(self.subscribers))  # others come and go meanwhile

    def add(
        self, selectors: Mapping[str, Selector], receiver: Receiver, state: Any, version: int, since: int | None
    ) -> tuple[Subscriber, dict[str, Any]]:
        """Subscribe the receiver and return what to tell it first.

        Args:
            selectors: The selector behind each event name.
            receiver: Who is told.
            state: The state now.
            version: Its version.
            since: The version that the receiver has already, or None.

        Raises:
            SelectorError: A selector raised; nothing was subscribed.
        """
        self.purge(version)
        picked: dict[object, Selection] = {}
        selections: dict[str, Selection] = {}
        for event, selector in selectors.items():
            key = _key(selector)
            if key not in picked:
                picked[key] = self._selection(key, selector, state, version)
            selections[event] = picked[key]
        subscriber = Subscriber(receiver)
        first = {}
        for event, selection in selections.items():
            if not _has(selection, since, version):
                first[event] = selection.value
            selection.seen = None
            self._keep(selection)
            selection.subscribers.append((subscriber, event))
        subscriber.events = selections
        self.subscribers.add(subscriber)
        return subscriber, first

    def commit(self, state: Any, names: Iterable[str], version: int) -> Told:
        """Return what the change of these slices tells whom."""
        told = Told({}, {})
        for name in (*names, None):
            for selection in self._by_slice.get(name, ()):
                if selection.subscribers and selection.checked != version:
                    _refresh(selection, state, version, self._memo, told)
        self._end_failed(told, version)
        return told

    def restart(self, state: Any) -> Told:
        """Evaluate everything on the first state of a new life and return what to tell whom: all values."""
        self.purge(0)
        told = Told({}, {})
        for selection in list(self._selections.values()):
            try:
                selection.value = select(selection.selector, state, self._memo)
                selection.version = selection.checked = 0
            except SelectorError as error:
                told.failures.update((subscriber, error) for subscriber, _ in selection.subscribers)
                self._drop(selection)
                continue
            for subscriber, event in selection.subscribers:
                told.changes.setdefault(subscriber, {})[event] = selection.value
        self._end_failed(told, 0)
        return told

    def _end_failed(self, told: Told, version: int) -> None:
        for subscriber in told.failures:
            subscriber.active = False
            told.changes.pop(subscriber, None)
        if told.failures:
            self.purge(version)

    def purge(self, version: int) -> None:
        """Forget the subscribers that are not active any more."""
        gone = [subscriber for subscriber in self.subscribers if not subscriber.active]
        for subscriber in gone:
            self.subscribers.discard(subscriber)
            for selection in set(subscriber.events.values()):
                selection.subscribers = [pair for pair in selection.subscribers if pair[0] is not subscriber]
                if not selection.subscribers:
                    self._leave(selection, version)

    def _selection(self, key: object, selector: Selector, state: Any, version: int) -> Selection:
        known = self._selections.get(key)
        if known is None:
            return Selection(selector, select(selector, state, self._memo), version)
        if not known.subscribers:
            known.refresh(state, version, self._memo)
        return known

    def _keep(self, selection: Selection) -> None:
        key = _key(selection.selector)
        if key not in self._selections:
            self._selections[key] = selection
            for name in selection.slices:
                self._by_slice.setdefault(name, []).append(selection)

    def _leave(self, selection: Selection, version: int) -> None:
        selection.seen = version
        if selection.slices == ANY_SLICE:
            self._drop(selection)
            return
        key = _key(selection.selector)
        if self._selections.pop(key, None) is not None:  # None: its selector has failed
            self._selections[key] = selection  # the last now, those left before it go first
        idle = [each for each in self._selections.values() if not each.subscribers]
        for oldest in idle[:-MAX_IDLE]:
            self._drop(oldest)

    def _drop(self, selection: Selection) -> None:
        self._selections.pop(_key(selection.selector), None)
        for name in selection.slices:
            rest = [each for each in self._by_slice.get(name, ()) if each is not selection]
            if rest:
                self._by_slice[name] = rest
            else:
                self._by_slice.pop(name, None)


def _key(selector: Selector) -> object:
    """Return what equal selectors have in common; one that cannot be hashed is equal to itself only."""
    try:
        hash(selector)
    except TypeError:
        return id(selector)
    return selector


def _has(selection: Selection, since: int | None, version: int) -> bool:
    """Return whether one who knows version ``since`` has the selection's value already."""
    if since is None or not selection.version <= since <= version:
        return False
    return selection.seen is None or since <= selection.seen


def _refresh(selection: Selection, state: Any, version: int, memo: Memo | None, told: Told) -> None:
    try:
        if not selection.refresh(state, version, memo):
            return
    except SelectorError as error:
        told.failures.update((subscriber, error) for subscriber, _ in selection.subscribers)
        return
    for subscriber, event in selection.subscribers:
        if subscriber.active:
            told.changes.setdefault(subscriber, {})[event] = selection.value
