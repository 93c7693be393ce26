"""How far one viewer has been given a conversation, and what it is to be given next; nothing here waits.

Rules:
    1. Messages are given in the order of ``seq``, each once. What does not fit on is not taken: then ``unsure`` says
       that it has to be read.
    2. Of a message's changes, those that were overtaken are not given.
    3. What a conversation is, and how far others have read, is given when it is another than was shown.
    4. Who is removed is given nothing more; of whoever may be disabled, the database says whether it is.
"""

from __future__ import annotations

from collections import deque

import msgspec

from .events import Changed, ChangedLarge, Deleted, Disabled, Edited, Event, Read, Removed, Sent, SentLarge
from .joins import Joined
from .storage import Following
from .types import Conversation, Message
from .versions import Versions


class Progress:
    """What one viewer has been given.

    Args:
        viewer: Who looks.
        joined: What it was given first.

    Attributes:
        ready: What is to be given.
        large: The messages that have changed and could not be told, by id: they are to be read.
        unsure: Whether something may be missing, so that the conversation is to be read.
        doubtful: Whether the viewer may be disabled, so that it is to be read.
        removed: Whether the viewer is no member any more.
        last_seq: The place of the last message that was given.
    """

    def __init__(self, viewer: str, joined: Joined) -> None:
        self._viewer = viewer
        self._shown = joined.conversation
        self._versions = Versions()
        for message in joined.messages:
            self._versions.is_news(message)
        self.ready: deque[Event] = deque()
        self.large: deque[str] = deque()
        self.unsure = self.doubtful = self.removed = False
        self.last_seq = joined.last_seq

    def take(self, event: Event) -> None:
        """Take what was told."""
        match event:
            case Sent(message):
                if message.seq == self.last_seq + 1:
                    self._give(message, event)
                self.unsure |= message.seq > self.last_seq
            case SentLarge(_, seq):
                self.unsure |= seq > self.last_seq
            case Edited(message) | Deleted(message):
                self.unsure |= message.seq > self.last_seq
                self._give_change(message, event)
            case ChangedLarge(_, id):
                self.large.append(id)
            case Changed():
                self.unsure = True
            case Removed(_, participant) if participant == self._viewer:
                self.removed = True
            case Disabled(_, participant):
                self.doubtful |= participant == self._viewer
            case _:
                self.ready.append(event)

    def take_message(self, message: Message) -> None:
        """Take the first of the large ones, as it was read."""
        self._give_change(message, _change_of(message))

    def take_found(self, found: Following, missing: tuple[Message, ...]) -> None:
        """Take what was read.

        Args:
            found: The newest messages, and who is a member.
            missing: Those from ``last_seq`` on, as far as they were read.
        """
        if all(member.participant != self._viewer for member in found.conversation.members):
            self.removed = True
            return
        for message in found.messages:
            self._give_change(message, _change_of(message))
        for message in missing:
            self._give(message, Sent(message))
        if not missing:
            self.last_seq = max(self.last_seq, found.conversation.last_seq)  # what is not there is gone
        self.unsure = self.last_seq < found.conversation.last_seq
        self._show(found.conversation)

    def is_behind(self, conversation: Conversation) -> bool:
        """Return whether this is another conversation than the viewer has been shown."""
        return conversation.last_seq > self.last_seq or _without_places(conversation) != _without_places(self._shown)

    def _give(self, message: Message, event: Event) -> None:
        self.last_seq = message.seq
        self._versions.is_news(message)
        self.ready.append(event)

    def _give_change(self, message: Message, event: Event) -> None:
        if message.seq <= self.last_seq and self._versions.is_news(message):
            self.ready.append(event)

    def _show(self, conversation: Conversation) -> None:
        before, self._shown = self._shown, conversation
        if _without_places(before) != _without_places(conversation):
            self.ready.append(Changed(conversation))
        elif before.members != conversation.members:
            known = {member.participant: member.last_read_seq for member in before.members}
            for member in conversation.members:
                if member.last_read_seq > known.get(member.participant, 0):
                    self.ready.append(Read(conversation.id, member.participant, member.last_read_seq))


def _change_of(message: Message) -> Event:
    return Edited(message) if message.deleted_at is None else Deleted(message)


def _without_places(conversation: Conversation) -> Conversation:
    """Return a conversation without what messages and marks say."""
    members = tuple(msgspec.structs.replace(member, last_read_seq=0) for member in conversation.members)
    return msgspec.structs.replace(conversation, last_seq=0, last_message_at=None, members=members)
