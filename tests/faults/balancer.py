"""A plain TCP balancer.

Rules:
    1. A new connection goes to the next worker, in a circle, that accepts it. If none does it is dropped.
    2. It knows nothing of HTTP, asks no worker how it is, and tries nothing again: that is the clients' business.
    3. When one end is gone, so is the other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from .ports import Port

Link = Callable[[asyncio.Transport], Awaitable[asyncio.Transport | None]]


class Balancer:
    """Passes connections on to workers.

    Attributes:
        port: Where it listens.
        first: The index of the worker that the next connection is offered to.
        stuck: Whether ``first`` stays as it is.
    """

    def __init__(self, workers: Sequence[Port]) -> None:
        self._workers = workers
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancer", daemon=True)
        self.port = 0
        self.first = 0
        self.stuck = False

    @property
    def url(self) -> str:
        """The address of the site."""
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send_to(self, index: int) -> None:
        """From now on offer new connections to this worker first."""
        self.first, self.stuck = index, True

    async def link(self, near: asyncio.Transport) -> asyncio.Transport | None:
        """Return a connection to a worker, None if no worker accepts one."""
        first = self.first
        if not self.stuck:
            self.first = (first + 1) % len(self._workers)
        for step in range(len(self._workers)):
            port = self._workers[(first + step) % len(self._workers)].number
            try:
                far, _ = await self._loop.create_connection(lambda: _End(self._ends, near), "127.0.0.1", port)
            except OSError:
                continue
            return far
        return None

    async def _listen(self) -> None:
        self._ends: set[_End] = set()
        self._server = await self._loop.create_server(
            lambda: _Start(self._ends, self.link), "127.0.0.1", 0, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        while self._ends:
            ends = list(self._ends)
            for end in ends:
                end.transport.abort()
            await asyncio.gather(*(end.lost for end in ends))


class _End(asyncio.Protocol):
    """One end of a connection: this one is the worker's."""

    def __init__(self, ends: set[_End], other: asyncio.Transport | None) -> None:
        self._ends = ends
        self.other = other
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._ends.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None:
            self.other.close()
        self._ends.discard(self)
        self.lost.set_result(None)


class _Start(_End):
    """The client's end, which is there first."""

    def __init__(self, ends: set[_End], link: Link) -> None:
        super().__init__(ends, None)
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._linking = asyncio.ensure_future(self._go_on())

    async def _go_on(self) -> None:
        far = await self._link(self.transport)
        if far is None:
            self.transport.abort()
        elif self.transport.is_closing():
            far.close()
        else:
            self.other = far
            self.transport.resume_reading()
