"""A stream as its users hold it: publish into it, listen to it.

Rules:
    1. Every listener on every worker is given each event once, all in one order. Nothing is stored, and nothing is
       taken together, as subscriptions do.
    2. Where events may be missing there is a ``Gap``, and no listener has more than its limit waiting.
    3. Who listens has been given a place when ``async with``, ``subscribe`` or ``asubscribe`` is through: what is
       published later comes, or a gap does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from typing import Any, Final

from .core.errors import BackendUnavailable
from .core.events import StreamEvent, check_event_name, check_stream_name
from .cursor import Receiver
from .listening import Listening, StreamListener
from .process import Seconds
from .shared.streaming import Streaming
from .waiting import refuse_on_event_loop

LIMIT: Final = 1_000
LATE: Final = 5.0
"""How much longer (seconds) a publisher waits than its lane may take."""


class Stream:
    """What ``sessions.stream(name)`` returns: a handle, which costs nothing and need not be kept.

    Attributes:
        name: The name of the stream.
    """

    __slots__ = ("_streaming", "name")

    def __init__(self, name: str, streaming: Callable[[], Streaming]) -> None:
        self.name = check_stream_name(name)
        self._streaming = streaming

    def __repr__(self) -> str:
        return f"<Stream {self.name}>"

    def publish(self, name: str, payload: Any = None) -> None:
        """Give an event to all who listen, and return when the engine has it, or this worker's listeners.

        Args:
            name: What happened, 1 to 64 characters.
            payload: Plain data, 64 KiB at most. In memory it is not copied: do not change it afterwards.

        Raises:
            ValueError: The name is none.
            NotSerializable: A shared backend cannot carry the payload (nor may others, while DEBUG is on).
            EventTooLarge: The same.
            BackendUnavailable: The engine cannot be asked. If ``maybe``, it may have been published; listeners get a
                gap as soon as that is possible. Do not publish again unless your events may come twice.
        """
        refuse_on_event_loop("publish", "use its async twin (apublish), or publish_nowait, which never waits")
        streaming = self._streaming()
        future = streaming.publish(self.name, StreamEvent(check_event_name(name), payload))
        if future is not None:
            _wait(future, 2 * streaming.patience + LATE)

    async def apublish(self, name: str, payload: Any = None) -> None:
        """Async twin of ``publish``. What is cancelled may have been published."""
        future = self._streaming().publish(self.name, StreamEvent(check_event_name(name), payload))
        if future is not None:
            await asyncio.wrap_future(future)

    def publish_nowait(self, name: str, payload: Any = None) -> bool:
        """Publish without waiting, on any thread; the events of one thread keep their order.

        At most 1,000 events, or 1 MiB, of one stream wait in a worker for the engine. Returns whether this one was
        taken; if not, or if it gets lost later, listeners get a gap.

        Raises:
            ValueError, NotSerializable, EventTooLarge: As ``publish``.
            BackendUnavailable: There is no thread to be had.
        """
        return self._streaming().publish_nowait(self.name, StreamEvent(check_event_name(name), payload))

    def listen(self, *, limit: int = LIMIT, timeout: Seconds | None = None) -> Listening:
        """Return what to listen with: ``async with stream.listen() as events: async for event in events: …``.

        Args:
            limit: How many events may wait for this listener (count). With more it is taken to the present, and gets a
                gap in their place.
            timeout: How long to wait until everything comes (seconds or timedelta); None = BACKEND_PATIENCE and the
                backend's timeout.
        """
        return Listening(self._streaming(), self.name, limit, timeout)

    def subscribe(self, receiver: Receiver, *, limit: int = LIMIT, timeout: Seconds | None = None) -> StreamListener:
        """Have a plain function called with each event and gap, one after the other; returns when everything comes.

        It is called on the publisher's thread or on the background loop's, so it must not block. A bound method belongs
        to its object, which is held weakly; a function is held until ``unsubscribe``. One that raises is reported.

        Args:
            receiver: Called with a ``StreamEvent`` or a ``Gap``; the last is ``Gap("stopped", live=False)``.
            limit: As for ``listen``.
            timeout: As for ``listen``.

        Raises:
            TypeError: The receiver is no plain function.
            BackendUnavailable: The engine cannot be listened to.
            ShuttingDown: This worker stops.
        """
        refuse_on_event_loop("subscribe")
        listener = StreamListener(self._streaming(), self.name, receiver, limit)
        with listener.kept_if_placed():
            listener.wait(timeout)
        return listener

    async def asubscribe(
        self, receiver: Receiver, *, limit: int = LIMIT, timeout: Seconds | None = None
    ) -> StreamListener:
        """Async twin of ``subscribe``."""
        listener = StreamListener(self._streaming(), self.name, receiver, limit)
        with listener.kept_if_placed():
            await asyncio.to_thread(listener.wait, timeout) if listener.waits else listener.wait(timeout)
        return listener


def _wait(future: Future[None], seconds: float) -> None:
    """Wait for the engine's answer.

    Raises:
        BackendUnavailable: There is none.
    """
    try:
        future.result(seconds)
    except LateError as error:
        if future.done():
            raise
        raise BackendUnavailable("this worker does not get to it", maybe=True) from error
