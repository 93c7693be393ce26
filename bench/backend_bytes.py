"""How many bytes an engine needs for a session."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

from phoenix_sessions import BackendUnavailable, SessionRef, sessions

from . import engines, servers
from .documents import LARGE, PROCESSES, SMALL, STATE_BYTES
from .engines import Places
from .measure import Fact, LeftOut

MOST = 1_600
"""Bytes that Redis may need for a session with a state of 1 KB."""
FILLED = 110
"""Commits (count) after which a history of 100 is full, as are the names of the last commits."""
MANY = 200_000
COPIES = 1_000
ID = 32
"""How long (letters) ids are that the middleware makes."""
_EACH = """
for copy = ARGV[2], ARGV[2] + ARGV[3] - 1 do
    local key = string.format('%s%0' .. ARGV[4] .. 'd}', ARGV[1], copy)
    DO
end
"""
_COPY = "local value, ttl = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])" + _EACH.replace(
    "DO", "redis.call('SET', key, value, 'PX', ttl)"
)
_DELETE = _EACH.replace("DO", "redis.call('DEL', key)")
TABLES = ("phoenix_sessions_session", "phoenix_sessions_log")


def in_redis(prefix: str) -> Iterator[Fact]:
    """Measure sessions in Redis: what MEMORY USAGE says of all their keys."""
    import redis

    client = redis.Redis.from_url(servers.REDIS)

    def size(id: str) -> int:
        key = f"{servers.PREFIX}:{{{id}}}"
        return sum(client.memory_usage(key + end, samples=0) or 0 for end in ("", ":log", ":actions"))

    for limit, process in PROCESSES.items():
        ref = sessions.start_session(f"{prefix}-bytes-{limit}".ljust(ID, "-"), process)
        if not limit:
            yield Fact("Redis: bytes of the state itself", len(_state(ref)), "bytes")
            yield Fact("Redis: bytes of a session of 1 KB, new", size(ref.id), "bytes", at_most=MOST)
        _dispatch(ref, SMALL)
        what = f"history of {limit}" if limit else "history off"
        yield Fact(f"Redis: bytes of a session of 1 KB, used, {what}", size(ref.id), "bytes", None if limit else MOST)
    ref = sessions.start_session(f"{prefix}-bytes-large".ljust(ID, "-"), PROCESSES[10])
    _dispatch(ref, LARGE)
    yield Fact(f"Redis: the same, history of 10 changes of {STATE_BYTES} bytes", size(ref.id), "bytes")


def among_many() -> Iterator[Fact | LeftOut]:
    """Measure what each of many sessions takes of Redis' memory, tables of keys included, and to count them."""
    import redis

    client = redis.Redis.from_url(servers.REDIS)
    ref = sessions.start_session("one-of-many".ljust(ID, "-"), PROCESSES[0])
    _dispatch(ref, SMALL)
    key, start = f"{servers.PREFIX}:{{{ref.id}}}", f"{servers.PREFIX}:{{"
    before = client.info("memory")["used_memory"]
    for first in range(0, MANY, COPIES):
        client.eval(_COPY, 1, key, start, first, COPIES, ID)
    grown = (client.info("memory")["used_memory"] - before) / MANY
    yield Fact(f"Redis: bytes of each of {MANY:,} such sessions, with the tables of keys", grown, "bytes")
    yield _count()
    for first in range(0, MANY, COPIES):
        client.eval(_DELETE, 0, start, first, COPIES, ID)


def _count() -> Fact | LeftOut:
    name = "Redis: counting 100,000 sessions"
    began = perf_counter()
    try:
        found = sessions.backend.count()
    except BackendUnavailable as error:
        return LeftOut(name, str(error))
    return Fact(name, (perf_counter() - began) / found * 1e5 * 1e3, "ms")


def _dispatch(ref: SessionRef, action: str) -> None:
    for _ in range(FILLED):
        ref.dispatch(action, 1)


def _state(ref: SessionRef) -> bytes:
    record = sessions.backend.load(ref.id)
    assert record is not None
    return record.state


class Tables:
    """What the sessions of a database need.

    Args:
        engine: The engine.
        found: The databases.
    """

    def __init__(self, engine: str, found: Places) -> None:
        self._engine = engine
        self._sqlite = engine == engines.SQLITE
        self._alias = "sqlite" if self._sqlite else "postgresql"
        self._clear()
        self._empty = self._size()

    def _clear(self) -> None:
        """Remove what another engine has left in the same tables."""
        from django.db import connections

        if not self._sqlite:
            with connections[self._alias].cursor() as cursor:
                cursor.execute(f"TRUNCATE {', '.join(TABLES)}")

    def _size(self) -> int:
        from django.db import connections

        with connections[self._alias].cursor() as cursor:
            if self._sqlite:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return self._number(cursor, "PRAGMA page_count") * self._number(cursor, "PRAGMA page_size")
            return sum(self._number(cursor, f"SELECT pg_total_relation_size('{name}')") for name in TABLES)

    def _number(self, cursor: Any, statement: str) -> int:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])

    def told(self) -> Fact:
        """Return the bytes of each of the sessions that there are."""
        from django.db import connections

        with connections[self._alias].cursor() as cursor:
            cursor.execute(f"SELECT count(*), avg(version) FROM {TABLES[0]}")
            count, version = cursor.fetchone()
        when = f"after some {version:.0f} commits each, not vacuumed" if version else "new"
        return Fact(
            f"{self._engine}: bytes of a session of 1 KB, {when}", (self._size() - self._empty) / count, "bytes"
        )
