"""Sessions in Redis 7 or later, or Valkey: each verb is one script, which the server runs in one step.

Rules:
    1. A verb is an asking, a way to the server, and what the answer means; only the way is different for threads and
       for event loops.
    2. ``scan`` and ``count`` walk over all keys of the server, others' too: they take as long as it has keys.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from ...runtime.clock import Clock
from ..base import Backend, Claim, Commit, Page, Point, Record, Watch, Watcher
from . import calls, options
from .cluster import Cluster, ClusterLink
from .links import Link
from .loops import Loops
from .scripts import PUBLISH, SHARD_PUBLISH, Scripts
from .servers import Server
from .watch import RedisWatch

_KEYS_A_STEP: Final = 10_000


class RedisBackend(Backend):
    """Sessions in Redis; its OPTIONS are those of ``options.Options``.

    What was committed can be lost if the server crashes before it wrote it down, or if a replica takes over that has
    not got it yet: Redis' own settings say how much that is (appendfsync, min-replicas-to-write).
    """

    shared = True
    durable = False
    native_async = True
    carries_notices = True

    def __init__(self, given: Mapping[str, Any], clock: Clock | None = None) -> None:
        found = options.read(given)
        super().__init__({"timeout": found.timeout}, clock)
        suffix = f"@{found.database}"
        scripts = Scripts(SHARD_PUBLISH if found.cluster else PUBLISH, suffix)
        self._calls = calls.Calls(found.prefix, scripts, suffix, clock)
        self._server = Cluster(found) if found.cluster else Server(found)
        self._loops = Loops(partial(ClusterLink if found.cluster else Link, found))

    # -- sessions --------------------------------------------------------------------------------------------------

    def load(self, id: str, known: Point | None = None, fence: int | None = None, last: bytes = b"") -> Record | None:
        """Return a session, or None if it is still what the caller knows."""
        return calls.loaded(id, fence, self._server.run(*self._calls.load(id, known, fence, last)))

    async def aload(
        self, id: str, known: Point | None = None, fence: int | None = None, last: bytes = b""
    ) -> Record | None:
        """Async twin of ``load``."""
        return calls.loaded(id, fence, await self._loops.run(*self._calls.load(id, known, fence, last)))

    def create(self, id: str, record: Record, ttl: float | None, fence: int | None = None) -> None:
        """Begin a session."""
        calls.done(id, self._server.run(*self._calls.create(id, record, ttl, fence)))

    async def acreate(self, id: str, record: Record, ttl: float | None, fence: int | None = None) -> None:
        """Async twin of ``create``."""
        calls.done(id, await self._loops.run(*self._calls.create(id, record, ttl, fence)))

    def commit(self, id: str, commit: Commit) -> tuple[bytes, ...]:
        """Change a session, in one step, and put off its expiry."""
        return calls.committed(id, commit, self._server.run(*self._calls.commit(id, commit)))

    async def acommit(self, id: str, commit: Commit) -> tuple[bytes, ...]:
        """Async twin of ``commit``."""
        return calls.committed(id, commit, await self._loops.run(*self._calls.commit(id, commit)))

    def touch(self, id: str, ttl: float | None) -> None:
        """Put off a session's expiry."""
        calls.done(id, self._server.run(*self._calls.touch(id, ttl)))

    async def atouch(self, id: str, ttl: float | None) -> None:
        """Async twin of ``touch``."""
        calls.done(id, await self._loops.run(*self._calls.touch(id, ttl)))

    def expire(self, id: str, idle: float, notice: bytes) -> float | None:
        """End a session that is idle, or return how long (seconds) it is until it may be ended."""
        return calls.expired(id, self._server.run(*self._calls.expire(id, idle, notice)))

    async def aexpire(self, id: str, idle: float, notice: bytes) -> float | None:
        """Async twin of ``expire``."""
        return calls.expired(id, await self._loops.run(*self._calls.expire(id, idle, notice)))

    def delete(self, id: str, at: Point | None, notice: bytes, last: bytes = b"") -> None:
        """End a session, and tell its watchers."""
        calls.done(id, self._server.run(*self._calls.delete(id, at, notice, last)))

    async def adelete(self, id: str, at: Point | None, notice: bytes, last: bytes = b"") -> None:
        """Async twin of ``delete``."""
        calls.done(id, await self._loops.run(*self._calls.delete(id, at, notice, last)))

    def log(self, id: str) -> list[bytes]:
        """Return the log of the session's life, oldest entry first."""
        entries: list[bytes] = self._server.run(*self._calls.log(id))
        return entries

    async def alog(self, id: str) -> list[bytes]:
        """Async twin of ``log``."""
        entries: list[bytes] = await self._loops.run(*self._calls.log(id))
        return entries

    def actions(self, id: str) -> list[bytes]:
        """Return the names of actions that the session remembers, oldest first."""
        return calls.names(self._server.run(*self._calls.actions(id)))

    async def aactions(self, id: str) -> list[bytes]:
        """Async twin of ``actions``."""
        return calls.names(await self._loops.run(*self._calls.actions(id)))

    def tell(self, id: str, notice: bytes) -> None:
        """Tell a session's watchers; nothing, if the notice is empty."""
        if notice:
            self._server.run(*self._calls.tell(id, notice))

    async def atell(self, id: str, notice: bytes) -> None:
        """Async twin of ``tell``."""
        if notice:
            await self._loops.run(*self._calls.tell(id, notice))

    def scan(self, cursor: str | None = None, count: int = 1000) -> Page:
        """Return some of all sessions: about ``count``, or as many as were found in half of the time."""
        walk = _Walk(self.timeout, cursor)
        while walk.goes_on(count):
            walk.take(*self._server.walk(walk.until, walk.cursor, *self._calls.scan(count)))
        return self._calls.page(walk.found, walk.cursor)

    async def ascan(self, cursor: str | None = None, count: int = 1000) -> Page:
        """Async twin of ``scan``."""
        walk = _Walk(self.timeout, cursor)
        while walk.goes_on(count):
            walk.take(*await self._loops.walk(walk.until, walk.cursor, *self._calls.scan(count)))
        return self._calls.page(walk.found, walk.cursor)

    def count(self) -> int:
        """Return how many sessions there are; one may be counted twice if Redis grows or shrinks meanwhile.

        Raises:
            BackendUnavailable: Also if there are more keys than can be walked over in time.
        """
        walk = _Walk(self.timeout)
        while walk.goes_on():
            walk.take(*self._server.walk(walk.until, walk.cursor, *self._calls.count(_KEYS_A_STEP)))
        return sum(walk.found)

    async def acount(self) -> int:
        """Async twin of ``count``."""
        walk = _Walk(self.timeout)
        while walk.goes_on():
            walk.take(*await self._loops.walk(walk.until, walk.cursor, *self._calls.count(_KEYS_A_STEP)))
        return sum(walk.found)

    # -- leases ----------------------------------------------------------------------------------------------------

    def claim(self, name: str, owner: str, seconds: float) -> Claim:
        """Take a lease if nobody else holds it."""
        script = self._calls.scripts.claim
        return calls.claimed(seconds, self._server.run(*self._calls.lease(script, name, owner, seconds)))

    async def aclaim(self, name: str, owner: str, seconds: float) -> Claim:
        """Async twin of ``claim``."""
        script = self._calls.scripts.claim
        return calls.claimed(seconds, await self._loops.run(*self._calls.lease(script, name, owner, seconds)))

    def renew(self, name: str, owner: str, fence: int, seconds: float) -> None:
        """Keep a lease for ``seconds`` from now."""
        script = self._calls.scripts.renew
        calls.renewed(name, fence, self._server.run(*self._calls.lease(script, name, owner, seconds, fence)))

    async def arenew(self, name: str, owner: str, fence: int, seconds: float) -> None:
        """Async twin of ``renew``."""
        script = self._calls.scripts.renew
        calls.renewed(name, fence, await self._loops.run(*self._calls.lease(script, name, owner, seconds, fence)))

    def release(self, name: str, owner: str, fence: int) -> None:
        """Give a lease back, if it is this owner's still."""
        self._server.run(*self._calls.lease(self._calls.scripts.release, name, owner, 0, fence))

    async def arelease(self, name: str, owner: str, fence: int) -> None:
        """Async twin of ``release``."""
        await self._loops.run(*self._calls.lease(self._calls.scripts.release, name, owner, 0, fence))

    # -- life ------------------------------------------------------------------------------------------------------

    def watch(self, watcher: Watcher) -> Watch:
        """Return a watch for the running event loop, with a connection of its own."""
        return RedisWatch(self._loops.lines, self._calls, self.timeout, watcher)

    def close(self) -> None:
        """Give up the connections that no event loop holds, those in use as soon as they are not."""
        self._server.close()

    async def aclose(self) -> None:
        """Give up the connections of the running event loop."""
        await self._loops.aclose()


class _Walk:
    """How far one has come with walking over all keys.

    Attributes:
        found: What was found.
        cursor: Where to go on; None = nowhere.
        until: When the time is over (by the monotonic clock).
    """

    def __init__(self, timeout: float, cursor: str | None = None) -> None:
        now = time.monotonic()
        self.found: list[Any] = []
        self.cursor = cursor
        self.until = now + timeout
        self._enough = now + timeout / 2
        self._begun = False

    def goes_on(self, wanted: int | None = None) -> bool:
        """Return whether to go on; with a number, until so many keys and births were found, or half of the time."""
        if self.cursor is None or wanted is None:
            return self.cursor is not None or not self._begun
        return len(self.found) < 2 * wanted and time.monotonic() < self._enough

    def take(self, reply: list[Any], cursor: str | None) -> None:
        """Take what a step has found."""
        self.found += reply[1:]
        self.cursor = cursor
        self._begun = True
