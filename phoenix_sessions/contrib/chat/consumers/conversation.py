"""The socket of a conversation: what was said, what is said, and who is there.

Rules:
    1. Only members join, and nobody else learns anything. Who is removed is told so, and let go.
    2. After ``joined`` come the messages in the order of their ``seq``, each once, none missing.
    3. Messages of one socket are stored in the order in which they were sent.
    4. Nobody is told of their own typing or presence.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar, Final

from ..conf import get_config
from ..errors import ChatError, backpressure
from ..events import ChangedLarge, Disabled, Event, Presence, Removed, Sent, SentLarge, Typing
from ..feeds import ConversationFeed
from ..gateway import gateway
from ..presence import Visit, rooms
from ..types import Draft, Message
from .codes import FORBIDDEN, RECONNECT
from .frames import (
    ErrorFrame,
    InFrame,
    Join,
    Joined,
    MarkRead,
    OutFrame,
    Send,
    StartTyping,
    TypingFrame,
    ack_of,
    encoded_size,
    refusal,
)
from .socket import ChatSocket

_AGAIN_MS: Final = 100


class ConversationConsumer(ChatSocket):
    """``conversation/<id>``.

    Attributes:
        page_bytes: How large the messages of ``joined`` may be together (bytes); what is beyond follows.
    """

    page_bytes: ClassVar[int] = 256 * 1024

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._marking = asyncio.Lock()
        self._visit: Visit | None = None
        self._presence: dict[str, bool] = {}
        self._presence_goes = False

    @property
    def conversation(self) -> str:
        """Which conversation this is of."""
        return str(self.scope["url_route"]["kwargs"]["conversation"])

    @property
    def viewer(self) -> str:
        """Who looks."""
        assert self.participant is not None
        return self.participant

    def left(self) -> None:
        """Be present no more."""
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.leave()

    # -- what comes in -------------------------------------------------------------------------------------------------

    async def take(self, frame: InFrame) -> None:
        """Take a frame of a participant."""
        if isinstance(frame, Join):
            await self._join(frame.after_seq)
        elif not self.following:
            message, client_id = "join first, by a frame join", getattr(frame, "client_id", None)
            await self.refuse(ErrorFrame("not_joined", message, client_id))
        elif isinstance(frame, Send):
            await self._send(frame)
        elif self.crowded:
            await self.refuse(refusal(backpressure("socket", _AGAIN_MS)))
        elif isinstance(frame, MarkRead):
            self.ask(self._mark(frame.seq))
        elif isinstance(frame, StartTyping):
            self.ask(self._type())

    async def _send(self, frame: Send) -> None:
        if self.crowded:
            await self.refuse(refusal(backpressure("socket", _AGAIN_MS), frame.client_id))
        else:
            self.ask(self._append(frame), frame.client_id)

    async def _append(self, frame: Send) -> OutFrame:
        draft = Draft(self.conversation, self.viewer, frame.content, frame.kind, frame.metadata, frame.client_id)
        return ack_of(await gateway.aappend(draft), frame.client_id)

    async def _mark(self, seq: int | None) -> None:
        async with self._marking:  # a client's marks keep one thread busy, not all
            await gateway.amark_read(self.conversation, self.viewer, seq)

    async def _type(self) -> None:
        await gateway.atyping(self.conversation, self.viewer)

    # -- joining -------------------------------------------------------------------------------------------------------

    async def _join(self, after_seq: int | None) -> None:
        if self.following:
            await self.refuse(ErrorFrame("conflict", "joined already"))
            return
        feed = ConversationFeed(self.conversation, self.viewer)
        try:
            joined = await feed.join(after_seq)
        except Exception as error:
            await self._refuse_join(error)
            return
        if self.over:
            await feed.close()
            return
        self.following = True
        self._visit = visit = rooms.enter(self.conversation, self.viewer, self._tell_presence)
        page = _first(joined.messages, self.page_bytes)
        first = Joined(page, joined.last_seq, joined.truncated, joined.more_before, joined.conversation, visit.present)
        self.at_work(self._follow(feed, deque([first, *map(Sent, joined.messages[len(page) :])])))

    async def _refuse_join(self, error: Exception) -> None:
        """Let go who may not join, or not here; who cannot join just now, or not in this way, may try again."""
        if isinstance(error, ChatError) and error.code in ("invalid", "unavailable"):
            await self.refuse(refusal(error))
        else:
            await self.fail(error)

    async def _follow(self, feed: ConversationFeed, page: deque[OutFrame]) -> None:
        try:
            while page:
                await self.say(page.popleft())
            while (event := await feed.next()) is not None:
                if (frame := self._shown(event)) is not None:
                    await self.say(frame)
            await self.hang_up(RECONNECT)
        except ChatError as error:
            if error.code == "unauthorized":
                await self.hang_up(FORBIDDEN, Removed(self.conversation, self.viewer))
            else:
                await self.fail(error)
        except Exception as error:
            await self.fail(error)
        finally:
            await feed.close()

    def _shown(self, event: Event) -> OutFrame | None:
        match event:
            case Typing(conversation, participant):
                if participant == self.viewer:
                    return None
                return TypingFrame(conversation, participant, int(get_config().typing_seconds * 1000))
            case Presence() | SentLarge() | ChangedLarge() | Disabled():
                return None
        return event

    # -- presence ------------------------------------------------------------------------------------------------------

    def _tell_presence(self, participant: str, online: bool) -> None:
        """Tell of somebody's coming or going; of what waits, the latest is told."""
        if participant == self.viewer or self._visit is None:  # ``joined`` says who is here when it begins
            return
        self._presence[participant] = online
        if not self._presence_goes:
            self._presence_goes = True
            self.at_work(self._say_presence())

    async def _say_presence(self) -> None:
        while self._presence:
            participant = next(iter(self._presence))
            await self.say(Presence(self.conversation, participant, self._presence.pop(participant)))
        self._presence_goes = False


def _first(messages: tuple[Message, ...], most: int) -> tuple[Message, ...]:
    """Return the messages that fit into so many bytes, and the first in any case."""
    size = 0
    for place, message in enumerate(messages):
        size += encoded_size(message)
        if size > most and place:
            return messages[:place]
    return messages
