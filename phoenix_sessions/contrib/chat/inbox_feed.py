"""What one socket is given of an inbox: what there is, and then what changes.

Rules:
    1. It follows the inbox's process: of what changes more often than it is asked for, the latest is given.
    2. If the process ends it follows the next one, and what has changed in between is given.
    3. Every 30 seconds it has the process look for what was never told.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from phoenix_sessions import SessionError, SessionRef, sessions

from .errors import ChatError
from .followers import POLL
from .processes import ainbox
from .types import InboxItem

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
        self._given: dict[str, InboxItem] = {}

    async def snapshot(self) -> tuple[InboxItem, ...]:
        """Return what there is, those with the last activity first.

        Raises:
            ChatError: ``invalid`` if it can be nobody, ``backpressure``, ``unavailable``.
        """
        await self.close()
        self._given = {}
        while True:
            items = await self._begin()
            if self._ref is not None:
                return items

    async def next(self) -> tuple[InboxItem, ...] | None:
        """Wait until something has changed, and return it, sorted like the snapshot; None = this worker stops."""
        while not sessions.stopping:
            try:
                items = await self._begin() if self._ref is None else await self._changed()
            except ChatError as error:
                if error.reason != "draining":
                    await asyncio.sleep(POLL)
                continue
            if items:
                return items
        return None

    async def close(self) -> None:
        """Follow no more. Fine to repeat."""
        self._ref = None
        await self._open.aclose()

    async def _begin(self) -> tuple[InboxItem, ...]:
        ref = await ainbox(self._participant)
        try:
            self._changes = await self._open.enter_async_context(ref.changes(items="items"))
        except SessionError:  # it has ended just now
            return ()
        self._ref = ref
        return await self._changed()

    async def _changed(self) -> tuple[InboxItem, ...]:
        """Return what has changed; nothing if it is time to look again."""
        try:
            async with asyncio.timeout(CHECK):
                change = await anext(self._changes)
        except TimeoutError:
            self._look()
            return ()
        except StopAsyncIteration:
            await self.close()
            return ()
        items: tuple[InboxItem, ...] = change.values["items"]
        before, self._given = self._given, {item.conversation.id: item for item in items}
        return tuple(item for item in items if before.get(item.conversation.id) != item)

    def _look(self) -> None:
        with contextlib.suppress(SessionError):
            if self._ref is not None:
                self._ref.cast("read")
