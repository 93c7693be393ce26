"""What is told after a commit, and to whom.

Rules:
    1. Nothing here fails or holds up the verb that was committed: what goes wrong is in the log, and ``seq`` and the
       streams' gaps have listeners read it again.
    2. A message is told once by this worker, whoever sends it again. What this worker does not know to be told, it
       tells: a worker may have died between a commit and its telling, and who listens knows by ``seq``.
    3. Its conversation hears of it first, then ``on_sent``, then the inboxes of all members.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Final

from . import live
from .events import Changed, Deleted, Disabled, Edited, Read, Removed, Sent
from .inboxes import Inboxes
from .types import Conversation, Message, ReadMark

logger = logging.getLogger("phoenix_sessions.chat")

REMEMBERED: Final = 20_000
"""How many messages are known to be told (count)."""

Hook = Callable[[str, Message], None]


class Telling:
    """Tells what was committed.

    Attributes:
        on_sent: Called with each new message's conversation and the message, after its commit, on any thread; must not
            block.
    """

    def __init__(self) -> None:
        self.on_sent: list[Hook] = []
        self.begin_again()

    def begin_again(self) -> None:
        """Know nothing, as a forked child does."""
        self._lock = threading.Lock()
        self._told: dict[str, None] = {}
        self._inboxes = Inboxes()

    def sent(self, message: Message) -> None:
        """Tell a message, unless it was told."""
        if not self._is_news(message.id):
            return
        live.tell(message.conversation, Sent(message))
        for hook in self.on_sent:
            try:
                hook(message.conversation, message)
            except Exception:
                logger.exception("%r, which is called with each message, failed", hook)
        self._inboxes.tell_members(message.conversation)

    def edited(self, message: Message) -> None:
        """Tell that a message is another one now."""
        live.tell(message.conversation, Edited(message))
        self._inboxes.tell_members(message.conversation)

    def deleted(self, message: Message) -> None:
        """Tell that a message was deleted."""
        live.tell(message.conversation, Deleted(message))
        self._inboxes.tell_members(message.conversation)

    def read(self, mark: ReadMark) -> None:
        """Tell that somebody has read on, also on other devices."""
        live.tell(mark.conversation, Read(mark.conversation, mark.participant, mark.last_read_seq))
        live.tell_inboxes(mark.conversation, [mark.participant])

    def changed(self, conversation: Conversation) -> None:
        """Tell what a conversation is now."""
        live.tell(conversation.id, Changed(conversation))
        live.tell_inboxes(conversation.id, _ids(conversation))

    def removed(self, conversation: Conversation, participant: str) -> None:
        """Tell that somebody is no member any more."""
        live.tell(conversation.id, Removed(conversation.id, participant))
        live.tell(conversation.id, Changed(conversation))
        live.tell_inboxes(conversation.id, [participant, *_ids(conversation)])

    def created(self, conversation: Conversation) -> None:
        """Tell the inboxes of a new conversation."""
        live.tell_inboxes(conversation.id, _ids(conversation))

    def renamed(self, conversations: Iterable[Conversation]) -> None:
        """Tell that a member of these, which come with a DM's two, is called otherwise now."""
        for each in conversations:
            live.tell(each.id, Changed(each))
            live.tell_inboxes(each.id, _ids(each))

    def disabled(self, participant: str, conversations: Iterable[Conversation]) -> None:
        """Tell who listens as somebody, here and in the inbox, that it is disabled."""
        for each in conversations:
            live.tell(each.id, Disabled(each.id, participant))
        live.tell_disabled(participant)

    def drain(self, timeout: float) -> bool:
        """Tell all inboxes that wait, and return whether that was done in time (seconds)."""
        return self._inboxes.wait_until_told(timeout)

    def end(self) -> None:
        """Tell no inbox that is not told yet."""
        self._inboxes.end()

    def _is_news(self, id: str) -> bool:
        with self._lock:
            if id in self._told:
                return False
            self._told[id] = None
            if len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
            return True


def _ids(conversation: Conversation) -> Iterable[str]:
    return [member.participant for member in conversation.members]
