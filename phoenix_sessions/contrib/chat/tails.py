"""The newest part of a conversation, as it becomes by events and by what is read again; pure values.

Rules:
    1. The messages are in a row, and end with ``last_seq``: the newest 100, or all that there are.
    2. A repeat changes nothing. What does not fit on is not taken: then it has to be read again.
    3. Marks never go back; of a message the version that was changed last counts.
    4. What members there are is only known for sure after a read that began after the event which says so.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Final

import msgspec

from .events import Changed, ChangedLarge, Deleted, Edited, Event, Read, Removed, Sent, SentLarge
from .readers import HOT
from .storage import Following
from .types import Conversation, Member, Message

_NEVER: Final = datetime.datetime.min.replace(tzinfo=datetime.UTC)


class Tail(msgspec.Struct, frozen=True):
    """The newest part of a conversation.

    Attributes:
        conversation: With its members.
        messages: The newest, ascending.
    """

    conversation: Conversation
    messages: tuple[Message, ...]

    @property
    def last_seq(self) -> int:
        """The place of the last message, 0 = there is none."""
        return self.conversation.last_seq


def version_of(message: Message) -> datetime.datetime:
    """Return when a message was last changed."""
    return max(message.edited_at or _NEVER, message.deleted_at or _NEVER)


def with_event(tail: Tail, event: Event) -> tuple[Tail, bool]:
    """Return what an event makes of it, and whether it has to be read again."""
    match event:
        case Sent(message):
            return with_message(tail, message), message.seq > tail.last_seq + 1
        case SentLarge(_, seq):
            return tail, seq > tail.last_seq
        case Edited(message) | Deleted(message):
            return _with_version(tail, message), message.seq > tail.last_seq
        case ChangedLarge(_, id):
            return tail, any(message.id == id for message in tail.messages)
        case Read(_, participant, seq):
            return _with_mark(tail, participant, seq), False
        case Removed(_, participant):
            return _with_members(tail, (each for each in _members(tail) if each.participant != participant)), True
        case Changed():
            return tail, True  # two may have overtaken each other: only the database knows which was last
    return tail, False


def with_message(tail: Tail, message: Message) -> Tail:
    """Return it with the message, if that is the next one."""
    if message.seq != tail.last_seq + 1:
        return tail
    conversation = msgspec.structs.replace(tail.conversation, last_seq=message.seq, last_message_at=message.created_at)
    return Tail(conversation, (*tail.messages, message)[-HOT:])


def with_read(tail: Tail, found: Following) -> Tail:
    """Return it with what was read, which may be older than what was told meanwhile."""
    if found.conversation.last_seq >= tail.last_seq:
        older, newer = tail.messages, found.messages
        conversation = found.conversation
    else:
        older, newer = found.messages, tail.messages
        conversation = msgspec.structs.replace(
            found.conversation,
            last_seq=tail.last_seq,
            last_message_at=tail.conversation.last_message_at,
        )
    versions = {message.id: message for message in older}
    messages = tuple(_newest(message, versions.get(message.id)) for message in newer)
    marks = {member.participant: member.last_read_seq for member in _members(tail)}
    members = tuple(_at_least(member, marks.get(member.participant, 0)) for member in conversation.members)
    return Tail(msgspec.structs.replace(conversation, members=members), messages)


def _with_version(tail: Tail, changed: Message) -> Tail:
    messages = tuple(_newest(each, changed) if each.id == changed.id else each for each in tail.messages)
    return Tail(tail.conversation, messages)


def _newest(message: Message, other: Message | None) -> Message:
    return other if other is not None and version_of(other) > version_of(message) else message


def _with_mark(tail: Tail, participant: str, seq: int) -> Tail:
    return _with_members(
        tail, (_at_least(each, seq) if each.participant == participant else each for each in _members(tail))
    )


def _with_members(tail: Tail, members: Iterable[Member]) -> Tail:
    return Tail(msgspec.structs.replace(tail.conversation, members=tuple(members)), tail.messages)


def _members(tail: Tail) -> tuple[Member, ...]:
    return tail.conversation.members


def _at_least(member: Member, seq: int) -> Member:
    return member if member.last_read_seq >= seq else msgspec.structs.replace(member, last_read_seq=seq)
