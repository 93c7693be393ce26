"""What the watchers of a session are told, as bytes and back."""

from __future__ import annotations

from typing import Final

import msgspec


class Changed(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """The session was changed.

    Attributes:
        epoch: Its life.
        base: The version that was changed.
        after: The commit that had led there; see ``Commit.after``.
        version: The version after it.
        last: The commit that led to that.
        schema: The schema version of the pieces.
        pieces: What has changed, encoded; None = it has gone.
    """

    epoch: int
    base: int
    after: bytes
    version: int
    last: bytes
    schema: int
    pieces: dict[str, bytes | None]


class Reborn(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Another life of the session has begun."""


class Ended(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """A life of the session, and the session with it, is over; see ``Receiver.ended``.

    Attributes:
        epoch: The life. One that has begun under the same id since goes on.
    """

    event: str
    reason: str
    epoch: int


class Moved(msgspec.Struct, frozen=True, array_like=True, tag="m"):
    """The session goes on under another id.

    Attributes:
        to: That id.
        epoch: The life that goes on; one that has begun since, under the old id, stays there.
        version: What it was when it moved.
        after: The commit that had led there.
        last: The same, as the session under the new id has it.
    """

    to: str
    epoch: int
    version: int
    after: bytes
    last: bytes


class Wanted(msgspec.Struct, frozen=True, array_like=True, tag="w"):
    """A worker would like to own the session."""

    by: str


Notice = Changed | Reborn | Ended | Moved | Wanted
REBORN: Final = msgspec.msgpack.encode(Reborn())

encode: Final = msgspec.msgpack.Encoder().encode
_notices: Final = msgspec.msgpack.Decoder(Notice)


def notice_of(data: bytes) -> Notice | None:
    """Return what watchers are told, or None if it is not known here, or empty: look at the session then."""
    try:
        notice: Notice = _notices.decode(data)
    except msgspec.DecodeError:
        return None
    return notice
