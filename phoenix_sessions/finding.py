"""The verbs that find and count sessions."""

from __future__ import annotations

import asyncio
import re

from .process import SessionProcess
from .ref import SessionRef
from .runtime.health import SessionHealth, session_health
from .runtime.stats import SessionInfo, SessionStats, session_info, session_stats
from .site import Site
from .waiting import refuse_on_event_loop


class Finding(Site):
    """The part of ``sessions`` that looks."""

    def started(self, id: str) -> bool:
        """Return whether a session runs under the id."""
        refuse_on_event_loop("started")
        return self._started(id)

    async def astarted(self, id: str) -> bool:
        """Async twin of ``started``."""
        return self._started(id)

    def __contains__(self, id: object) -> bool:
        refuse_on_event_loop("started")
        return isinstance(id, str) and self._started(id)

    def find_session(self, id: str) -> SessionRef:
        """Return a handle on the session.

        Raises:
            SessionNotFound: None runs under the id.
        """
        refuse_on_event_loop("find_session")
        return self._find(id)

    async def afind_session(self, id: str) -> SessionRef:
        """Async twin of ``find_session``."""
        return self._find(id)

    def list_sessions(self) -> list[SessionRef]:
        """Return a handle on every session."""
        refuse_on_event_loop("list_sessions")
        return self._list(SessionProcess)

    async def alist_sessions(self) -> list[SessionRef]:
        """Async twin of ``list_sessions``."""
        return self._list(SessionProcess)

    def list_sessions_by_process(self, process: type[SessionProcess]) -> list[SessionRef]:
        """Return a handle on every session of this process class or a subclass."""
        refuse_on_event_loop("list_sessions_by_process")
        return self._list(process)

    async def alist_sessions_by_process(self, process: type[SessionProcess]) -> list[SessionRef]:
        """Async twin of ``list_sessions_by_process``."""
        return self._list(process)

    def session_info(self) -> SessionInfo:
        """Return how many sessions run, by process class."""
        refuse_on_event_loop("session_info")
        return session_info(self.supervisor)

    async def asession_info(self) -> SessionInfo:
        """Async twin of ``session_info``."""
        return session_info(self.supervisor)

    def session_stats(self) -> SessionStats:
        """Measure the sessions; takes some milliseconds for thousands of them."""
        refuse_on_event_loop("session_stats")
        return session_stats(self.supervisor)

    async def asession_stats(self) -> SessionStats:
        """Async twin of ``session_stats``."""
        return session_stats(self.supervisor)

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
        return self._matching(pattern)

    async def afind_sessions_by_pattern(self, pattern: str | re.Pattern[str]) -> list[str]:
        """Async twin of ``find_sessions_by_pattern``."""
        return self._matching(pattern)

    def _matching(self, pattern: str | re.Pattern[str]) -> list[str]:
        try:
            search = re.compile(pattern).search
        except (re.error, TypeError) as error:
            raise ValueError(f"{pattern!r} is no regular expression for session ids: {error}") from error
        return [ref.id for ref in self._list(SessionProcess) if search(ref.id)]
