"""What a commit in Redis costs besides its time: the server's own, and bytes on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from phoenix_sessions import SessionRef, sessions

from . import servers
from .bare import commit_of
from .documents import LARGE, SMALL
from .measure import Fact

COMMITS = 2_000


def of_redis(ref: SessionRef) -> Iterator[Fact]:
    """Measure a commit in Redis; the history is off."""
    import redis

    from phoenix_sessions.backends.redis.wire import pack

    client = redis.Redis.from_url(servers.REDIS)
    before = _evalsha(client)
    for _ in range(COMMITS):
        ref.dispatch(SMALL, 1)
    calls, microseconds = (after - earlier for after, earlier in zip(_evalsha(client), before, strict=True))
    yield Fact("Redis: its own time for a commit", microseconds / calls, "µs")
    backend: Any = sessions.backend
    for action, what in ((SMALL, "a small slice"), (LARGE, "the slice of 1 KB")):
        commit = commit_of(ref, action)
        script, _, *parts = backend._calls.commit(ref.id, commit)
        yield Fact(f"Redis: bytes sent for a commit of {what}", len(pack(*script.known, *parts)), "bytes")
        told = pack(b"message", backend._calls.channel(ref.id), commit.notice)
        yield Fact(f"Redis: bytes to each worker that watches, {what}", len(told), "bytes")


def _evalsha(client: Any) -> tuple[int, float]:
    """Return how many scripts were run, and how long they took (µs)."""
    stats = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0, "usec": 0})
    return stats["calls"], stats["usec"]
