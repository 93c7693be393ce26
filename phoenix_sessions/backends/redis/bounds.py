"""redis-py's connections, which keep to the time of the verb that they are used for.

Rules:
    1. redis-py bounds each wait on a socket, of which there are many: to connect, for the password, for every packet of
       an answer. Here all waits of a verb end at the same moment.
    2. A thread says when that is before it takes a connection from its pool; an event loop has asyncio's timeouts.
    3. A new connection that is not ready after half of the timeout is given up, so that another server can be asked.
"""

from __future__ import annotations

import asyncio
import functools
import math
import threading
import time
from typing import Any

from redis.exceptions import TimeoutError as Overdue


class _Deadline(threading.local):
    """When all waits of the running thread end.

    Attributes:
        until: The moment (by the monotonic clock).
    """

    until = math.inf

    def left(self) -> float:
        """Return how long that is from now (seconds).

        Raises:
            TimeoutError: It is over.
        """
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        return left


deadline = _Deadline()


class _Socket:
    """A socket of which all waits end at the thread's deadline, whatever redis-py wishes."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._waits = True

    def settimeout(self, seconds: float | None) -> None:
        self._waits = seconds != 0

    def recv(self, size: int) -> bytes:
        self._bound()
        received: bytes = self._socket.recv(size)
        return received

    def recv_into(self, buffer: Any) -> int:
        self._bound()
        received: int = self._socket.recv_into(buffer)
        return received

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._bound()
            rest = rest[self._socket.send(rest) :]

    def _bound(self) -> None:
        self._socket.settimeout(deadline.left() if self._waits else 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


@functools.cache
def bounded(connection_class: Any, seconds: float) -> Any:
    """Return a class of connections for threads, which keep to ``deadline``, and are ready within so many seconds."""

    class Bounded(connection_class):
        socket_connect_timeout: float

        def connect(self) -> None:
            if self._sock is not None:
                return
            until = deadline.until
            deadline.until = min(until, time.monotonic() + seconds)
            try:
                super().connect()
            finally:
                deadline.until = until

        def _connect(self) -> _Socket:
            longest = self.socket_connect_timeout
            self.socket_connect_timeout = min(deadline.left(), longest)
            try:
                return _Socket(super()._connect())
            finally:
                self.socket_connect_timeout = longest

    return Bounded


@functools.cache
def abounded(connection_class: Any, seconds: float) -> Any:
    """Return a class of connections for event loops, which are ready within so many seconds, or given up."""

    class Bounded(connection_class):
        async def connect(self) -> None:
            if self.is_connected:
                return
            try:
                async with asyncio.timeout(seconds):
                    await super().connect()
            except BaseException as failure:
                await self.disconnect(nowait=True)
                if isinstance(failure, TimeoutError):
                    raise Overdue(f"no connection within {seconds:g} s") from failure
                raise

    return Bounded
