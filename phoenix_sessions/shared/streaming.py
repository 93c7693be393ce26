"""The streams of a worker: who listens to which, and how what is published gets to them.

Rules:
    1. Where the engine carries notices, everything goes through it, also to this worker's own listeners: so all see its
       order. Elsewhere what is published here is put into the tap here, under its lock, unencoded.
    2. A stream has a tap for as long as somebody listens to it here; to publish needs none.
    3. While the engine tells nothing, nothing is put: what listeners are given next is the gap that says so.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from ..core.errors import ShuttingDown
from ..core.events import PREFIX, StreamEvent
from ..cursor import Cursor, Receiver
from ..tap import Tap
from .lanes import Lanes
from .parcels import Inbox, write

if TYPE_CHECKING:
    from ..runtime.background import Background
    from .engine import Engine
    from .hub import Hub


class EngineTap(Tap):
    """A tap whose items come from the engine; the hub's watch tells it, on the background loop."""

    def __init__(
        self, name: str, hub: Hub, background: Callable[[], Background], orphaned: Callable[[object], None]
    ) -> None:
        super().__init__(name, open=False, live=False, orphaned=orphaned)
        self.id = PREFIX + name
        self.fresh = False  # as the hub has it; nobody asks it here
        self._hub = hub
        self._background = background
        self._inbox = Inbox()

    def post_always(self, urgent: bool, work: Callable[..., None], *args: object) -> None:
        """Do at once what the watch says: the tap is busy for moments only."""
        work(*args)

    def look_again(self) -> None:
        """Go on, since the watch has begun; on the watch's loop, so nothing it says comes in between."""
        background = self._background()
        if not background.on_loop_thread():
            background.call_soon(self.look_again)
        elif self._hub.watched(self):
            self.resume()

    def lost(self) -> None:
        """Say that events may be missed, since the watch is interrupted."""
        self._inbox.interrupt()
        self.lose()

    def take_in(self, notice: bytes) -> None:
        """Put what the notice says, if nothing can be missing."""
        if self.live and (items := self._inbox.take(notice)):
            self.put(*items)


class Streaming:
    """The streams of a worker on one engine, or in its memory.

    Args:
        engine: What carries the events between workers; None = nothing does, they stay in this one.
        background: Where what is published to an engine waits for its answer.
        live: Without an engine: whether there are no other workers.
        debug: Without an engine: whether payloads are looked at as an engine would.
    """

    def __init__(self, engine: Engine | None, background: Callable[[], Background], *, live: bool, debug: bool) -> None:
        self._engine = engine
        self._background = background
        self._lanes = None if engine is None else Lanes(engine, background)
        self._live = live
        self._debug = debug
        self.begin_again()
        _streamings.add(self)

    def begin_again(self) -> None:
        """Have no listeners, as a forked child does: they are the parent's."""
        self._lock = threading.Lock()
        self._taps: dict[str, Tap] = {}
        self._orphans: deque[str] = deque()
        self._over = False
        if self._lanes is not None:
            self._lanes.begin_again()

    def __len__(self) -> int:
        """Return how many streams somebody listens to here (count)."""
        return len(self._taps)

    @property
    def patience(self) -> float:
        """How long (seconds) a listener waits for its engine, and a publisher at most for one round."""
        return 0.0 if self._engine is None else self._engine.patience + self._engine.backend.timeout

    # -- publishing --------------------------------------------------------------------------------------------------

    def publish(self, stream: str, event: StreamEvent) -> Future[None] | None:
        """Publish; returns the future of the engine's answer, None if there is no need of one.

        Raises:
            NotSerializable, EventTooLarge: The engine cannot carry it.
            BackendUnavailable: There is no thread to be had.
        """
        if self._lanes is None:
            self._put(stream, event)
            return None
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()
        self._lanes.post(PREFIX + stream, write(stream, event), future)
        return future

    def publish_nowait(self, stream: str, event: StreamEvent) -> bool:
        """Publish without an answer; returns whether it was taken. Raises what ``publish`` does."""
        if self._lanes is not None:
            return self._lanes.post(PREFIX + stream, write(stream, event), None)
        self._put(stream, event)
        return True

    def _put(self, stream: str, event: StreamEvent) -> None:
        if self._debug:
            write(stream, event)
        if (tap := self._taps.get(stream)) is not None:
            tap.put(event)

    def flush(self, seconds: float) -> None:
        """Wait until the engine has what was published, ``seconds`` at most."""
        if self._lanes is not None:
            self._lanes.flush(seconds)

    # -- listening ---------------------------------------------------------------------------------------------------

    def join(self, stream: str, cursor: Cursor, receiver: Receiver | None = None) -> Tap:
        """Have somebody listen; returns the tap, which may have no place for it yet.

        Raises:
            ShuttingDown: This worker has stopped.
        """
        with self._lock:
            self._forget_orphans()
            if self._over:
                raise ShuttingDown
            tap = self._taps.get(stream)
            if tap is not None:
                tap.add(cursor, receiver)
                return tap
            tap = self._taps[stream] = self._make(stream)
            tap.add(cursor, receiver)
            if isinstance(tap, EngineTap) and self._engine is not None:
                self._engine.hub.add(tap)
            return tap

    def leave(self, tap: Tap, cursor: Cursor) -> None:
        """Have somebody listen no more. Fine to repeat."""
        tap.remove(cursor)
        with self._lock:
            self._drop_if_empty(tap.name)
            self._forget_orphans()

    def end(self) -> None:
        """Tell all listeners that this worker stops; nobody can listen any more."""
        with self._lock:
            self._over = True
            taps, self._taps = list(self._taps.values()), {}
        for tap in taps:
            tap.end()
            self._close(tap)

    def _make(self, stream: str) -> Tap:
        orphaned = self.orphaned(stream)
        if self._engine is not None:
            return EngineTap(stream, self._engine.hub, self._background, orphaned)
        return Tap(stream, open=True, live=self._live, orphaned=orphaned)

    def orphaned(self, stream: str) -> Callable[[object], None]:
        """Return what a finalizer calls when a listener has gone; it takes no lock."""
        orphans = self._orphans
        return lambda _: orphans.append(stream)

    def _forget_orphans(self) -> None:
        """Drop taps whose last listener was garbage-collected; called under the lock."""
        while self._orphans:
            self._drop_if_empty(self._orphans.popleft())

    def _drop_if_empty(self, stream: str) -> None:
        tap = self._taps.get(stream)
        if tap is not None and not len(tap):
            del self._taps[stream]
            self._close(tap)

    def _close(self, tap: Tap) -> None:
        if isinstance(tap, EngineTap) and self._engine is not None:
            self._engine.hub.remove(tap)


_streamings: weakref.WeakSet[Streaming] = weakref.WeakSet()


def _after_fork() -> None:
    for streaming in list(_streamings):
        streaming.begin_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
