"""A worker's watch: connections that listen to the channels of sessions.

Rules:
    1. What is added or removed in one turn of the loop is sent together.
    2. A watcher is told that it is watching when the server has confirmed it, and there is no later wish on its way.
    3. Each server is asked for a sign of life at intervals; one that is silent for an interval and ``timeout`` is taken
       for lost.
    4. After any loss, everything is asked for again on new connections: soon at first, then with growing pauses, of
       random length so that workers do not come back all together.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.exceptions import ConnectionError as Disconnected

from ...core.errors import BackendError
from ..base import Watch, Watcher
from .calls import Calls
from .failures import FAILURES
from .lines import Lines
from .pools import give_up
from .wire import pack

logger = logging.getLogger("phoenix_sessions")

_SILENCE: Final = 5.0
_FIRST_PAUSE: Final = 0.025
_SHORT_PAUSES: Final = 6
_LONGEST_PAUSE: Final = 2.0


def pause(failures: int) -> float:
    """Return how long to wait (seconds) before a server is asked again that has failed so often without a break."""
    longest = _LONGEST_PAUSE
    if failures <= _SHORT_PAUSES:
        longest = _FIRST_PAUSE * 2.0**failures
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


class RedisWatch(Watch):
    """A watch over sessions.

    Args:
        open: Returns new connections, which are not open yet.
        calls: What channels are called.
        timeout: How long a server may take to answer (seconds).
        watcher: Who is told.
    """

    def __init__(self, open: Callable[[], Awaitable[Lines]], calls: Calls, timeout: float, watcher: Watcher) -> None:
        self._open = open
        self._calls = calls
        self._timeout = timeout
        self._silence = min(_SILENCE, timeout)
        self._watcher = watcher
        self._ids: set[str] = set()
        self._wishes: dict[str, None] = {}  # the sessions of which something is to be sent
        self._unconfirmed: dict[str, int] = {}  # how often something was sent that is not answered yet
        self._wake = asyncio.Event()
        self._failures = 0

    def add(self, id: str) -> None:
        """Begin to watch a session."""
        self._ids.add(id)
        self._wishes[id] = None
        self._wake.set()

    def remove(self, id: str) -> None:
        """Stop watching a session."""
        self._ids.discard(id)
        self._wishes[id] = None
        self._wake.set()

    async def run(self) -> None:
        """Tell the watcher until cancelled."""
        while True:
            try:
                await self._attend()
            except (*FAILURES, BackendError, TimeoutError) as failure:
                self._failures += 1
                if self._failures == 1:
                    logger.warning("a watch over sessions in Redis has lost its connection: %s", failure)
                    self._watcher.lost()
            await asyncio.sleep(pause(self._failures))

    async def _attend(self) -> None:
        """Listen and speak until a connection is lost."""
        async with asyncio.timeout(self._timeout):
            lines = await self._open()
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(self._timeout):
                connections = await _connect(lines)
            self._unconfirmed.clear()
            self._wishes = dict.fromkeys(self._ids)
            self._wake.set()
            works = [*map(self._listen, connections), *map(self._ping, connections), self._speak(lines, connections)]
            tasks = [asyncio.create_task(work) for work in works]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *map(give_up, lines.pools), return_exceptions=True)

    # -- speaking --------------------------------------------------------------------------------------------------

    async def _speak(self, lines: Lines, connections: list[Any]) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(0)  # the turn's other wishes come with this one
            self._wake.clear()
            for connection, sent in zip(connections, self._commands(lines), strict=True):
                if sent:
                    await connection.send_packed_command([b"".join(sent)], check_health=False)

    async def _ping(self, connection: Any) -> None:
        while True:
            await asyncio.sleep(self._silence)
            await connection.send_packed_command([pack(b"PING")], check_health=False)

    def _commands(self, lines: Lines) -> list[list[bytes]]:
        """Return what is to be sent on each line."""
        wishes, self._wishes = self._wishes, {}
        commands: list[list[bytes]] = [[] for _ in lines.pools]
        shard = b"S" if lines.sharded else b""
        for id in wishes:
            self._unconfirmed[id] = self._unconfirmed.get(id, 0) + 1
            channel = self._calls.channel(id)
            verb = b"SUBSCRIBE" if id in self._ids else b"UNSUBSCRIBE"
            commands[lines.line(channel)].append(pack(shard + verb, channel))
        return commands

    # -- listening -------------------------------------------------------------------------------------------------

    async def _listen(self, connection: Any) -> None:
        while True:
            async with asyncio.timeout(self._silence + self._timeout):
                reply = await connection.read_response()
            if isinstance(reply, list) and reply[0] != b"pong":
                self._hear(*reply)

    def _hear(self, kind: bytes, channel: bytes, told: Any) -> None:
        id = self._calls.watched(channel)
        if kind in (b"message", b"smessage"):
            if id in self._ids:
                self._watcher.noticed(id, told)
            return
        left = self._unconfirmed.pop(id, 0) - 1
        if left < 0:
            raise Disconnected("the channel has moved to another node")
        if left:
            self._unconfirmed[id] = left
        elif kind in (b"subscribe", b"ssubscribe") and id in self._ids and id not in self._wishes:
            self._failures = 0
            self._watcher.watching(id)


async def _connect(lines: Lines) -> list[Any]:
    """Return a connection for each line, or none: none is opened later, when nobody would close it."""
    attempts = [asyncio.create_task(pool.get_connection()) for pool in lines.pools]
    try:
        return await asyncio.gather(*attempts)
    except BaseException:
        for attempt in attempts:
            attempt.cancel()
        await asyncio.wait(attempts)
        raise
