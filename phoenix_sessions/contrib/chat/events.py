"""What happens in a conversation, as it is told to whoever listens.

Rules:
    1. An event is told after what it says was committed; those that are not stored (typing, presence, chunks) say so.
    2. Its name on a stream, and in a socket's frame, is the struct's tag.
    3. Who gets a message twice, or misses one, knows by ``seq``.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from .types import Conversation, Message


class Sent(msgspec.Struct, frozen=True, tag="message"):
    """A message was stored."""

    message: Message


class SentLarge(msgspec.Struct, frozen=True, tag="large_message"):
    """A message was stored that is too large for an event: it is to be read.

    Attributes:
        conversation: Where.
        seq: Its place there.
    """

    conversation: str
    seq: int


class Edited(msgspec.Struct, frozen=True, tag="edited"):
    """A message has another content."""

    message: Message


class Deleted(msgspec.Struct, frozen=True, tag="deleted"):
    """A message was deleted; this is what is left of it."""

    message: Message


class ChangedLarge(msgspec.Struct, frozen=True, tag="large_change"):
    """A message was edited that is too large for an event: it is to be read.

    Attributes:
        conversation: Where.
        id: The message's.
    """

    conversation: str
    id: str


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Somebody has read on.

    Attributes:
        conversation: Where.
        participant: Who.
        last_read_seq: How far.
    """

    conversation: str
    participant: str
    last_read_seq: int


class Changed(msgspec.Struct, frozen=True, tag="conversation"):
    """A conversation's title, status or members are others now; this is what it is, members included."""

    conversation: Conversation


class Removed(msgspec.Struct, frozen=True, tag="removed"):
    """Somebody is no member any more.

    Attributes:
        conversation: Where.
        participant: Who.
    """

    conversation: str
    participant: str


class Disabled(msgspec.Struct, frozen=True, tag="disabled"):
    """A member may be disabled now, and then listens no more; the database knows.

    Attributes:
        conversation: Where.
        participant: Who.
    """

    conversation: str
    participant: str


class Typing(msgspec.Struct, frozen=True, tag="typing"):
    """Somebody is typing, which is over by itself after some seconds; not stored.

    Attributes:
        conversation: Where.
        participant: Who.
    """

    conversation: str
    participant: str


class Presence(msgspec.Struct, frozen=True, tag="presence"):
    """Somebody has come, or gone; not stored.

    Attributes:
        conversation: Where.
        participant: Who.
        online: Whether it is there now.
    """

    conversation: str
    participant: str
    online: bool


class Chunk(msgspec.Struct, frozen=True, tag="stream_chunk"):
    """A part of an answer that is being written; not stored: the answer itself follows as one message.

    Attributes:
        conversation: Where.
        sender: Who writes.
        stream: Which answer, the same for all its parts.
        index: Its place in the answer: 0, 1, 2, …
        text: What is added.
    """

    conversation: str
    sender: str
    stream: str
    index: int
    text: str


Event = (
    Sent | SentLarge | Edited | Deleted | ChangedLarge | Read | Changed | Removed | Disabled | Typing | Presence | Chunk
)
_BY_NAME: Final = {kind.__struct_config__.tag: kind for kind in get_args(Event)}


def name_of(event: Event) -> str:
    """Return what an event is called."""
    return str(event.__struct_config__.tag)


def payload_of(event: Event) -> dict[str, Any]:
    """Return an event as plain data, with its name as ``type``."""
    payload: dict[str, Any] = msgspec.to_builtins(event)
    return payload


def event_of(payload: Any) -> Event:
    """Return what ``payload_of`` was given.

    Raises:
        msgspec.ValidationError: It is nothing of that kind.
    """
    name = payload.get("type") if isinstance(payload, dict) else None
    kind = _BY_NAME.get(name, Event) if isinstance(name, str) else Event
    event: Event = msgspec.convert(payload, kind)  # given the union, it makes out anew what is in it: 20 times as long
    return event
