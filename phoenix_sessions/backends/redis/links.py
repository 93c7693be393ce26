"""Asking one Redis server, or the one that Sentinels name, from one event loop.

Rules:
    1. redis-py keeps the connections and reads the answers; nothing of it tries anything again by itself.
    2. One timeout is around everything, so that redis-py need not set one for each step.
    3. What may be run twice is tried a second time if its connection was lost, as a server loses those that it had
       when it begins anew.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from ...core.errors import BackendUnavailable
from .failures import FAILURES, is_refusal, perhaps_done, translate
from .lines import Lines
from .options import Options
from .pools import give_up, make_pool
from .scripts import Script
from .wire import pack

_PLACES: Final = 50


class Sending:
    """How far an asking has come.

    Attributes:
        sent: Whether the server may have got it.
    """

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = False


class Link:
    """One event loop's connections to the server.

    Args:
        options: Where it is.
        place: Another host and port than those in the options.
    """

    def __init__(self, options: Options, **place: Any) -> None:
        limit = options.max_connections or _PLACES
        self._options = options
        self._timeout = options.timeout
        self._place = place
        self._pool = make_pool(options, limit, place)
        self._retired = False
        self._places = asyncio.Semaphore(limit)

    async def run(self, script: Script, name: str, *parts: bytes) -> Any:
        """Run a script, and return its answer; see ``Server.run``."""
        return await self._run(script, name, parts, self._timeout)

    async def walk(
        self, until: float, cursor: str | None, script: Script, *parts: bytes
    ) -> tuple[list[Any], str | None]:
        """Run a script over some keys; return its answer, and where to go on, None = that were all."""
        reply = await self._run(script, "*", ((cursor or "0").encode(), *parts), until - time.monotonic())
        return reply, None if reply[0] == b"0" else reply[0].decode()

    async def lines(self) -> Lines:
        """Return a new connection for a watch, which is not open yet."""
        return Lines([self.line()], lambda channel: 0, sharded=False)

    def line(self) -> ConnectionPool:
        """Return a pool for one more connection, which is not open yet."""
        return make_pool(self._options, 1, self._place)

    async def aclose(self) -> None:
        """Give up all connections but those of watches."""
        await give_up(self._pool)

    async def retire(self) -> None:
        """Give up the connections that nobody uses, and each of the others when it is used no more."""
        self._retired = True
        await self._pool.disconnect(inuse_connections=False)

    async def ask(self, sending: Sending, script: Script, parts: tuple[bytes, ...], *, asking: bool = False) -> Any:
        """Run a script, once; raise what redis-py raises.

        Args:
            sending: Is told when the server may have got it.
            script: The script.
            parts: Its keys, then its arguments.
            asking: Whether to ask a server that takes a cluster's slot over just now.
        """
        async with self._places:
            connection = await self._pool.get_connection()
            try:
                sending.sent = True
                if asking:  # which counts for one command
                    both = [pack(b"ASKING"), pack(*script.new, *parts)]
                    await connection.send_packed_command(both, check_health=False)
                    await connection.read_response()
                    return await connection.read_response()
                try:
                    await connection.send_packed_command([pack(*script.known, *parts)], check_health=False)
                    return await connection.read_response()
                except NoScriptError:
                    await connection.send_packed_command([pack(*script.new, *parts)], check_health=False)
                    return await connection.read_response()
            except BaseException as failure:
                if not isinstance(failure, ResponseError) or isinstance(failure, ReadOnlyError):
                    await connection.disconnect(nowait=True)
                raise
            finally:
                if self._retired:
                    await connection.disconnect(nowait=True)
                await self._pool.release(connection)

    async def _run(self, script: Script, name: str, parts: tuple[bytes, ...], timeout: float) -> Any:
        sending = Sending()
        maybe = False
        try:
            async with asyncio.timeout(timeout):
                try:
                    return await self.ask(sending, script, parts)
                except Disconnected as failure:
                    if not (script.again and sending.sent) or is_refusal(failure):
                        raise
                    maybe = True
                    return await self.ask(sending, script, parts)
        except TimeoutError as failure:
            raise BackendUnavailable(f"no answer within {timeout:g} s", maybe=sending.sent) from failure
        except FAILURES as failure:
            error = translate(failure, name, sent=sending.sent)
            if maybe and isinstance(error, BackendUnavailable):
                error = perhaps_done(error, maybe=True)
            raise error from failure
