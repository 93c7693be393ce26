"""Watching PostgreSQL: it sends the notices of all sessions of the database, on one connection for each watch.

Rules:
    1. A notice is sent by the transaction that changes the session, and so comes after the change, or not at all.
    2. A line that brings nothing may be dead: the server is asked whether it is there, after each ``timeout`` seconds.
    3. While the connection is away nobody is watching; it is opened again, after pauses that grow to some seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from typing import Any, Final

import psycopg
from django.db import Error

from ..base import Watch, Watcher
from .connections import Connections
from .engines import Bounded
from .notices import unpack
from .postgresql import in_time

logger = logging.getLogger("phoenix_sessions")

_PAUSES: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds
_DJANGOS: Final = ("cursor_factory", "context", "prepare_threshold")


class ListeningWatch(Watch):
    """A watch that is told.

    Args:
        connections: Knows how to connect.
        watcher: Who is told.
    """

    def __init__(self, connections: Connections, watcher: Watcher) -> None:
        self._connections = connections
        self._watcher = watcher
        self._ids: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # while it listens
        self._failures = 0
        self._lost = False

    def add(self, id: str) -> None:
        """Begin to watch a session; everything is heard already, so that takes effect at once."""
        self._ids.add(id)
        if self._loop is not None:
            self._loop.call_soon(self._begin, id)

    def remove(self, id: str) -> None:
        """Stop watching a session."""
        self._ids.discard(id)

    async def run(self) -> None:
        """Listen, and tell the watcher, until cancelled."""
        try:
            while True:
                try:
                    await self._listen()
                except (psycopg.Error, Error, OSError) as error:  # TimeoutError is an OSError
                    logger.warning("the database sends no notices at the moment: %s", error)
                self._lose()
                await asyncio.sleep(_PAUSES[min(self._failures, len(_PAUSES) - 1)])
                self._failures += 1
        finally:
            self._loop = None

    async def _listen(self) -> None:
        """Tell the watcher until the connection is lost."""
        parameters = self._connections.open().get_connection_params()
        own = {name: value for name, value in parameters.items() if name not in _DJANGOS}
        timeout = self._connections.engine.timeout
        async with asyncio.timeout(timeout):
            connection: Any = await psycopg.AsyncConnection.connect(**own, autocommit=True)
        bound = _bind(connection)
        try:
            await self._say(connection, "LISTEN phoenix_sessions", bound)
            self._loop = asyncio.get_running_loop()
            self._failures, self._lost = 0, False
            for id in tuple(self._ids):
                self._begin(id)
            while True:
                async with contextlib.aclosing(connection.notifies(timeout=timeout)) as notices:
                    async for notice in notices:
                        self._tell(*unpack(notice.payload))
                await self._say(connection, "SELECT 1", bound)
        finally:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()

    async def _say(self, connection: Any, statement: str, bound: Bounded) -> None:
        """Execute a statement, and wait no longer than ``timeout``; to cancel it would wait for the answer again."""
        bound.until = time.monotonic() + self._connections.engine.timeout
        await connection.execute(statement)
        bound.until = math.inf

    def _lose(self) -> None:
        if not self._lost:
            self._watcher.lost()
        self._lost, self._loop = True, None

    def _begin(self, id: str) -> None:
        if self._loop is not None and id in self._ids:
            self._watcher.watching(id)

    def _tell(self, id: str, notice: bytes) -> None:
        if id in self._ids:
            self._watcher.noticed(id, notice)


def _bind(connection: Any) -> Bounded:
    """Let a connection wait no longer than it may, and return what says how long."""
    bound, wait = Bounded(), connection.wait
    connection.wait = lambda steps, *args, **kwargs: wait(in_time(steps, bound), *args, **kwargs)
    return bound
