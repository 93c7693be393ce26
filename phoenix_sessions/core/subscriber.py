"""Who is told of changes, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .errors import SelectorError

if TYPE_CHECKING:
    from .selection import Selection


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
