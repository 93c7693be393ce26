"""Who wants to know which part of the state, and what each is told after a commit.

Rules:
    1. Equal selectors share one ``Selection``.
    2. A selection that depends on known slices (a path, or a selector created from paths) is not evaluated while those
       are the same objects.
    3. All that one commit changes for a subscription is told at once, with the version; but value by value to those
       who want it so.
    4. Such a selection keeps its last value for ``MAX_IDLE`` selections after its last subscriber left, so that a
       subscriber that comes back is told only what it missed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .errors import SelectorError
from .memoised import Memo
from .selection import Failed, Selection, Told, refresh
from .selector import ANY_SLICE, Selector
from .subscriber import Receiver, Subscriber, Tell

MAX_IDLE: Final = 32


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
            if not selection.known_to_one_of(since, version):
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
        told = refresh(selections, state, version, failed)
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
                selection.seen = None if selection.subscribers else 0
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
