"""Who wants to know which part of the state, and what each is told after a commit.

Rules:
    1. Equal selectors share one ``Selection``: it is evaluated once per commit, whatever the number of subscribers.
    2. A selection that depends on known slices (a path, or a selector created from paths) is not evaluated while those
       are the same objects; a value that is the same or equal is not told again.
    3. All that one commit changes for a subscription is told at once, with the version.
    4. A selector that raises ends the subscriptions on it, and nothing else.
    5. Such a selection keeps its last value for ``MAX_IDLE`` selections after its last subscriber left, so that a
       subscriber that comes back is told only what it missed.
    6. Who is told value by value (``Subscriber.tell``) is told by a bare loop, since there may be hundreds. All others
       are told by the session, which gets to know here who is to be told what.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec

from .errors import SelectorError
from .memoised import Memo
from .selector import ANY_SLICE, Selector, picker, slices_of

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


Tell = Callable[[str, Any], None]
Failed = Callable[[Exception], None]


class Subscriber:
    """One subscription in the tables: a receiver and the selections behind its event names.

    Attributes:
        receiver: Who is told.
        tell: Told each new value by itself, with its event name, in place of ``receiver.changed``; or None.
        events: The selection behind each event name.
        event: Its only event name, if it has a ``tell``.
        active: Whether it is still told.
    """

    __slots__ = ("__weakref__", "active", "event", "events", "receiver", "tell")

    def __init__(self, receiver: Receiver, tell: Tell | None = None) -> None:
        self.receiver = receiver
        self.tell = tell
        self.event = ""
        self.events: dict[str, Selection] = {}
        self.active = True


class Selection:
    """A selector with the value that it last picked.

    Attributes:
        selector: The selector.
        pick: Returns what it picks out of a state.
        version: The version at which the value last changed.
        slices: The slices that it depends on, or (None,).
        seen: The version up to which the value is known, once nobody subscribes; None while somebody does.
        subscribers: Who is told, and by which event name.
        alone: The subscriber, if it is the only one and told value by value.
    """

    __slots__ = ("alone", "pick", "seen", "selector", "slices", "subscribers", "value", "version")

    def __init__(self, selector: Selector, memo: Memo | None) -> None:
        self.selector = selector
        self.pick = picker(selector, memo)
        self.value: Any = None
        self.version = 0
        self.slices = slices_of(selector)
        self.seen: int | None = None
        self.subscribers: list[tuple[Subscriber, str]] = []
        self.alone: Subscriber | None = None

    def join(self, subscriber: Subscriber, event: str) -> None:
        """Have a subscriber told, too."""
        self.subscribers.append((subscriber, event))
        self._settle()

    def leave(self, subscriber: Subscriber) -> None:
        """Have a subscriber told no more."""
        self.subscribers = [pair for pair in self.subscribers if pair[0] is not subscriber]
        self._settle()

    def _settle(self) -> None:
        only = self.subscribers[0][0] if len(self.subscribers) == 1 else None
        self.alone = only if only is not None and only.tell is not None else None

    def begin(self, state: Any, version: int) -> None:
        """Take the first value of a life, or of the selection itself.

        Raises:
            SelectorError: The selector raised.
        """
        try:
            self.value = self.pick(state)
        except Exception as error:
            raise SelectorError(self.selector, error) from error
        self.version = version

    def refresh(self, state: Any, version: int) -> None:
        """Look at the value again, after nobody has for a while.

        Raises:
            SelectorError: The selector or the comparison raised.
        """
        try:
            value = self.pick(state)
            if value is self.value or value == self.value:
                return
        except Exception as error:
            raise SelectorError(self.selector, error) from error
        self.value, self.version = value, version


class Told(msgspec.Struct):
    """What a commit tells whom.

    Attributes:
        changed: The selections that have a new value, but for those whose only subscriber was told at once.
        failures: The subscribers whose selector raised; they are not subscribed any more.
    """

    changed: list[Selection]
    failures: dict[Subscriber, SelectorError]

    def tell(self, failed: Failed) -> dict[Subscriber, dict[str, Any]]:
        """Tell those who are told value by value; return the new values of each of the others, by event name.

        Args:
            failed: Told what one of them raised.
        """
        others: dict[Subscriber, dict[str, Any]] = {}
        for selection in self.changed:
            value = selection.value
            for subscriber, event in selection.subscribers:
                if not subscriber.active:
                    continue
                if (tell := subscriber.tell) is None:
                    others.setdefault(subscriber, {})[event] = value
                    continue
                try:
                    tell(event, value)
                except Exception as error:
                    failed(error)
        return others

    @property
    def receivers(self) -> set[Subscriber]:
        """Those who are told a new value."""
        everybody = (pair for selection in self.changed for pair in selection.subscribers)
        return {subscriber for subscriber, _ in everybody if subscriber.active}


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
        self,
        selectors: Mapping[str, Selector],
        receiver: Receiver,
        state: Any,
        version: int,
        since: int | None,
        tell: Tell | None = None,
    ) -> tuple[Subscriber, dict[str, Any]]:
        """Subscribe the receiver and return what to tell it first.

        Args:
            selectors: The selector behind each event name.
            receiver: Who is told.
            state: The state now.
            version: Its version.
            since: The version that the receiver has already, or None.
            tell: See ``Subscriber``.

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
        subscriber = Subscriber(receiver, tell)
        first = {}
        for event, selection in selections.items():
            if not _has(selection, since, version):
                first[event] = selection.value
            selection.seen = None
            self._keep(selection)
            selection.join(subscriber, event)
            subscriber.event = event
        subscriber.events = selections
        self.subscribers.add(subscriber)
        return subscriber, first

    def concern(self, name: str) -> bool:
        """Return whether a change of this slice may concern anybody."""
        return name in self._by_slice or None in self._by_slice

    def commit(self, state: Any, names: Iterable[str], version: int, failed: Failed | None = None) -> Told | None:
        """Return what the change of these slices tells whom, or None if it tells nobody anything more.

        Args:
            state: The state now.
            names: The slices that have changed.
            version: The version now.
            failed: Told what a subscriber raised that was told at once; None = none is.
        """
        tables = self._by_slice
        concerned = [tables[name] for name in (*names, None) if name in tables]
        if not concerned:
            return None
        selections = concerned[0]
        if len(concerned) > 1:  # one may depend on several of the slices
            selections = list(dict.fromkeys(itertools.chain(*concerned)))
        told = _refresh(selections, state, version, failed)
        if told is not None and told.failures:
            self._end_failed(told, version)
        return told

    def restart(self, state: Any) -> Told:
        """Evaluate everything on the first state of a new life and return what to tell whom: all values."""
        self.purge(0)
        told = Told([], {})
        for selection in list(self._selections.values()):
            try:
                selection.begin(state, 0)
            except SelectorError as error:
                told.failures.update((subscriber, error) for subscriber, _ in selection.subscribers)
                del self._selections[_key(selection.selector)]
            else:
                told.changed.append(selection)
        self._end_failed(told, 0)
        return told

    def _end_failed(self, told: Told, version: int) -> None:
        for subscriber in told.failures:
            subscriber.active = False
        if told.failures:
            self.purge(version)

    def purge(self, version: int) -> None:
        """Forget the subscribers that are not active any more."""
        gone = [subscriber for subscriber in self.subscribers if not subscriber.active]
        for subscriber in gone:
            self.subscribers.discard(subscriber)
            for selection in set(subscriber.events.values()):
                selection.leave(subscriber)
                if not selection.subscribers:
                    self._leave(selection, version)

    def _selection(self, key: object, selector: Selector, state: Any, version: int) -> Selection:
        known = self._selections.get(key)
        if known is None:
            known = Selection(selector, self._memo)
            known.begin(state, version)
        elif not known.subscribers:
            known.refresh(state, version)
        return known

    def _keep(self, selection: Selection) -> None:
        """Keep a selection, and list it if it has no subscriber yet."""
        self._selections.setdefault(_key(selection.selector), selection)
        if not selection.subscribers:
            for name in selection.slices:
                self._by_slice.setdefault(name, []).append(selection)

    def _leave(self, selection: Selection, version: int) -> None:
        """Take a selection that nobody subscribes to off the lists, and keep it for a while, if it may be asked for."""
        selection.seen = version
        for name in selection.slices:
            self._unlist(name, selection)
        known = self._selections.pop(_key(selection.selector), None)
        if known is not None and selection.slices != ANY_SLICE:  # None: its selector has failed
            self._selections[_key(selection.selector)] = selection  # the last now, those left before it go first
            idle = [each for each in self._selections.values() if not each.subscribers]
            for oldest in idle[:-MAX_IDLE]:
                del self._selections[_key(oldest.selector)]

    def _unlist(self, name: str | None, selection: Selection) -> None:
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


def _refresh(selections: list[Selection], state: Any, version: int, failed: Failed | None) -> Told | None:
    """Evaluate the selections that somebody subscribes to; there may be hundreds of them, so all is done in place."""
    told: Told | None = None
    for selection in selections:
        pick, before = selection.pick, selection.value
        try:
            value = pick(state)
            if value is before or value == before:
                continue
        except Exception as error:
            failure = SelectorError(selection.selector, error)
            failure.__cause__ = error
            told = told or Told([], {})
            told.failures.update((subscriber, failure) for subscriber, _ in selection.subscribers)
            continue
        selection.value = value
        selection.version = version
        if (alone := selection.alone) is None or failed is None:
            told = told or Told([], {})
            told.changed.append(selection)
        elif alone.active and (tell := alone.tell) is not None:
            try:
                tell(alone.event, value)
            except Exception as error:
                failed(error)
    return told
