"""The socket of an inbox: all conversations of a participant, by activity.

Rules:
    1. An inbox is for its own participant.
    2. The snapshot comes at once, and then what changes.
"""

from __future__ import annotations

from ..errors import unauthorized
from ..feeds import InboxFeed
from .codes import RECONNECT
from .frames import Delta, ErrorFrame, InFrame, Snapshot
from .socket import ChatSocket


class InboxConsumer(ChatSocket):
    """``inbox/<participant>``; a client sends nothing but ``auth`` and ``ack``."""

    async def admitted(self) -> None:
        """Follow the inbox.

        Raises:
            ChatError: ``unauthorized`` if it is another one's.
        """
        participant = self.scope["url_route"]["kwargs"]["participant"]
        if participant != self.participant:
            raise unauthorized()
        self.following = True
        self.at_work(self._follow(InboxFeed(participant)))

    async def take(self, frame: InFrame) -> None:
        """Refuse whatever comes."""
        await self.refuse(
            ErrorFrame("bad_frame", "an inbox is only to be looked at", getattr(frame, "client_id", None))
        )

    async def _follow(self, feed: InboxFeed) -> None:
        try:
            await self.say(Snapshot(await feed.snapshot()))
            while (change := await feed.next()) is not None:
                await self.say(Delta(change.items, change.gone))
            await self.hang_up(RECONNECT)
        except Exception as error:
            await self.fail(error)
        finally:
            await feed.close()
