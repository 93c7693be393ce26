"""What one socket is given of a conversation, or of an inbox.

Rules:
    1. It listens before the page is read, so that between the page and the events after it there is neither a hole nor
       a duplicate; ``seq`` decides.
    2. Wherever something may be missing it is read again: after gaps, holes, what events cannot carry, and changes that
       may have overtaken each other. All feeds of a conversation in a worker share these reads.
    3. While events of other workers do not come it reads every second, and otherwise every 30: a worker that dies
       between a commit and its telling leaves nothing untold.
    4. Who is removed is given nothing more.
    5. Who does not take what comes keeps at most the stream's limit waiting, and one page.
    6. A wait that is cancelled loses nothing. One task at a time waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import msgspec
from channels.db import database_sync_to_async

from phoenix_sessions import BackendUnavailable, Gap, ShuttingDown, StreamEvent, sessions
from phoenix_sessions.listening import Listening

from . import live, storage
from .errors import ChatError, backpressure, invalid, unauthorized, unavailable
from .events import Changed, ChangedLarge, Deleted, Edited, Event, Read, Removed, Sent, SentLarge
from .followers import POLL
from .inbox_feed import InboxFeed
from .joins import Joined, read_join
from .readers import reader_of
from .storage import Following
from .types import Conversation, Message
from .versions import Versions

__all__ = ["ConversationFeed", "InboxFeed", "Joined"]

CHECK: Final = 30.0
"""How often is looked for what was never told (seconds)."""
PAGE: Final = 200
"""How many messages are read at once for who is far behind (count)."""


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
        self._ready: deque[Event] = deque()
        self._large: deque[str] = deque()
        self._versions = Versions()
        self._last_seq = 0
        self._looked = 0.0
        self._unsure = self._removed = self._over = False
        self._shown: Conversation

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
            listening = live.conversation_stream(self._id).listen()
            self._listening = await listening.__aenter__()
            read = database_sync_to_async(read_join, thread_sensitive=False)
            joined: Joined = await read(self._id, self._viewer, after_seq)
        except BaseException as error:
            await self.close()
            if (refusal := _refusal(error)) is None:
                raise
            raise refusal from error
        self._begin(joined)
        return joined

    async def next(self) -> Event | None:
        """Wait for what happens next; None = this worker stops.

        Messages come in the order of ``seq``, each once, none missing, from the join's ``last_seq`` on.

        Raises:
            ChatError: ``unauthorized`` once the viewer is no member any more.
            RuntimeError: It has not joined.
        """
        if (listening := self._listening) is None:
            raise RuntimeError("join first")
        while True:
            if self._removed:
                raise unauthorized()
            if self._ready:
                return self._ready.popleft()
            if self._over:
                return None
            if self._large:
                await self._find()
            elif self._unsure:
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

    def _begin(self, joined: Joined) -> None:
        self._ready.clear()
        self._large.clear()
        self._versions = Versions()
        for message in joined.messages:
            self._versions.is_news(message)
        self._last_seq = joined.last_seq
        self._shown = joined.conversation
        self._looked = asyncio.get_running_loop().time()
        self._unsure = self._removed = self._over = False

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
            self._unsure = True
            return
        match live.event_in(item):
            case None:
                pass
            case Sent(message) as event:
                if message.seq == self._last_seq + 1:
                    self._give(message, event)
                self._unsure |= message.seq > self._last_seq
            case SentLarge(_, seq):
                self._unsure |= seq > self._last_seq
            case Edited(message) | Deleted(message) as event:
                if message.seq > self._last_seq:
                    self._unsure = True
                elif self._versions.is_news(message):
                    self._ready.append(event)
            case ChangedLarge(_, id):
                self._large.append(id)
            case Changed():
                self._unsure = True
            case Removed(_, participant) if participant == self._viewer:
                self._removed = True
            case event:
                self._ready.append(event)

    def _give(self, message: Message, event: Event) -> None:
        self._last_seq = message.seq
        self._versions.is_news(message)
        self._ready.append(event)

    # -- what is read --------------------------------------------------------------------------------------------------

    async def _find(self) -> None:
        """Read a message whose change was too large to be told."""
        find = database_sync_to_async(storage.find_message, thread_sensitive=False)
        try:
            message = await find(self._id, self._viewer, self._large[0])
        except ChatError as error:
            if error.code == "unavailable":
                await asyncio.sleep(POLL)
                return
            self._removed = error.code == "unauthorized"
        else:
            if message.seq <= self._last_seq and self._versions.is_news(message):
                self._ready.append(_changed(message))
        self._large.popleft()

    async def _look(self) -> None:
        """Read again what may be missing."""
        wanted = self._reader.fresh() if self._unsure else self._reader.recent(POLL)
        last_seq = self._last_seq
        try:
            found = await asyncio.wrap_future(wanted)
            missing = tuple(message for message in found.messages if message.seq > last_seq)
            if missing and missing[0].seq > last_seq + 1:
                read = database_sync_to_async(storage.read_after, thread_sensitive=False)
                missing = (await read(self._id, self._viewer, last_seq, PAGE)).messages
        except ChatError as error:
            self._removed = error.code in ("unauthorized", "not_found")
            if not self._removed:
                await asyncio.sleep(POLL)
            return
        self._looked = asyncio.get_running_loop().time()
        self._take_found(found, missing)

    async def _check(self) -> None:
        """Look whether something was never told; then it is read next."""
        try:
            found = (await asyncio.wrap_future(self._glance.recent(CHECK / 2))).conversation
        except ChatError:  # what is wrong, the next read says
            self._unsure = True
            return
        self._looked = asyncio.get_running_loop().time()
        self._unsure = found.last_seq > self._last_seq or _without_places(found) != _without_places(self._shown)

    def _take_found(self, found: Following, missing: tuple[Message, ...]) -> None:
        if all(member.participant != self._viewer for member in found.conversation.members):
            self._removed = True
            return
        for message in found.messages:
            if message.seq <= self._last_seq and self._versions.is_news(message):
                self._ready.append(_changed(message))
        for message in missing:
            self._give(message, Sent(message))
        if not missing:
            self._last_seq = max(self._last_seq, found.conversation.last_seq)  # what is not there is gone
        self._unsure = self._last_seq < found.conversation.last_seq
        self._show(found.conversation)

    def _show(self, conversation: Conversation) -> None:
        before, self._shown = self._shown, conversation
        if _without_places(before) != _without_places(conversation):
            self._ready.append(Changed(conversation))
        elif before.members != conversation.members:
            known = {member.participant: member.last_read_seq for member in before.members}
            for member in conversation.members:
                if member.last_read_seq > known.get(member.participant, 0):
                    self._ready.append(Read(self._id, member.participant, member.last_read_seq))


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


def _changed(message: Message) -> Event:
    return Edited(message) if message.deleted_at is None else Deleted(message)


def _without_places(conversation: Conversation) -> Conversation:
    """Return a conversation without what messages and marks say."""
    members = tuple(msgspec.structs.replace(member, last_read_seq=0) for member in conversation.members)
    return msgspec.structs.replace(conversation, last_seq=0, last_message_at=None, members=members)
