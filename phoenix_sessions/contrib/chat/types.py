"""What is passed around: frozen values, which msgspec turns into JSON.

Rules:
    1. Moments have microseconds and are in UTC.
    2. Participants are named by their ids, and so are conversations.
    3. ``seq`` is a message's place in its conversation: 1, 2, 3, … without holes.
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from .ids import new_id
from .kinds import ConversationKind, ConversationStatus, MessageKind, ParticipantKind, ParticipantStatus, Role


class Participant(msgspec.Struct, frozen=True):
    """Somebody who may be in conversations.

    Attributes:
        id: Chosen by the caller, such as ``user:alice``.
        kind: Who it is.
        display_name: What others see, may be empty.
        status: Whether it may send.
        metadata: The caller's own, a JSON object.
        created_at: Since when.
    """

    id: str
    kind: ParticipantKind
    display_name: str
    status: ParticipantStatus
    metadata: dict[str, Any]
    created_at: datetime.datetime


class Member(msgspec.Struct, frozen=True):
    """Somebody in a conversation.

    Attributes:
        participant: Who.
        kind: Who that is.
        display_name: What others see, may be empty.
        role: What it may do.
        last_read_seq: How far it has read, 0 = nothing.
        joined_at: Since when.
    """

    participant: str
    kind: ParticipantKind
    display_name: str
    role: Role
    last_read_seq: int
    joined_at: datetime.datetime


class Conversation(msgspec.Struct, frozen=True):
    """A conversation.

    Attributes:
        id: A ULID.
        kind: Who talks.
        status: How far it is.
        title: What it is called, may be empty.
        metadata: The caller's own, a JSON object.
        last_seq: The place of its last message, 0 = none.
        last_message_at: When that was sent.
        created_at: When it began.
        members: Who is in it, by id; in lists only the two of a DM, empty for groups.
    """

    id: str
    kind: ConversationKind
    status: ConversationStatus
    title: str
    metadata: dict[str, Any]
    last_seq: int
    last_message_at: datetime.datetime | None
    created_at: datetime.datetime
    members: tuple[Member, ...] = ()


class Message(msgspec.Struct, frozen=True):
    """A message.

    Attributes:
        id: A ULID.
        conversation: Where it was sent.
        seq: Its place there.
        sender: Who sent it.
        kind: What it is.
        content: A JSON object; empty if it was deleted.
        metadata: The caller's own, a JSON object; empty if it was deleted.
        client_id: What the sender calls it, None = nothing.
        created_at: When it was stored; no earlier than the one before.
        edited_at: When it was last changed, None = never.
        deleted_at: When it was deleted, None = it was not.
    """

    id: str
    conversation: str
    seq: int
    sender: str
    kind: MessageKind
    content: dict[str, Any]
    metadata: dict[str, Any]
    client_id: str | None
    created_at: datetime.datetime
    edited_at: datetime.datetime | None = None
    deleted_at: datetime.datetime | None = None


class Draft(msgspec.Struct, frozen=True):
    """A message that is to be sent.

    Attributes:
        conversation: Where.
        sender: Who sends it.
        content: A JSON object.
        kind: What it is.
        metadata: The caller's own, a JSON object.
        client_id: What the sender calls it, the same on every try; None = a try again makes another message, but for
            those that the writer makes by itself.
        id: What the message's id will be.
    """

    conversation: str
    sender: str
    content: dict[str, Any]
    kind: MessageKind = MessageKind.TEXT
    metadata: dict[str, Any] = {}
    client_id: str | None = None
    id: str = msgspec.field(default_factory=new_id)


class Stored(msgspec.Struct, frozen=True):
    """What became of a draft.

    Attributes:
        message: As it is stored.
        repeat: Whether it had been stored before, so that there is nothing new to tell.
    """

    message: Message
    repeat: bool


class HistoryPage(msgspec.Struct, frozen=True):
    """Some messages in a row.

    Attributes:
        messages: By ``seq``, ascending.
        last_seq: The place of the conversation's last message, 0 = none.
        more_before: Whether there are earlier ones.
        more_after: Whether there are later ones.
    """

    messages: tuple[Message, ...]
    last_seq: int
    more_before: bool
    more_after: bool


class ReadMark(msgspec.Struct, frozen=True):
    """How far somebody has read.

    Attributes:
        conversation: Where.
        participant: Who.
        last_read_seq: The place of the last message that was read, 0 = none.
        moved: Whether it is further than before, so that there is something to tell.
    """

    conversation: str
    participant: str
    last_read_seq: int
    moved: bool


class Preview(msgspec.Struct, frozen=True):
    """A conversation's last message, in short.

    Attributes:
        seq: Its place.
        sender: Who sent it.
        kind: What it is.
        text: The first 200 characters of the content's ``text``; empty if it has none or was deleted.
        created_at: When it was stored.
        deleted: Whether it was deleted.
    """

    seq: int
    sender: str
    kind: MessageKind
    text: str
    created_at: datetime.datetime
    deleted: bool


class InboxItem(msgspec.Struct, frozen=True):
    """A conversation in somebody's inbox.

    Attributes:
        conversation: Which.
        unread: How many messages of others are later than ``last_read_seq`` (count).
        last_read_seq: How far the inbox's owner has read.
        last_message: The last message, None = there is none.
        active_at: When something was last sent, or when the conversation began.
    """

    conversation: Conversation
    unread: int
    last_read_seq: int
    last_message: Preview | None
    active_at: datetime.datetime


class InboxChange(msgspec.Struct, frozen=True):
    """What has changed of an inbox.

    Attributes:
        items: Those that are others now, those with the last activity first; each replaces the one before.
        gone: The conversations that are in it no more: archived, or without its owner.
    """

    items: tuple[InboxItem, ...]
    gone: tuple[str, ...]


class InboxPage(msgspec.Struct, frozen=True):
    """Some conversations of somebody, those with the last activity first.

    Attributes:
        items: The conversations.
        cursor: Where the next page begins, None = this is the last.
    """

    items: tuple[InboxItem, ...]
    cursor: str | None
