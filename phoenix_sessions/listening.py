"""Those who listen to a stream: in ``async for``, or by a function that is called.

Rules:
    1. Who has entered, or has the listener, is given what is published later, or a gap.
    2. Who leaves is given nothing more; who is garbage-collected is forgotten without a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from types import MethodType, TracebackType
from typing import Self

from .core.errors import BackendUnavailable, ShuttingDown
from .core.events import Item
from .cursor import Cursor, Receiver
from .process import Seconds
from .process import seconds as in_seconds
from .shared.streaming import Streaming
from .tap import Tap


class Listening:
    """What ``stream.listen()`` gives: ``async with`` it, then ``async for`` over events and gaps.

    Entering waits until everything comes. The iteration ends when the worker stops, after
    ``Gap("stopped", live=False)``.

    Raises on entering:
        BackendUnavailable: The engine cannot be listened to.
        ShuttingDown: This worker stops.
    """

    def __init__(self, streaming: Streaming, name: str, limit: int, timeout: Seconds | None) -> None:
        self._streaming = streaming
        self._name = name
        self._seconds = streaming.patience if timeout is None else in_seconds(timeout)
        self._cursor = Cursor(limit)
        self._tap: Tap | None = None

    @property
    def live(self) -> bool:
        """Whether everything comes at this moment."""
        return self._tap is not None and self._tap.live and not self._cursor.over

    async def __aenter__(self) -> Self:
        if self._tap is not None:
            raise RuntimeError("it was entered before: call stream.listen() again")
        cursor = self._cursor
        tap = self._tap = self._streaming.join(self._name, cursor)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    while tap.unplaced(cursor):
                        await cursor.wake.wait()
            _check(tap, cursor)
        except BaseException:
            self._streaming.leave(tap, cursor)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._tap is not None:
            self._streaming.leave(self._tap, self._cursor)

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        tap, cursor = self._tap, self._cursor
        if tap is None:
            raise RuntimeError("enter it first: async with stream.listen() as events")
        while True:
            if (item := tap.take(cursor)) is not None:
                return item
            if tap.nothing_for(cursor):
                await cursor.wake.wait()
            elif tap.over or cursor.over:
                raise StopAsyncIteration


class StreamListener:
    """What ``stream.subscribe`` returns; leave its ``with`` block, or call ``unsubscribe``, to end it."""

    def __init__(self, streaming: Streaming, name: str, receiver: Receiver, limit: int) -> None:
        if not callable(receiver) or inspect.iscoroutinefunction(receiver):
            raise TypeError(
                f"receiver {receiver!r} must be a plain function of (event); in async code use: "
                f"async with stream.listen() as events"
            )
        self._streaming = streaming
        self._cursor = Cursor(limit)
        self._tap = streaming.join(name, self._cursor, _weakly(receiver, self._cursor, streaming.orphaned(name)))

    @property
    def active(self) -> bool:
        """Whether the receiver may still be called."""
        return not (self._cursor.over or self._tap.over)

    @property
    def live(self) -> bool:
        """Whether everything comes at this moment."""
        return self.active and self._tap.live

    @property
    def waits(self) -> bool:
        """Whether not everything comes yet."""
        return self._tap.unplaced(self._cursor)

    def unsubscribe(self) -> None:
        """End it; the receiver is not called again, but for a call that is under way. Fine to repeat."""
        self._streaming.leave(self._tap, self._cursor)

    def wait(self, timeout: Seconds | None) -> None:
        """Wait until everything comes.

        Raises:
            BackendUnavailable, ShuttingDown: As ``stream.subscribe``.
        """
        seconds = self._streaming.patience if timeout is None else in_seconds(timeout)
        self._tap.wait_placed(self._cursor, seconds)
        _check(self._tap, self._cursor)

    @contextlib.contextmanager
    def kept_if_placed(self) -> Iterator[None]:
        """Have it end if it does not come to listen."""
        try:
            yield
        except BaseException:
            self.unsubscribe()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.unsubscribe()


def _check(tap: Tap, cursor: Cursor) -> None:
    """Look whether a listener has come to listen.

    Raises:
        ShuttingDown: The worker stops.
        BackendUnavailable: The engine was waited for too long.
    """
    if tap.over:
        raise ShuttingDown
    if cursor.at is None:
        raise BackendUnavailable("it does not say that it sends the events of this stream")


def _weakly(receiver: Receiver, cursor: Cursor, orphaned: Callable[[object], None]) -> Receiver:
    """Return a function that does not keep the object of a bound method alive."""
    if not isinstance(receiver, MethodType):
        return receiver

    def gone(method: object) -> None:
        cursor.over = True
        orphaned(method)

    weak = weakref.WeakMethod(receiver, gone)

    def receive(item: Item) -> None:
        if (method := weak()) is not None:
            method(item)

    return receive
