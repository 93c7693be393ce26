"""The frames of the browser protocol, as values; see docs/reference/browser-protocol.md.

Rules:
    1. What comes from a client is decoded strictly: unknown types, unknown fields and wrong kinds are refused.
    2. What goes to a client is plain data: whatever msgspec encodes as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

MAX_ACTION_TYPE: Final = 256

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Dispatch(msgspec.Struct, tag_field="type", tag="dispatch", forbid_unknown_fields=True, frozen=True):
    """A client dispatches an action and wants an answer under ``ref``."""

    ref: Number
    action: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ACTION_TYPE)]
    payload: msgspec.Raw = msgspec.Raw(b"null")


class Ack(msgspec.Struct, tag_field="type", tag="ack", forbid_unknown_fields=True, frozen=True):
    """A client has handled all frames up to ``seq``."""

    seq: Number


ClientFrame = Dispatch | Ack

_decoder = msgspec.json.Decoder(ClientFrame)
_encoder = msgspec.json.Encoder()

Resume = Literal["new", "recovered", "not_found"]


class StateFrame(msgspec.Struct, tag_field="type", tag="state", omit_defaults=True):
    """The latest values of what changed."""

    seq: int
    epoch: int
    version: int
    changes: Mapping[str, Any]
    resume: Resume | None = None


class OkFrame(msgspec.Struct, tag_field="type", tag="ok"):
    """A dispatch was applied; the session had this version after it."""

    seq: int
    ref: int
    version: int


class ErrorFrame(msgspec.Struct, tag_field="type", tag="error", omit_defaults=True):
    """A frame was refused; ``ref`` is None where the frame could not be read."""

    seq: int
    ref: int | None
    code: str
    message: str
    retry_after: float | None = None


ServerFrame = StateFrame | OkFrame | ErrorFrame


def decode(text: str) -> ClientFrame:
    """Return the frame that a client sent.

    Raises:
        ValueError: It is not one; the message says what is wrong.
    """
    try:
        frame: ClientFrame = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return frame


def encode(frame: ServerFrame) -> str:
    """Return the frame as JSON text.

    Raises:
        TypeError: A value is no plain data.
    """
    return _encoder.encode(frame).decode()
