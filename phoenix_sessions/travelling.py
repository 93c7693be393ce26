"""The verbs on a session's past: its history, time travel, and snapshots.

Rules:
    1. Travelling is a change like any other: it has a version of its own, and subscribers are told.
    2. Each verb takes its turn in the mailbox, so it sees all that the caller has sent before.
"""

from __future__ import annotations

from typing import Any

from .core.history import HistoryEntry
from .handle import Handle
from .runtime import travel
from .runtime.session import Session
from .snapshot import take
from .waiting import refuse_on_event_loop


class Travelling(Handle):
    """The part of ``SessionRef`` that looks back."""

    __slots__ = ()

    def history(self) -> list[HistoryEntry]:
        """Return what was applied in this life, oldest first, as far as HISTORY_LIMIT keeps it."""
        refuse_on_event_loop("history")
        entries: list[HistoryEntry] = self._ask(lambda session: (True, None, travel.entries, session))
        return entries

    async def ahistory(self) -> list[HistoryEntry]:
        """Async twin of ``history``."""
        entries: list[HistoryEntry] = await self._aask(lambda session: (True, None, travel.entries, session))
        return entries

    def travel_to(self, version: int) -> int:
        """Make the state what it was at an earlier version of this life; returns the new version.

        Raises:
            VersionNotFound: That version is not kept, or never was.
        """
        refuse_on_event_loop("travel_to")
        return int(self._ask(lambda session: (True, None, travel.travel_to, session, version)))

    async def atravel_to(self, version: int) -> int:
        """Async twin of ``travel_to``."""
        return int(await self._aask(lambda session: (True, None, travel.travel_to, session, version)))

    def undo(self) -> int:
        """Take back the last change that is not undone yet; returns the new version.

        Raises:
            VersionNotFound: Nothing is kept that could be undone.
        """
        refuse_on_event_loop("undo")
        return int(self._ask(lambda session: (True, None, travel.undo, session)))

    async def aundo(self) -> int:
        """Async twin of ``undo``."""
        return int(await self._aask(lambda session: (True, None, travel.undo, session)))

    def redo(self) -> int:
        """Take back the last undo; returns the new version.

        Raises:
            VersionNotFound: Since the last undo, if there was one, something else has changed.
        """
        refuse_on_event_loop("redo")
        return int(self._ask(lambda session: (True, None, travel.redo, session)))

    async def aredo(self) -> int:
        """Async twin of ``redo``."""
        return int(await self._aask(lambda session: (True, None, travel.redo, session)))

    def snapshot(self) -> bytes:
        """Return the state as bytes, for ``start_session(..., snapshot=)``.

        Raises:
            NotSerializable: Something in it is neither plain data nor of a declared ``state_type``; names the path.
        """
        refuse_on_event_loop("snapshot")
        return _take(*self._reach(lambda session: (True, None, session.read, None)))

    async def asnapshot(self) -> bytes:
        """Async twin of ``snapshot``."""
        return _take(*(await self._areach(lambda session: (True, None, session.read, None))))


def _take(session: Session, state: Any) -> bytes:
    process: Any = session.spec.process
    return take(process, session.spec.mounts, state)
