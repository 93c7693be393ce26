"""Asking Redis from event loops.

Rules:
    1. An event loop has connections of its own, from when it first asks until it ends: they are closed with the loop's
       asynchronous generators, as ``asyncio.run`` does before it closes a loop.
    2. A loop that was closed in another way is forgotten when the next one comes.
    3. A child process leaves alone what it inherits: the parent's loop watches the same sockets.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

from .lines import Lines
from .scripts import Script


class Way(Protocol):
    """One event loop's way to a server, or to the servers of a cluster."""

    async def run(self, script: Script, name: str, *parts: bytes) -> Any:
        """Run a script, and return its answer."""

    async def walk(
        self, until: float, cursor: str | None, script: Script, *parts: bytes
    ) -> tuple[list[Any], str | None]:
        """Run a script over some keys; return its answer, and where to go on, None = that were all."""

    async def lines(self) -> Lines:
        """Return new connections for a watch, which are not open yet."""

    async def aclose(self) -> None:
        """Give up all connections but those of watches."""


class Loops:
    """The ways of all event loops of an OS process.

    Args:
        make: Returns the way of the running loop.
    """

    def __init__(self, make: Callable[[], Way]) -> None:
        self._make = make
        self._ways: dict[AbstractEventLoop, tuple[Way, AsyncGenerator[None]]] = {}

    async def run(self, script: Script, name: str, *parts: bytes) -> Any:
        """Run a script, and return its answer; see ``Server.run``."""
        return await (await self._way()).run(script, name, *parts)

    async def walk(
        self, until: float, cursor: str | None, script: Script, *parts: bytes
    ) -> tuple[list[Any], str | None]:
        """Run a script over some keys; return its answer, and where to go on, None = that were all."""
        return await (await self._way()).walk(until, cursor, script, *parts)

    async def lines(self) -> Lines:
        """Return new connections for a watch, which are not open yet."""
        return await (await self._way()).lines()

    async def aclose(self) -> None:
        """Give up the connections of the running loop."""
        if found := self._ways.get(asyncio.get_running_loop()):
            await found[1].aclose()

    async def _way(self) -> Way:
        found = self._ways.get(asyncio.get_running_loop())
        return found[0] if found is not None else await self._open()

    async def _open(self) -> Way:
        for loop in list(self._ways):
            if loop.is_closed():
                self._ways.pop(loop, None)
        loop, way = asyncio.get_running_loop(), self._make()
        end = self._end(loop, way)
        self._ways[loop] = way, end
        await anext(end)
        return way

    async def _end(self, loop: AbstractEventLoop, way: Way) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._ways.pop(loop, None)
            await way.aclose()
