"""The verbs that find and count sessions."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

from .backends.base import Page
from .core.errors import InvalidSnapshot, SessionLimitReached, SessionNotFound
from .core.limits import check_session_id
from .process import SessionProcess
from .ref import SessionRef
from .runtime import flow
from .runtime.flow import Steps
from .runtime.health import SessionHealth, session_health
from .runtime.session import Session
from .runtime.stats import SessionInfo, SessionStats, session_info, session_stats
from .site import Site
from .waiting import refuse_on_event_loop


class SessionPage(NamedTuple):
    """A part of all sessions in a shared backend.

    Attributes:
        refs: A handle on each; one may come twice, in two pages.
        cursor: Where to go on; None = that was all.
    """

    refs: list[SessionRef]
    cursor: str | None


class Finding(Site):
    """The part of ``sessions`` that looks."""

    def started(self, id: str) -> bool:
        """Return whether a session runs under the id."""
        refuse_on_event_loop("started")
        return bool(flow.run(self._started(id)))

    async def astarted(self, id: str) -> bool:
        """Async twin of ``started``."""
        return bool(await flow.arun(self._started(id)))

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.started(id)

    def find_session(self, id: str) -> SessionRef:
        """Return a handle on the session.

        Raises:
            SessionNotFound: None runs under the id.
        """
        refuse_on_event_loop("find_session")
        flow.run(self._find(id))
        return self._ref(id)

    async def afind_session(self, id: str) -> SessionRef:
        """Async twin of ``find_session``."""
        await flow.arun(self._find(id))
        return self._ref(id)

    def list_sessions(self) -> list[SessionRef]:
        """Return a handle on every session; on a shared backend, of all workers."""
        refuse_on_event_loop("list_sessions")
        return self._refs(flow.run(self._list(SessionProcess)))

    async def alist_sessions(self) -> list[SessionRef]:
        """Async twin of ``list_sessions``."""
        return self._refs(await flow.arun(self._list(SessionProcess)))

    def scan_sessions(self, cursor: str | None = None, count: int = 1000) -> SessionPage:
        """Return about ``count`` sessions of the shared backend, and where to go on; for more than fit in a list."""
        refuse_on_event_loop("scan_sessions")
        return self._page(self.backend.scan(cursor, count))

    async def ascan_sessions(self, cursor: str | None = None, count: int = 1000) -> SessionPage:
        """Async twin of ``scan_sessions``."""
        return self._page(await self.backend.ascan(cursor, count))

    def list_sessions_by_process(self, process: type[SessionProcess]) -> list[SessionRef]:
        """Return a handle on every session of this process class or a subclass."""
        refuse_on_event_loop("list_sessions_by_process")
        return self._refs(flow.run(self._list(process)))

    async def alist_sessions_by_process(self, process: type[SessionProcess]) -> list[SessionRef]:
        """Async twin of ``list_sessions_by_process``."""
        return self._refs(await flow.arun(self._list(process)))

    def session_info(self) -> SessionInfo:
        """Return how many sessions there are, by process class; on a shared backend, of all workers."""
        refuse_on_event_loop("session_info")
        info: SessionInfo = flow.run(self._info())
        return info

    async def asession_info(self) -> SessionInfo:
        """Async twin of ``session_info``."""
        info: SessionInfo = await flow.arun(self._info())
        return info

    def session_stats(self) -> SessionStats:
        """Measure the sessions; takes some milliseconds for thousands of them."""
        refuse_on_event_loop("session_stats")
        stored = None if self.replicas is None else self.backend.count()
        return replace(session_stats(self.supervisor), stored=stored)

    async def asession_stats(self) -> SessionStats:
        """Async twin of ``session_stats``."""
        stored = None if self.replicas is None else await self.backend.acount()
        return replace(session_stats(self.supervisor), stored=stored)

    def session_health(self) -> SessionHealth:
        """Look whether the sessions and their background loop keep up; waits at most a second for the loop."""
        refuse_on_event_loop("session_health")
        return session_health(self.supervisor)

    async def asession_health(self) -> SessionHealth:
        """Async twin of ``session_health``."""
        return await asyncio.to_thread(session_health, self.supervisor)

    def find_sessions_by_pattern(self, pattern: str | re.Pattern[str]) -> list[str]:
        """Return the ids in which the regular expression is found; begin it with ``^`` or end it with ``$`` as needed.

        Raises:
            ValueError: It is no regular expression.
        """
        refuse_on_event_loop("find_sessions_by_pattern")
        return _matching(pattern, flow.run(self._list(SessionProcess)))

    async def afind_sessions_by_pattern(self, pattern: str | re.Pattern[str]) -> list[str]:
        """Async twin of ``find_sessions_by_pattern``."""
        return _matching(pattern, await flow.arun(self._list(SessionProcess)))

    # -- the parts that both worlds share --------------------------------------------------------------------------

    def _find(self, id: str) -> Steps:
        session = self.supervisor.registry.get(check_session_id(id))
        if self.replicas is not None:
            yield from self.replicas.see(id)
        elif session is None or not session.alive:
            raise SessionNotFound(id)

    def _started(self, id: str) -> Steps:
        try:
            yield from self._find(id)
        except SessionNotFound:
            return False
        except (InvalidSnapshot, SessionLimitReached):
            return True  # there is one, though nobody here can read it, or has room for it
        return True

    def _local(self) -> list[Session]:
        """Return the sessions that live in this OS process and nowhere else."""
        return [each for each in self.supervisor.registry.all() if each.alive and not each.stored]

    def _list(self, process: type[SessionProcess]) -> Steps:
        """Return the ids of all sessions of a process class."""
        ids = [each.id for each in self._local() if issubclass(each.spec.process, process)]  # type: ignore[arg-type]
        if self.replicas is not None:
            ids += yield from self.replicas.ids_of(process)
        return ids

    def _info(self) -> Steps:
        info = session_info(self._local())
        if self.replicas is None:
            return info
        by_process = Counter(info.by_process)
        by_process.update((yield from self.replicas.count_by_process()))
        return SessionInfo(by_process.total(), dict(by_process))

    def _refs(self, ids: list[str]) -> list[SessionRef]:
        return [self._ref(id) for id in ids]

    def _page(self, page: Page) -> SessionPage:
        return SessionPage([self._ref(id) for id, _ in page.sessions], page.cursor)


def _matching(pattern: str | re.Pattern[str], ids: list[str]) -> list[str]:
    try:
        search = re.compile(pattern).search
    except (re.error, TypeError) as error:
        raise ValueError(f"{pattern!r} is no regular expression for session ids: {error}") from error
    return [id for id in ids if search(id)]
