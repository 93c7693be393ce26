"""A subscription as its owner holds it.

Rules:
    1. The receiver is called with ``(event_name, value)`` on the thread that commits, while the session is busy: it
       must not block, and of the session it may use only what never waits (dispatch_nowait, cast, ref.state, …).
    2. A bound method belongs to its object, which is held weakly: when that goes, the subscription ends. A function is
       held until ``unsubscribe``.
    3. When the session ends, the receiver gets ``("session_expired" | "terminated", reason)``, and nothing more.
    4. A receiver that raises is reported; the session and its other subscribers do not notice.
"""

from __future__ import annotations

import contextlib
import inspect
import weakref
from collections.abc import Callable, Mapping
from types import MethodType, TracebackType
from typing import Any, Self

from .core.errors import MailboxFull, SelectorError
from .core.subscriber import Subscriber
from .runtime.session import Session

EventReceiver = Callable[[str, Any], None]


class Subscription:
    """What ``ref.subscribe`` returns; leave its ``with`` block, or call ``unsubscribe``, to end it."""

    __slots__ = ("_session", "_subscriber")

    def __init__(self, session: Session, subscriber: Subscriber) -> None:
        self._session = session
        self._subscriber = subscriber

    @property
    def active(self) -> bool:
        """Whether the receiver may still be called."""
        return self._subscriber.active

    def unsubscribe(self) -> None:
        """End the subscription; nothing comes after this returns on the committing thread. Fine to repeat."""
        if self._subscriber.active:
            self._subscriber.active = False
            with contextlib.suppress(MailboxFull):  # the session forgets it when it next looks
                self._session.post(True, self._session.purge_subscriptions)

    def drop(self) -> None:
        """End it without a message, as a finalizer must; the session forgets it when it next looks."""
        self._subscriber.active = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.unsubscribe()


class FunctionReceiver:
    """Tells a function, or a method whose object is held weakly."""

    __slots__ = ("_function", "_weak", "subscriber")

    def __init__(self, function: EventReceiver) -> None:
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"receiver {function!r} must be a plain function of (event_name, value); "
                f"in async code use: async with ref.changes(...) as changes"
            )
        self.subscriber: Subscriber | None = None
        self._weak: weakref.WeakMethod[Any] | None = None
        self._function: EventReceiver | None = None
        if isinstance(function, MethodType):
            self._weak = weakref.WeakMethod(function, self._orphaned)
        else:
            self._function = function

    @property
    def tell(self) -> EventReceiver:
        """What is called with each new value."""
        return self._function or self._tell

    def changed(self, changes: Mapping[str, Any], epoch: int, version: int) -> None:
        """Tell the first values."""
        for event, value in changes.items():
            self._tell(event, value)

    def ended(self, event: str, reason: str) -> None:
        """Tell that the session is over."""
        self._tell(event, reason)

    def failed(self, error: SelectorError) -> None:
        """Tell nothing: the session has reported it."""

    def moved(self, session_id: str) -> None:
        """Tell nothing: the subscription goes on."""

    def _tell(self, event: str, value: Any) -> None:
        function = self._function if self._weak is None else self._weak()
        if function is not None:
            function(event, value)

    def _orphaned(self, _: object) -> None:
        if self.subscriber is not None:
            self.subscriber.active = False  # the session forgets it when it next looks
