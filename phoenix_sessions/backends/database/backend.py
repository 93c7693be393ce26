"""The backend on a database: SQLite, or PostgreSQL.

Rules:
    1. A verb is one statement, or one transaction, on a connection of the backend's own.
    2. What is acknowledged is committed, whatever becomes of the request's own transaction.
    3. Coroutines use threads of the backend's own, as many as it has connections: more would only wait for those, and
       in the loop's executor they would hold up others while the database is slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from ...core.errors import BackendUnavailable, Conflict, Fenced, SessionNotFound
from ...runtime.clock import Clock
from ..base import Backend, Claim, Commit, Page, Point, Record, Watch, Watcher
from . import committing, options, statements
from .connections import Connections
from .polling import PollingWatch

_ATTEMPTS: Final = 3  # at an id that comes and goes while we look


class DatabaseBackend(Backend):
    """Sessions in three tables of one of the site's databases.

    Args:
        options: ``alias``, ``timeout``, ``poll_interval`` and ``synchronous_commit``; see ``options.Options``.
        clock: For tests: whose time is used in place of the database's; None = the database's.

    Raises:
        ValueError: An option is wrong, or the app is not in INSTALLED_APPS.
    """

    shared = True
    native_async = False

    def __init__(self, options: Mapping[str, Any], clock: Clock | None = None) -> None:
        super().__init__(options, clock)
        self._options = _read(options)
        self._engine = _engine(self._options, clock)
        self._connections = Connections(self._options.alias, self._engine)
        self.carries_notices = self._engine.notifies  # type: ignore[misc]
        self.durable = self._options.synchronous_commit == "on"  # type: ignore[misc]

    # -- sessions --------------------------------------------------------------------------------------------------

    def load(self, id: str, known: Point | None = None, fence: int | None = None, last: bytes = b"") -> Record | None:
        """Return a session, or None if it is still what the caller knows."""
        with self._connections.work() as work:
            if fence is not None:
                work.write(statements.TAKE_OVER, id=id, fence=fence)
            if known is None:
                rows = work.rows(statements.LOAD, id=id)
            else:
                facts = {"epoch": known.epoch, "version": known.version, "last": last}
                rows = work.rows(statements.LOAD_IF_CHANGED, id=id, **facts)
        if not rows:
            raise SessionNotFound(id)
        *row, owner = rows[0]
        if fence is not None and owner is not None and fence < owner:
            raise Fenced(id, fence)
        epoch, version, birth, *_ = row
        return None if (epoch, version) == known and birth is None else committing.as_record(id, *row)

    def create(self, id: str, record: Record, ttl: float | None, fence: int | None = None) -> None:
        """Begin a session."""
        epoch, version = record.at
        row = {"id": id, "epoch": epoch, "version": version, "birth": record.birth, "state": record.state,
               "ttl": ttl, "fence": fence, "none": b""}  # fmt: skip
        with self._connections.work() as work:
            for _ in range(_ATTEMPTS):
                if work.write(statements.CREATE, **row):
                    return
                with work.transaction():
                    if work.write(statements.CREATE_AGAIN, **row):
                        work.write(statements.REMOVE_LOGS, ids=self._engine.list([id]))
                        return
                    if rows := work.rows(statements.LOAD, id=id):
                        raise Conflict(id, committing.as_record(id, *rows[0][:5]))
        raise BackendUnavailable(f"session {id!r} comes and goes")

    def commit(self, id: str, commit: Commit) -> tuple[bytes, ...]:
        """Change a session, in one step, and put off its expiry."""
        with self._connections.work() as work:
            if self._engine.at_once and committing.fits_at_once(commit):
                if committing.commit_at_once(work, id, commit):
                    return ()
                if conflict := committing.conflict_of(work, id, commit):
                    raise conflict
            with work.transaction():
                result = committing.commit_in_steps(work, id, commit)
        if isinstance(result, Conflict):
            raise result
        return result

    def touch(self, id: str, ttl: float | None) -> None:
        """Put off a session's expiry."""
        with self._connections.work() as work:
            if not work.write(statements.TOUCH, id=id, ttl=ttl):
                raise SessionNotFound(id)

    def expire(self, id: str, idle: float, notice: bytes) -> float | None:
        """End a session that is idle, or return how long (seconds) it is until it may be ended."""
        with self._connections.work() as work, work.transaction():
            left = idle - committing.lock(work, id).idle
            if left > 0:
                return left
            self._end(work, id, notice)
            return None

    def delete(self, id: str, at: Point | None, notice: bytes, last: bytes = b"") -> None:
        """End a session, and tell its watchers."""
        with self._connections.work() as work, work.transaction():
            held = committing.lock(work, id)
            if at is not None and (held.at, held.last) != (at, last):
                raise Conflict(id, committing.record(work, id))
            self._end(work, id, notice)

    def log(self, id: str) -> list[bytes]:
        """Return the log of the session's life."""
        with self._connections.work() as work:
            return [bytes(entry) for (entry,) in work.rows(statements.LOG, id=id)]

    def actions(self, id: str) -> list[bytes]:
        """Return the names of actions that the session remembers."""
        with self._connections.work() as work:
            return committing.actions(work, id)

    def tell(self, id: str, notice: bytes) -> None:
        """Tell a session's watchers, if the database carries notices."""
        if notice and self._engine.notifies:
            with self._connections.work() as work:
                committing.tell(work, id, notice)

    def scan(self, cursor: str | None = None, count: int = 1000) -> Page:
        """Return some of all sessions, in the order of their ids; the cursor is one."""
        with self._connections.work() as work:
            rows = work.rows(statements.SCAN, cursor=cursor or "", count=count)
        sessions = tuple((id, bytes(birth)) for id, birth in rows)
        return Page(sessions, sessions[-1][0] if len(sessions) == count else None)

    def count(self) -> int:
        """Return how many sessions there are."""
        with self._connections.work() as work:
            number: int = work.rows(statements.COUNT)[0][0]
            return number

    def _end(self, work: Any, id: str, notice: bytes) -> None:
        work.write(statements.DELETE, id=id)
        work.write(statements.REMOVE_LOGS, ids=self._engine.list([id]))
        committing.tell(work, id, notice)

    # -- leases ----------------------------------------------------------------------------------------------------

    def claim(self, name: str, owner: str, seconds: float) -> Claim:
        """Take a lease if nobody else holds it."""
        with self._connections.work() as work, work.transaction():
            ours = work.write(statements.CLAIM, name=name, owner=owner, seconds=seconds)
            _, fence, left = work.rows(statements.HOLDER, name=name)[0]
        return Claim(fence, seconds) if ours else Claim(None, max(0.0, left))

    def renew(self, name: str, owner: str, fence: int, seconds: float) -> None:
        """Keep a lease for ``seconds`` from now."""
        with self._connections.work() as work:
            if not work.write(statements.RENEW, name=name, owner=owner, fence=fence, seconds=seconds):
                raise Fenced(name, fence)

    def release(self, name: str, owner: str, fence: int) -> None:
        """Give a lease back, if it is this owner's still."""
        with self._connections.work() as work:
            work.write(statements.RELEASE, name=name, owner=owner, fence=fence)

    # -- life ------------------------------------------------------------------------------------------------------

    def watch(self, watcher: Watcher) -> Watch:
        """Return a watch for the running event loop."""
        if self._engine.notifies:
            from .listening import ListeningWatch  # psycopg is there only where PostgreSQL is

            return ListeningWatch(self._connections, watcher)
        return PollingWatch(self._look, self._options.poll_interval, watcher)

    def sweep(self, limit: int = 1000) -> int:
        """Remove sessions that are over their time, at most ``limit``, and leases that ended more than a day ago."""
        with self._connections.work() as work, work.transaction():
            ids = [id for (id,) in work.rows(statements.OVERDUE, limit=limit)]
            listed = self._engine.list(ids)
            if ids:
                work.write(statements.REMOVE_LOGS, ids=listed)
                work.write(statements.REMOVE, ids=listed)
            work.write(statements.REMOVE_LEASES)
        return len(ids)

    def close(self) -> None:
        """Give up all connections, those in use as soon as they are not."""
        self._connections.close()

    async def _look(self, ids: list[str]) -> dict[str, tuple[Any, ...]]:
        """Return what tells whether sessions have changed, of those that exist."""
        found: dict[str, tuple[Any, ...]] = await self._athread(self._look_now, ids)
        return found

    def _look_now(self, ids: list[str]) -> dict[str, tuple[Any, ...]]:
        with self._connections.work() as work:
            return {id: tuple(rest) for id, *rest in work.rows(statements.LOOK, ids=self._engine.list(ids))}

    async def _athread(self, verb: Any, *args: Any) -> Any:
        """Run a verb on a thread of ours, but wait no longer than ``timeout``."""
        future = self._connections.submit(verb, *args)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.timeout)
        except TimeoutError:
            raise BackendUnavailable(f"no answer in {self.timeout:g} s", maybe=not future.cancel()) from None


_read, _engine = options.read, options.engine  # the constructor's argument has the module's name
