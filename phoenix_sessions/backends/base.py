"""What a shared backend does: the contract, which docs/reference/backend-spec.md spells out.

Rules:
    1. A backend knows bytes and numbers only: no actions, no reducers, no process classes.
    2. A change is compare-and-set, and one step: all of a commit happens, or none of it.
    3. A failed read is never "not found": what cannot be known is ``BackendUnavailable``. Every verb returns or raises
       within the backend's ``timeout``.
    4. Every verb has an ``a…`` twin, which holds up no event loop. A backend without asynchronous ways of its own
       inherits twins that use a thread.
    5. Idle time goes by the engine's clock; a worker's clock decides nothing that is shared.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple, Protocol

import msgspec

from ..runtime.clock import Clock

COMMIT_ID_BYTES: Final = 8
ACTION_ID_BYTES: Final = 8
TIMEOUT: Final = 3.0


class Point(NamedTuple):
    """A moment of a session.

    Attributes:
        epoch: The name of the life, below 2**53.
        version: How many times the state has changed in that life, below 2**40.
    """

    epoch: int
    version: int


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A session as the engine holds it.

    Attributes:
        at: Its epoch and version.
        birth: How it was started; never changes.
        state: Its state.
        last: The name of the commit that led to ``at``; empty if the session was created there, whatever ``create`` was
            given. An engine that has lost commits may come to the same ``at`` again by others: then this differs.
    """

    at: Point
    birth: bytes
    state: bytes
    last: bytes = b""


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a session.

    Attributes:
        at: What it was worked out from; anything else in the engine is a conflict.
        after: The ``last`` of what it was worked out from; so is this.
        to: What it leads to: a later version; or the same one, if only the log grows; or another epoch, a new life.
        state: The state at ``to``.
        notice: What watchers are told; nothing is told if it is empty.
        id: COMMIT_ID_BYTES that name this commit, the same when it is tried again: it is applied once.
        actions: ACTION_ID_BYTES each: names of actions that must be applied once; any number of them.
        log: Entries for the log of this life, oldest first.
        log_limit: How many entries of the log are kept when some are added (count).
        ttl: After which idle time the engine may forget the session (seconds), None = never.
        fence: The fencing number of the session's owner; None = it comes without one, and is not fenced.
    """

    at: Point
    after: bytes
    to: Point
    state: bytes
    notice: bytes
    id: bytes
    actions: tuple[bytes, ...] = ()
    log: tuple[bytes, ...] = ()
    log_limit: int = 0
    ttl: float | None = None
    fence: int | None = None


class Claim(NamedTuple):
    """The answer to a claim.

    Attributes:
        fence: The fencing number, greater than those of all earlier holders; None = somebody else holds the lease.
        seconds: How long the lease lasts, or how long the other's still does.
    """

    fence: int | None
    seconds: float


class Page(NamedTuple):
    """A part of all sessions.

    Attributes:
        sessions: The id and ``birth`` of each; one may come twice, in two pages.
        cursor: Where to go on; None = that was all.
    """

    sessions: tuple[tuple[str, bytes], ...]
    cursor: str | None


class Watcher(Protocol):
    """Who is told by a watch; every method is called on the loop that the watch runs on, and returns at once."""

    def watching(self, id: str) -> None:
        """From now on every notice of the session comes."""

    def noticed(self, id: str, notice: bytes) -> None:
        """Take a notice; an empty one says only that something may have changed."""

    def lost(self) -> None:
        """Notices of all sessions may be missed, until ``watching`` is called for each again."""


class Watch(ABC):
    """One worker's watch over some sessions; all of it is used on one event loop."""

    @abstractmethod
    def add(self, id: str) -> None:
        """Begin to watch a session, whether it exists or not; ``watching`` is called when that has taken effect.

        It is called again for a session that is added again.
        """

    @abstractmethod
    def remove(self, id: str) -> None:
        """Stop watching a session."""

    @abstractmethod
    async def run(self) -> None:
        """Tell the watcher until cancelled; after a failure of the engine, call ``lost``, and begin again."""


class Backend(ABC):
    """Where the truth of sessions lives.

    Args:
        options: The OPTIONS setting.
        clock: For tests: whose time is used in place of the engine's; None = the engine's.

    Attributes:
        shared: Whether other OS processes see the same sessions.
        durable: Whether what was committed outlives a crash of the engine.
        native_async: Whether the ``a…`` twins use no thread.
        carries_notices: Whether watchers get the notices themselves, rather than empty ones.
        remembers: How many commits of a session, at least, are recognised when they are tried again (count).
        remembers_actions: The same for action ids (count).
        timeout: The longest that a verb takes (seconds); OPTIONS["timeout"].

    All verbs raise ``BackendUnavailable`` when the engine cannot be asked, and ``BackendError`` when what it holds
    makes no sense.
    """

    shared: ClassVar[bool] = True
    durable: ClassVar[bool] = True
    native_async: ClassVar[bool] = False
    carries_notices: ClassVar[bool] = True
    remembers: ClassVar[int] = 16
    remembers_actions: ClassVar[int] = 256

    def __init__(self, options: Mapping[str, Any], clock: Clock | None = None) -> None:
        self.timeout: float = options.get("timeout", TIMEOUT)
        self._clock = clock

    # -- sessions --------------------------------------------------------------------------------------------------

    @abstractmethod
    def load(self, id: str, known: Point | None = None, fence: int | None = None, last: bytes = b"") -> Record | None:
        """Return a session, or None if it is still what the caller knows.

        Args:
            id: The session.
            known: What the caller has, if anything.
            fence: The caller's fencing number, if it is the session's new owner: from now on commits with a lower one
                are refused.
            last: The ``last`` of what the caller has.

        Raises:
            SessionNotFound: There is none.
            Fenced: There is an owner with a higher fencing number.
        """

    @abstractmethod
    def create(self, id: str, record: Record, ttl: float | None, fence: int | None = None) -> None:
        """Begin a session; no commit has led there, whatever ``record.last`` is.

        Raises:
            Conflict: It exists; ``.record`` is what it is.
        """

    @abstractmethod
    def commit(self, id: str, commit: Commit) -> tuple[bytes, ...]:
        """Change a session, in one step, and put off its expiry.

        Returns the action ids among ``commit.actions`` that were applied before; if there is one, nothing was changed.

        Raises:
            SessionNotFound: There is none.
            Conflict: It is not what the commit was worked out from; ``.record`` is what it is.
            Fenced: There is an owner with a higher fencing number.
            BackendUnavailable: ``.maybe`` says whether it may have been done; try again with the same ``id``.
        """

    @abstractmethod
    def touch(self, id: str, ttl: float | None) -> None:
        """Put off a session's expiry.

        Raises:
            SessionNotFound: There is none.
        """

    @abstractmethod
    def expire(self, id: str, idle: float, notice: bytes) -> float | None:
        """End a session that was neither committed to nor touched for ``idle`` seconds, and tell its watchers.

        Returns None if this call has ended it, or how long (seconds) it is until it may be.

        Raises:
            SessionNotFound: There is none (any more).
        """

    @abstractmethod
    def delete(self, id: str, at: Point | None, notice: bytes, last: bytes = b"") -> None:
        """End a session, and tell its watchers.

        Args:
            id: The session.
            at: Where it must be; None = wherever it is.
            notice: What watchers are told.
            last: The ``last`` that it must have, if ``at`` is given.

        Raises:
            SessionNotFound: There is none.
            Conflict: It is not at ``at``, or not by ``last``; ``.record`` is what it is.
        """

    @abstractmethod
    def log(self, id: str) -> list[bytes]:
        """Return the log of the session's life, oldest entry first; none if there is no session."""

    @abstractmethod
    def actions(self, id: str) -> list[bytes]:
        """Return the names of actions that the session remembers, oldest first; none if there is no session."""

    @abstractmethod
    def tell(self, id: str, notice: bytes) -> None:
        """Tell a session's watchers, as far as notices are carried."""

    @abstractmethod
    def scan(self, cursor: str | None = None, count: int = 1000) -> Page:
        """Return some of all sessions, about ``count``; who exists from the first page to the last is on one."""

    @abstractmethod
    def count(self) -> int:
        """Return how many sessions there are."""

    # -- leases ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def claim(self, name: str, owner: str, seconds: float) -> Claim:
        """Take a lease if nobody else holds it; who holds it already gets it for ``seconds`` from now, as it is."""

    @abstractmethod
    def renew(self, name: str, owner: str, fence: int, seconds: float) -> None:
        """Keep a lease for ``seconds`` from now.

        Raises:
            Fenced: It is not this owner's any more.
        """

    @abstractmethod
    def release(self, name: str, owner: str, fence: int) -> None:
        """Give a lease back, if it is this owner's still."""

    # -- life ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def watch(self, watcher: Watcher) -> Watch:
        """Return a watch for the running event loop."""

    def sweep(self, limit: int = 1000) -> int:
        """Remove what has expired, at most ``limit`` sessions, and return how many.

        Engines that do so by themselves return 0.
        """
        return 0

    def close(self) -> None:  # noqa: B027  # most have nothing to give up
        """Give up the connections that no event loop holds."""

    async def aclose(self) -> None:  # noqa: B027
        """Give up the connections of the running event loop."""

    # -- async twins -----------------------------------------------------------------------------------------------

    async def _athread(self, verb: Any, *args: Any) -> Any:
        """Run a verb where it holds up no loop."""
        return await asyncio.to_thread(verb, *args)

    async def aload(
        self, id: str, known: Point | None = None, fence: int | None = None, last: bytes = b""
    ) -> Record | None:
        """Async twin of ``load``."""
        record: Record | None = await self._athread(self.load, id, known, fence, last)
        return record

    async def acreate(self, id: str, record: Record, ttl: float | None, fence: int | None = None) -> None:
        """Async twin of ``create``."""
        await self._athread(self.create, id, record, ttl, fence)

    async def acommit(self, id: str, commit: Commit) -> tuple[bytes, ...]:
        """Async twin of ``commit``."""
        repeated: tuple[bytes, ...] = await self._athread(self.commit, id, commit)
        return repeated

    async def atouch(self, id: str, ttl: float | None) -> None:
        """Async twin of ``touch``."""
        await self._athread(self.touch, id, ttl)

    async def aexpire(self, id: str, idle: float, notice: bytes) -> float | None:
        """Async twin of ``expire``."""
        left: float | None = await self._athread(self.expire, id, idle, notice)
        return left

    async def adelete(self, id: str, at: Point | None, notice: bytes, last: bytes = b"") -> None:
        """Async twin of ``delete``."""
        await self._athread(self.delete, id, at, notice, last)

    async def alog(self, id: str) -> list[bytes]:
        """Async twin of ``log``."""
        entries: list[bytes] = await self._athread(self.log, id)
        return entries

    async def aactions(self, id: str) -> list[bytes]:
        """Async twin of ``actions``."""
        names: list[bytes] = await self._athread(self.actions, id)
        return names

    async def atell(self, id: str, notice: bytes) -> None:
        """Async twin of ``tell``."""
        await self._athread(self.tell, id, notice)

    async def ascan(self, cursor: str | None = None, count: int = 1000) -> Page:
        """Async twin of ``scan``."""
        page: Page = await self._athread(self.scan, cursor, count)
        return page

    async def acount(self) -> int:
        """Async twin of ``count``."""
        number: int = await self._athread(self.count)
        return number

    async def aclaim(self, name: str, owner: str, seconds: float) -> Claim:
        """Async twin of ``claim``."""
        claim: Claim = await self._athread(self.claim, name, owner, seconds)
        return claim

    async def arenew(self, name: str, owner: str, fence: int, seconds: float) -> None:
        """Async twin of ``renew``."""
        await self._athread(self.renew, name, owner, fence, seconds)

    async def arelease(self, name: str, owner: str, fence: int) -> None:
        """Async twin of ``release``."""
        await self._athread(self.release, name, owner, fence)

    async def asweep(self, limit: int = 1000) -> int:
        """Async twin of ``sweep``."""
        number: int = await self._athread(self.sweep, limit)
        return number
