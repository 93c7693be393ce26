"""Asking one Redis server, or the one that Sentinels name, from threads.

Rules:
    1. redis-py keeps the connections and reads the answers; nothing of it tries anything again by itself.
    2. All waits of a verb end at the same moment: see ``bounds``.
    3. What may be run twice is tried a second time if its connection was lost, as a server loses those that it had
       when it begins anew.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from queue import Empty
from typing import Any, Final

from redis import BlockingConnectionPool, ConnectionPool
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from ...core.errors import BackendUnavailable
from .bounds import bounded, deadline
from .failures import FAILURES, perhaps_done, translate
from .options import Options
from .scripts import Script
from .wire import pack, pools_of_sentinels, settings, settings_of_sentinels

_NO_LIMIT: Final = 1 << 31


class Server:
    """The server, for all threads of an OS process; redis-py begins anew in a process that was forked.

    Args:
        options: Where it is.
        place: Another host and port than those in the options.
    """

    def __init__(self, options: Options, **place: Any) -> None:
        self._timeout = options.timeout
        self._make = partial(_pool, options, place)
        self._pool = self._make()

    def run(self, script: Script, name: str, *parts: bytes) -> Any:
        """Run a script, and return its answer.

        Args:
            script: The script.
            name: Whom it is about, for errors.
            parts: Its keys, then its arguments.

        Raises:
            BackendError: There is none.
        """
        return self._run(script, name, parts, time.monotonic() + self._timeout)

    def walk(self, until: float, cursor: str | None, script: Script, *parts: bytes) -> tuple[list[Any], str | None]:
        """Run a script over some keys; return its answer, and where to go on, None = that were all."""
        reply = self._run(script, "*", ((cursor or "0").encode(), *parts), until)
        return reply, None if reply[0] == b"0" else reply[0].decode()

    def close(self) -> None:
        """Give up all connections, those in use as soon as they are not."""
        pool, self._pool = self._pool, self._make()
        _give_up(pool)

    def ask(self, script: Script, name: str, parts: tuple[bytes, ...], until: float, *, asking: bool = False) -> Any:
        """Run a script, once.

        Args:
            script: The script.
            name: Whom it is about, for errors.
            parts: Its keys, then its arguments.
            until: How long (by the monotonic clock) the answer is waited for.
            asking: Whether to ask a server that takes a cluster's slot over just now.
        """
        if time.monotonic() >= until:
            raise BackendUnavailable(f"no answer within {self._timeout:g} s")
        deadline.until = until
        pool = self._pool
        try:
            return self._ask(pool, script, name, parts, until, asking=asking)
        finally:
            if pool is not self._pool:  # which was closed meanwhile
                _give_up(pool)

    def _ask(
        self, pool: Any, script: Script, name: str, parts: tuple[bytes, ...], until: float, *, asking: bool
    ) -> Any:
        try:
            connection: Any = pool.get_connection()
        except FAILURES as failure:
            raise translate(failure, name, sent=False) from failure
        try:
            if time.monotonic() >= until:
                raise BackendUnavailable(f"no connection within {self._timeout:g} s")
            if asking:  # which counts for one command
                connection.send_packed_command([pack(b"ASKING"), pack(*script.new, *parts)], check_health=False)
                connection.read_response()
                return connection.read_response()
            try:
                connection.send_packed_command([pack(*script.known, *parts)], check_health=False)
                return connection.read_response()
            except NoScriptError:
                connection.send_packed_command([pack(*script.new, *parts)], check_health=False)
                return connection.read_response()
        except FAILURES as failure:
            if not isinstance(failure, ResponseError) or isinstance(failure, ReadOnlyError):
                connection.disconnect()  # a late answer is nobody's, and who has become a replica is not the server
            raise translate(failure, name, sent=True) from failure
        except BaseException:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)

    def _run(self, script: Script, name: str, parts: tuple[bytes, ...], until: float) -> Any:
        try:
            return self.ask(script, name, parts, until)
        except BackendUnavailable as failure:
            if not (script.again and failure.maybe and isinstance(failure.__cause__, Disconnected)):
                raise
        try:
            return self.ask(script, name, parts, until)
        except BackendUnavailable as failure:
            raise perhaps_done(failure, maybe=True) from failure.__cause__


class _Waiting(BlockingConnectionPool):
    """A pool in which who waits for a connection keeps to the deadline, too."""

    @property
    def timeout(self) -> float:
        return max(deadline.until - time.monotonic(), 0)

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        """Leave it to the deadline."""

    def disconnect(self, inuse_connections: bool = False) -> None:
        """Close the connections that nobody uses; not all redis-py can do so, and none keeps others from them."""
        self._checkpid()
        idle: list[Any] = []
        with contextlib.suppress(Empty):
            while True:
                idle.append(self.pool.get_nowait())
        for connection in idle:
            if connection is not None:
                connection.disconnect()
            self.pool.put_nowait(connection)


def _give_up(pool: Any) -> None:
    """Close the connections that nobody uses: to take one from its user would give others his answers, or errors."""
    for each in (pool, *pools_of_sentinels(pool)):
        each.disconnect(inuse_connections=False)


def _pool(options: Options, place: dict[str, Any]) -> ConnectionPool:
    never = Retry(NoBackoff(), 0)
    given = {**parse_url(options.url), **settings(options), "retry": never, **place}
    pool: ConnectionPool
    if options.sentinels:
        sentinel = Sentinel(options.sentinels, sentinel_kwargs={**settings_of_sentinels(options), "retry": never})
        kept = {name: value for name, value in given.items() if name not in ("host", "port", "connection_class")}
        limit = options.max_connections or _NO_LIMIT
        pool = SentinelConnectionPool(options.service, sentinel, ssl=options.secure, max_connections=limit, **kept)
    else:
        make: Any = _Waiting if options.max_connections else ConnectionPool
        pool = make(max_connections=options.max_connections or _NO_LIMIT, **given)
    for each in (pool, *pools_of_sentinels(pool)):
        each.connection_class = bounded(each.connection_class, options.timeout / 2)
    return pool
