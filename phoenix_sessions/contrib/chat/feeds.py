"""What one socket is given of a conversation, or of an inbox.

Rules:
    1. It listens before the page is read, so that between the page and the events after it there is neither a hole nor
       a duplicate; ``seq`` decides: see ``progress``.
    2. Wherever something may be missing it is read again: after gaps, holes, what events cannot carry, and changes that
       may have overtaken each other. All feeds of a conversation in a worker share these reads.
    3. While events of other workers do not come it reads every second, and otherwise it looks every 30: a worker that
       dies between a commit and its telling leaves no message untold, and no change of the conversation.
    4. Who is removed or disabled is given nothing more.
    5. Who does not take what comes keeps at most 200 events waiting, and one page.
    6. A wait that is cancelled loses nothing. One task at a time waits.
"""

from __future__ import annotations

import asyncio
from typing import Final

from channels.db import database_sync_to_async

from phoenix_sessions import BackendUnavailable, Gap, ShuttingDown, StreamEvent, sessions
from phoenix_sessions.listening import Listening

from . import live, storage
from .errors import ChatError, backpressure, invalid, unauthorized, unavailable
from .events import Event
from .followers import POLL
from .inbox_feed import InboxFeed
from .joins import Joined, read_join
from .progress import Progress
from .readers import reader_of
from .standing import must_be_active

__all__ = ["ConversationFeed", "InboxFeed", "Joined"]

CHECK: Final = 30.0
"""How often is looked for what was never told (seconds)."""
PAGE: Final = 200
"""How many messages are read at once for who is far behind (count)."""
WAITING: Final = 200
"""How many events may wait for who does not take them (count); with more, they are read instead."""


class ConversationFeed:
    """What one socket is given of one conversation; on one event loop.

    Args:
        conversation: Which.
        viewer: Who looks.
    """

    def __init__(self, conversation: str, viewer: str) -> None:
        self._id = conversation
        self._viewer = viewer
        self._reader = reader_of(conversation)
        self._glance = reader_of(conversation, 1)
        self._listening: Listening | None = None
        self._progress: Progress
        self._looked = 0.0
        self._over = False

    async def join(self, after_seq: int | None = None) -> Joined:
        """Begin, or begin again, and return what there is.

        Args:
            after_seq: The place of the last message that the viewer has; None = it has none.

        Raises:
            ChatError: ``unauthorized`` if the viewer is no member, ``invalid``, ``backpressure`` if this worker stops,
                ``unavailable``.
        """
        if after_seq is not None and (type(after_seq) is not int or not 0 <= after_seq < 2**63):
            raise invalid(after_seq="must be a whole number from 0")
        await self.close()
        if sessions.stopping:
            raise backpressure("draining", 1000)
        try:
            listening = live.conversation_stream(self._id).listen(limit=WAITING)
            self._listening = await listening.__aenter__()
            read = database_sync_to_async(read_join, thread_sensitive=False)
            joined: Joined = await read(self._id, self._viewer, after_seq)
        except BaseException as error:
            await self.close()
            if (refusal := _refusal(error)) is None:
                raise
            raise refusal from error
        self._progress = Progress(self._viewer, joined)
        self._looked = asyncio.get_running_loop().time()
        self._over = False
        return joined

    async def next(self) -> Event | None:
        """Wait for what happens next; None = this worker stops.

        Messages come in the order of ``seq``, each once, none missing, from the join's ``last_seq`` on.

        Raises:
            ChatError: ``unauthorized`` once the viewer is no member any more, ``disabled`` once it is disabled.
            RuntimeError: It has not joined.
        """
        if (listening := self._listening) is None:
            raise RuntimeError("join first")
        progress = self._progress
        while True:
            if progress.removed:
                raise unauthorized()
            if progress.doubtful:
                await must_be_active(self._viewer)
                progress.doubtful = False
            elif progress.ready:
                return progress.ready.popleft()
            elif self._over:
                return None
            elif progress.large:
                await self._find()
            elif progress.unsure:
                await self._look()
            elif (item := await self._item(listening)) is not None:
                self._take(item)
            elif listening.live:
                await self._check()
            elif not self._over:
                await self._look()

    async def close(self) -> None:
        """Listen no more. Fine to repeat."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await listening.__aexit__(None, None, None)

    # -- what is told --------------------------------------------------------------------------------------------------

    async def _item(self, listening: Listening) -> StreamEvent | Gap | None:
        """Wait for what is told; None = it is time to look."""
        left = self._looked + (CHECK if listening.live else POLL) - asyncio.get_running_loop().time()
        if left <= 0:
            return None
        try:
            async with asyncio.timeout(left):
                return await anext(listening)
        except TimeoutError:
            return None
        except StopAsyncIteration:
            self._over = True
            return None

    def _take(self, item: StreamEvent | Gap) -> None:
        if isinstance(item, Gap):
            self._over = item.reason == "stopped"
            self._progress.unsure = True
        elif (event := live.event_in(item)) is not None:
            self._progress.take(event)

    # -- what is read --------------------------------------------------------------------------------------------------

    async def _find(self) -> None:
        """Read a message whose change was too large to be told."""
        find = database_sync_to_async(storage.find_message, thread_sensitive=False)
        try:
            message = await find(self._id, self._viewer, self._progress.large[0])
        except ChatError as error:
            if error.code == "unavailable":
                await asyncio.sleep(POLL)
                return
            self._progress.removed = error.code == "unauthorized"
        else:
            self._progress.take_message(message)
        self._progress.large.popleft()

    async def _look(self) -> None:
        """Read again what may be missing."""
        progress = self._progress
        wanted = self._reader.fresh() if progress.unsure else self._reader.recent(POLL)
        try:
            found = await asyncio.wrap_future(wanted)
            missing = tuple(message for message in found.messages if message.seq > progress.last_seq)
            if missing and missing[0].seq > progress.last_seq + 1:
                read = database_sync_to_async(storage.read_after, thread_sensitive=False)
                missing = (await read(self._id, self._viewer, progress.last_seq, PAGE)).messages
        except ChatError as error:
            progress.removed = error.code in ("unauthorized", "not_found")
            if not progress.removed:
                await asyncio.sleep(POLL)
            return
        self._looked = asyncio.get_running_loop().time()
        progress.take_found(found, missing)

    async def _check(self) -> None:
        """Look whether something was never told; then it is read next."""
        try:
            found = (await asyncio.wrap_future(self._glance.recent(CHECK / 2))).conversation
        except ChatError:  # what is wrong, the next read says
            self._progress.unsure = True
            return
        self._looked = asyncio.get_running_loop().time()
        self._progress.unsure = self._progress.is_behind(found)


def _refusal(error: BaseException) -> ChatError | None:
    """Return what is said to who cannot listen."""
    match error:
        case ShuttingDown():
            return backpressure("draining", int(1000 * error.retry_after))
        case BackendUnavailable():
            return unavailable()
        case ValueError():  # no stream has such a name
            return unauthorized()
    return None
