"""What one socket is given of an inbox: what there is, and then what changes.

Rules:
    1. It follows the inbox's process: of what changes more often than it is asked for, the latest is given.
    2. If the process ends it follows the next one, and what has changed in between is given.
    3. Every 30 seconds it has the process look for what was never told.
    4. What others with a later activity have pushed out of the process's memory has not gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import msgspec

from phoenix_sessions import SessionError, SessionRef, StreamEvent, sessions

from .errors import ChatError
from .followers import POLL
from .processes import GONE, ainbox, ids_of
from .standing import must_be_active
from .types import InboxChange, InboxItem

CHECK: Final = 30.0


class InboxFeed:
    """What one socket is given of somebody's inbox; on one event loop.

    Args:
        participant: Whose.
    """

    def __init__(self, participant: str) -> None:
        self._participant = participant
        self._open = contextlib.AsyncExitStack()
        self._ref: SessionRef | None = None
        self._items: tuple[InboxItem, ...] = ()
        self._gone: dict[int, str] = {}
        self._number = 0  # of what has gone, the last that was given
        self._doubtful = False

    async def snapshot(self) -> tuple[InboxItem, ...]:
        """Return what there is, those with the last activity first.

        Raises:
            ChatError: ``invalid`` if it can be nobody, ``backpressure``, ``unavailable``.
        """
        await self.close()
        self._items = ()
        while True:
            change = await self._begin()
            if self._ref is not None:
                return change.items

    async def next(self) -> InboxChange | None:
        """Wait until something has changed, and return it; None = this worker stops.

        Raises:
            ChatError: ``disabled`` once its owner is.
        """
        while not sessions.stopping:
            if self._doubtful:
                await must_be_active(self._participant)
                self._doubtful = False
            try:
                change = await self._begin() if self._ref is None else await self._changed()
            except ChatError as error:
                if error.reason != "draining":
                    await asyncio.sleep(POLL)
                continue
            if change.items or change.gone:
                return change
        return None

    async def close(self) -> None:
        """Follow no more. Fine to repeat."""
        self._ref = None
        await self._open.aclose()

    async def _begin(self) -> InboxChange:
        ref = await ainbox(self._participant)
        try:
            self._changes = await self._open.enter_async_context(
                ref.changes(items="items", gone="gone", doubts="doubts")
            )
        except SessionError:  # it has ended just now
            return _NOTHING
        self._ref = ref
        self._gone, self._number = {}, 0  # each process counts by itself
        before = self._items
        change = await self._changed()
        self._doubtful = bool(before)  # it may be since before this process
        if missing := ids_of(before) - ids_of(self._items):  # have it look whether these have gone
            self._cast(("told", StreamEvent("changed", {"conversations": sorted(missing)})))
        return msgspec.structs.replace(change, gone=())

    async def _changed(self) -> InboxChange:
        """Return what has changed; nothing if it is time to look again."""
        try:
            async with asyncio.timeout(CHECK):
                change = await anext(self._changes)
        except TimeoutError:
            self._cast("read")
            return _NOTHING
        except StopAsyncIteration:
            await self.close()
            return _NOTHING
        before, self._items = self._items, change.values.get("items", self._items)
        self._gone = change.values.get("gone", self._gone)
        self._doubtful |= "doubts" in change.values
        given = {item.conversation.id: item for item in before}
        items = tuple(item for item in self._items if given.get(item.conversation.id) != item)
        return InboxChange(items, self._news_of_gone(ids_of(before) - ids_of(self._items)))

    def _news_of_gone(self, missing: set[str]) -> tuple[str, ...]:
        """Return what has gone since this was asked; of more than is known, what is missing."""
        gone = [id for number, id in self._gone.items() if number > self._number]
        self._number = max(self._gone, default=self._number)
        return (*gone, *sorted(missing.difference(gone))) if len(gone) >= GONE else tuple(gone)

    def _cast(self, message: object) -> None:
        with contextlib.suppress(SessionError):
            if self._ref is not None:
                self._ref.cast(message)


_NOTHING: Final = InboxChange((), ())
