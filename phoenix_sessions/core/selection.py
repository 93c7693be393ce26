"""A selector with the value that it last picked, shared by all who subscribe to it.

Rules:
    1. A selection is evaluated once per commit, whatever the number of its subscribers; a value that is the same or
       equal is not told again.
    2. A selector that raises ends the subscriptions on it, and nothing else.
    3. Who is the only subscriber of a selection and told value by value is told in the very loop that evaluates, since
       there may be hundreds. All others are told by the session, which gets to know here who is to be told what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from .errors import SelectorError
from .memoised import Memo
from .selector import Selector, picker, slices_of
from .subscriber import Subscriber

Failed = Callable[[Exception], None]


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

    def known_to_one_of(self, since: int | None, version: int) -> bool:
        """Return whether one who knows version ``since``, of those up to ``version``, has the value already."""
        if since is None or not self.version <= since <= version:
            return False
        return self.seen is None or since <= self.seen


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


def refresh(selections: Sequence[Selection], state: Any, version: int, failed: Failed | None) -> Told | None:
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
