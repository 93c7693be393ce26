"""What a commit costs without us: the client library called by hand, with a state of the same size.

Rules:
    1. Redis: the script of a commit itself, called by its hash with arguments of the same sizes, through redis-py's own
       client and pool.
    2. A database: one UPDATE that compares the version, and its commit; in PostgreSQL prepared, through psycopg.
    3. Each has a row of its own, and fails loudly if it is not done.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from phoenix_sessions import SessionRef, sessions
from phoenix_sessions.backends.base import Commit, Point, Record

from . import engines, servers
from .engines import Places

ID = "bare"


def commit_of(ref: SessionRef, action: str) -> Commit:
    """Dispatch an action, and return what was committed."""
    backend: Any = sessions.backend
    caught: list[Commit] = []
    commit = backend.commit

    def catch(id: str, given: Commit) -> tuple[bytes, ...]:
        caught.append(given)
        return commit(id, given)

    backend.commit = catch
    try:
        ref.dispatch(action, 1)
    finally:
        del backend.commit
    return caught[-1]


class BareRedis:
    """The script, by redis-py."""

    def __init__(self, ref: SessionRef, action: str) -> None:
        import redis

        from phoenix_sessions.backends.redis.records import pack_past, pack_point

        self._pack_past, self._pack_point = pack_past, pack_point
        backend: Any = sessions.backend
        commit = commit_of(ref, action)
        record = backend.load(ref.id)
        self._id = f"{ID}-{random.randbytes(4).hex()}"
        backend.create(self._id, Record(Point(1, 0), record.birth, record.state), 3600)
        script, _, *parts = backend._calls.commit(self._id, commit)
        _, self._sha, keys = script.known
        self._keys = int(keys)
        self._parts = parts
        names = (commit.id, pack_past(commit.at, commit.after), pack_point(commit.to))
        self._places = [parts.index(name) for name in names]
        self._version, self._last = 0, b""
        self._client = redis.Redis.from_url(servers.REDIS)
        self._async_client = redis.asyncio.Redis.from_url(servers.REDIS)

    def commit(self) -> None:
        """Commit, on this thread."""
        if self._client.evalsha(self._sha, self._keys, *self._next()) != 1:
            raise RuntimeError("the bare commit was not done")

    async def acommit(self) -> None:
        """Commit, on this loop."""
        if await self._async_client.evalsha(self._sha, self._keys, *self._next()) != 1:
            raise RuntimeError("the bare commit was not done")

    def _next(self) -> list[bytes]:
        parts, version = self._parts, self._version
        self._version = version + 1
        id, past, to = self._places
        parts[past], parts[to] = self._pack_past(Point(1, version), self._last), self._pack_point(Point(1, version + 1))
        parts[id] = self._last = random.randbytes(8)
        return list(parts)


_TABLE = "CREATE TABLE IF NOT EXISTS bare (id varchar(64) PRIMARY KEY, version bigint, state {bytes})"
_UPDATE = "UPDATE bare SET version = {0}, state = {0} WHERE id = {0} AND version = {0}"


def bare_postgresql(found: Places, state: bytes, *, synchronous: bool) -> Callable[[], None]:
    """Return what commits by psycopg."""
    import psycopg

    options = "" if synchronous else "-c synchronous_commit=off"
    place = {**servers.POSTGRESQL, "dbname": found["postgresql"]["NAME"]}
    connection = psycopg.connect(**place, autocommit=True, options=options)
    connection.execute(_TABLE.format(bytes="bytea"))
    id = f"{ID}-{random.randbytes(4).hex()}"
    connection.execute("INSERT INTO bare VALUES (%s, 0, %s)", (id, state))
    update, version = _UPDATE.format("%s"), 0

    def commit() -> None:
        nonlocal version
        if connection.execute(update, (version + 1, state, id, version), prepare=True).rowcount != 1:
            raise RuntimeError("the bare commit was not done")
        version += 1

    return commit


def bare_sqlite(found: Places, state: bytes) -> Callable[[], None]:
    """Return what commits by sqlite3."""
    connection = sqlite3.connect(found["sqlite"]["NAME"], isolation_level=None, timeout=20, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(_TABLE.format(bytes="blob"))
    id = f"{ID}-{random.randbytes(4).hex()}"
    connection.execute("INSERT INTO bare VALUES (?, 0, ?)", (id, state))
    update, version = _UPDATE.format("?"), 0

    def commit() -> None:
        nonlocal version
        connection.execute("BEGIN IMMEDIATE")
        done = connection.execute(update, (version + 1, state, id, version)).rowcount
        connection.execute("COMMIT")
        if done != 1:
            raise RuntimeError("the bare commit was not done")
        version += 1

    return commit


def bare_of(engine: str, found: Places, ref: SessionRef, action: str) -> tuple[Callable[[], None], Any]:
    """Return what commits without us in this engine, on a thread and, if it has such a way, on a loop."""
    if engine == engines.REDIS:
        bare = BareRedis(ref, action)
        acommit: Callable[[], Awaitable[None]] = bare.acommit
        return bare.commit, acommit
    state = commit_of(ref, action).state
    if engine == engines.SQLITE:
        return bare_sqlite(found, state), None
    return bare_postgresql(found, state, synchronous=engine == engines.POSTGRESQL), None
