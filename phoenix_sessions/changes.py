"""Changes of a session as an async iterator, where the latest value wins.

Rules:
    1. Between two looks any number of commits becomes one change with the latest value of each event: nothing
       queues up.
    2. The last value always arrives, and versions never go back.
    3. Values cross from the committing thread to the loop by the loop's bell, once per look, not per commit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .bell import bell
from .core.errors import SelectorError
from .core.selector import Selector

if TYPE_CHECKING:
    from .ref import SessionRef
    from .subscription import Subscription


class Change(NamedTuple):
    """The latest values of what changed since the last look.

    Attributes:
        values: By event name; the first change has all.
        epoch: The life that they belong to; when it differs from the last one, the session began anew.
        version: The version that they are of.
    """

    values: Mapping[str, Any]
    epoch: int
    version: int


class Latest:
    """A receiver that keeps the latest values until a loop fetches them.

    Attributes:
        end: ("session_expired" | "terminated", reason) once the session is over.
        error: What ended the subscription, if a selector raised.
        moved_to: The session's new id, once it has moved.
    """

    def __init__(self) -> None:
        self._bell = bell()
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._values: Mapping[str, Any] | None = None  # never changed in place
        self._epoch = self._version = 0
        self._waking = False
        self.wake = asyncio.Event()
        self.end: tuple[str, str] | None = None
        self.error: SelectorError | None = None
        self.moved_to: str | None = None

    def changed(self, changes: Mapping[str, Any], epoch: int, version: int) -> None:
        """Keep these values, over older ones."""
        with self._lock:
            older = self._values
            self._values = changes if older is None or epoch != self._epoch else {**older, **changes}
            self._epoch, self._version = epoch, version
        self._wake_loop()

    def ended(self, event: str, reason: str) -> None:
        """Keep that the session is over."""
        self.end = (event, reason)
        self._wake_loop()

    def failed(self, error: SelectorError) -> None:
        """Keep that a selector raised."""
        self.error = error
        self._wake_loop()

    def moved(self, session_id: str) -> None:
        """Keep where the session went."""
        self.moved_to = session_id
        self._wake_loop()

    def take(self) -> tuple[Mapping[str, Any], int, int] | None:
        """Return what has changed since the last call, as the fields of a Change, or None."""
        if self._values is None:
            return None  # who changes that wakes the loop after it
        with self._lock:
            self._waking = False
            values, self._values = self._values, None
            return None if values is None else (values, self._epoch, self._version)

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.end is not None or self.error is not None

    def _wake_loop(self) -> None:
        if threading.get_ident() == self._thread:
            self.wake.set()
            return
        with self._lock:
            if self._waking:
                return
            self._waking = True
        try:
            rung = self._bell.ring(self._woken)
        except BaseException:  # an interrupt: the next value rings
            self._waking = False
            raise
        if not rung:
            self.end = self.end or ("terminated", "its event loop is closed")

    def _woken(self) -> None:
        with self._lock:
            self._waking = False
        self.wake.set()


class Changes:
    """What ``ref.changes(count="counter.count")`` gives: ``async with`` it, then ``async for change in`` it.

    The iteration ends when the session does. Raises SelectorError where a selector raised.
    """

    def __init__(self, ref: SessionRef, selectors: Mapping[str, Selector]) -> None:
        self._ref = ref
        self._selectors = selectors
        self._latest: Latest | None = None
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> Self:
        self._latest = Latest()
        self._subscription, _ = await self._ref.asubscribe_all(self._selectors, self._latest)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._subscription is not None:
            self._subscription.unsubscribe()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        latest = self._latest
        if latest is None:
            raise RuntimeError("enter it first: async with ref.changes(...) as changes")
        while True:
            latest.wake.clear()
            change = latest.take()
            if change is not None:
                return Change(*change)
            if latest.error is not None:
                raise latest.error
            if latest.over:
                raise StopAsyncIteration
            await latest.wake.wait()
