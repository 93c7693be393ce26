"""The ends of owned sessions that the engine has yet to learn of.

Rules:
    1. An end is tried again, whenever sessions are written, until the engine has done it or somebody else owns the
       session. Until then nobody here finds the session.
    2. At most ``MOST`` ends wait. The oldest is given up for one more, which the log says.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, NamedTuple

from ..core.errors import BackendUnavailable, Conflict, Fenced, SessionNotFound
from ..runtime.flow import Steps, result_of

if TYPE_CHECKING:
    from ..backends.base import Point
    from .written import Written

logger = logging.getLogger("phoenix_sessions")

MOST: Final = 10_000


class End(NamedTuple):
    """An end.

    Attributes:
        written: What ends.
        grave: The life that is written before it is deleted; see ``Written.bury``.
        notice: What watchers are told.
    """

    written: Written
    grave: Point
    notice: bytes

    def steps(self) -> Steps:
        """Do it, or see that it is done.

        Raises:
            BackendUnavailable: The engine cannot be asked.
        """
        try:
            yield from self.written.bury(self.grave)
            yield from self.written.delete(self.notice)
        except (Fenced, Conflict):
            logger.info("session %s ended here, and has another owner", self.written.id)
        except SessionNotFound:
            pass
        yield from self.written.give_back()


class Ends:
    """The ends that the engine has yet to learn of, by the ids of their sessions."""

    def __init__(self) -> None:
        self._waiting: dict[str, End] = {}
        self._over: dict[str, Future[None]] = {}
        self._under_way: set[str] = set()

    def __contains__(self, id: str) -> bool:
        return id in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def ids(self) -> list[str]:
        """The ids of the sessions that have ended."""
        return list(self._waiting)

    def add(self, end: End) -> None:
        """Note an end; it is tried when somebody says so."""
        while len(self._waiting) >= MOST:
            oldest = next(iter(self._waiting))
            self._finish(oldest)
            logger.error("session %s: the engine could not be told of its end; it may come back", oldest)
        self._waiting[end.written.id] = end
        self._over.setdefault(end.written.id, Future())

    def wait(self, id: str, seconds: float) -> Steps:
        """Wait until nothing is to be told of a session any more.

        Raises:
            TimeoutError: It took longer than so many seconds.
        """
        if (over := self._over.get(id)) is not None:
            yield result_of(over, seconds)

    def _finish(self, id: str) -> None:
        del self._waiting[id]
        self._over.pop(id).set_result(None)

    async def attempt(self, id: str) -> None:
        """Try an end, unless somebody is just doing that."""
        end = self._waiting.get(id)
        if end is None or id in self._under_way:
            return
        self._under_way.add(id)
        try:
            await end.written.alone(end.steps())
        except BackendUnavailable as error:
            logger.warning("session %s has ended, which the engine is told later: %s", id, error)
            return
        except Exception:
            logger.exception("session %s: the engine could not be told of its end; it may come back", id)
        finally:
            self._under_way.discard(id)
        if self._waiting.get(id) is end:
            self._finish(id)

    async def attempt_all(self) -> None:
        """Try all of them."""
        await asyncio.gather(*map(self.attempt, self.ids))
