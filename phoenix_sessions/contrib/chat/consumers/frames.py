"""The frames of the sockets, as values.

Rules:
    1. What comes from a client is decoded strictly: unknown types, unknown fields and wrong kinds are refused, and the
       refusal names the message that was to be sent, if that can be read.
    2. What goes to a client has its number on this connection, ``frame``, from 1. An event of the chat goes as it is.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from ..errors import ChatError
from ..events import Changed, Chunk, Deleted, Edited, Presence, Read, Removed, Sent
from ..kinds import MessageKind
from ..types import Conversation, InboxItem, Message, Stored

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
ClientId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _In(msgspec.Struct, tag_field="type", forbid_unknown_fields=True, frozen=True):
    pass


class Auth(_In, tag="auth", frozen=True):
    """Says who comes, if neither the subprotocol nor the site's session did."""

    token: str


class Join(_In, tag="join", frozen=True):
    """Asks for the newest messages, or for those after a place, and for what happens from then on."""

    after_seq: Number | None = None


class Send(_In, tag="send", frozen=True):
    """Sends a message; answered by ``ack``, ``error`` or ``backpressure``, which name the ``client_id``."""

    client_id: ClientId
    content: dict[str, Any]
    kind: MessageKind = MessageKind.TEXT
    metadata: dict[str, Any] = {}


class MarkRead(_In, tag="read", frozen=True):
    """Marks what was read, up to a place, or all; answered by the event ``read``, if it was not read before."""

    seq: Number | None = None


class StartTyping(_In, tag="typing", frozen=True):
    """Says that somebody is typing; to be sent again while that goes on."""


class AckFrames(_In, tag="ack", frozen=True):
    """Acknowledges all frames up to a number."""

    ack: Number


InFrame = Auth | Join | Send | MarkRead | StartTyping | AckFrames


class Ack(msgspec.Struct, tag="ack", frozen=True):
    """A message is stored, for good."""

    client_id: str
    seq: int
    id: str


class ErrorFrame(msgspec.Struct, tag="error", frozen=True, omit_defaults=True):
    """Something was not done.

    Attributes:
        code: Of ``ChatError``, or ``bad_frame``, ``unauthenticated``, ``not_joined``, ``failed``.
        message: What, for people.
        client_id: Which message was not sent.
        retry_after_ms: When to try again.
        fields: What is wrong with which field.
    """

    code: str
    message: str
    client_id: str | None = None
    retry_after_ms: int | None = None
    fields: dict[str, str] = {}


class BackpressureFrame(msgspec.Struct, tag="backpressure", frozen=True):
    """A message was not sent, as too many wait: on this socket (``"socket"``), or in this worker.

    Attributes:
        client_id: Which message.
        reason: ``"socket"``, ``"full"``, ``"draining"``.
        retry_after_ms: When to send it again.
    """

    client_id: str | None
    reason: str
    retry_after_ms: int


class Joined(msgspec.Struct, tag="joined", frozen=True):
    """The beginning: what there is, before what happens.

    Attributes:
        messages: Ascending, without holes. What would make this frame too large follows as events ``message``.
        last_seq: The place of the last message of them all.
        truncated: Whether there is a hole before these, as too much was missing or is gone.
        more_before: Whether there are earlier messages.
        conversation: With its members.
        present: Who is here.
    """

    messages: tuple[Message, ...]
    last_seq: int
    truncated: bool
    more_before: bool
    conversation: Conversation
    present: tuple[str, ...]


class TypingFrame(msgspec.Struct, tag="typing", frozen=True):
    """Somebody is typing, until that is said again no longer than this.

    Attributes:
        conversation: Where.
        participant: Who.
        expires_in_ms: When it is over by itself.
    """

    conversation: str
    participant: str
    expires_in_ms: int


class Snapshot(msgspec.Struct, tag="snapshot", frozen=True):
    """The newest of an inbox, those with the last activity first."""

    items: tuple[InboxItem, ...]


class Delta(msgspec.Struct, tag="delta", frozen=True):
    """What has changed of an inbox.

    Attributes:
        items: That with the last activity first; each replaces the one before.
        gone: The conversations that are in it no more.
    """

    items: tuple[InboxItem, ...]
    gone: tuple[str, ...]


_Event = Sent | Edited | Deleted | Read | Changed | Removed | Chunk | Presence
OutFrame = Ack | ErrorFrame | BackpressureFrame | Joined | TypingFrame | Snapshot | Delta | _Event


class BadFrame(Exception):
    """What came is no frame.

    Attributes:
        code: ``bad_frame`` or ``too_large``.
        client_id: Of the message that was to be sent, if that can be read.
    """

    def __init__(self, code: str, message: str, client_id: str | None = None) -> None:
        self.code = code
        self.client_id = client_id
        super().__init__(message)


class _Named(msgspec.Struct):
    client_id: ClientId | None = None


_decoder: Final = msgspec.json.Decoder(InFrame)
_namer: Final = msgspec.json.Decoder(_Named)
_encoder: Final = msgspec.json.Encoder()
_WHY: Final = 200
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeEncodeError, RecursionError)


def decode(text: str | None, most: int) -> InFrame:
    """Return what a client sent.

    Args:
        text: What came; None if it was no text.
        most: How large it may be (bytes).

    Raises:
        BadFrame: It is no frame of this protocol.
    """
    if text is None:
        raise BadFrame("bad_frame", "a frame must be text")
    if (size := _size(text)) > most:
        raise BadFrame("too_large", f"a frame of {size} bytes: it may have {most}")
    try:
        frame: InFrame = _decoder.decode(text)
    except _UNREADABLE as error:
        why = str(error)[:_WHY]  # it may repeat what came
        raise BadFrame("bad_frame", f"not a frame of this protocol: {why}", _client_id(text)) from error
    return frame


def encode(frame: OutFrame, number: int) -> str:
    """Return a frame as JSON text, with its number."""
    return f'{{"frame":{number},{_encoder.encode(frame).decode()[1:]}'


def encoded_size(value: Any) -> int:
    """Return how large something is as JSON (bytes)."""
    return len(_encoder.encode(value))


def ack_of(stored: Stored, client_id: str) -> Ack:
    """Return the answer to a message that is stored."""
    return Ack(client_id, stored.message.seq, stored.message.id)


def refusal(error: ChatError, client_id: str | None = None) -> ErrorFrame | BackpressureFrame:
    """Return the answer to what was not done."""
    if error.code == "backpressure":
        return BackpressureFrame(client_id, error.reason or "full", error.retry_after_ms or 0)
    return ErrorFrame(error.code, error.message, client_id, error.retry_after_ms, error.fields)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _client_id(text: str) -> str | None:
    try:
        return _namer.decode(text).client_id
    except _UNREADABLE:
        return None
