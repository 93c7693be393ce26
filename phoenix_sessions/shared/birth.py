"""How a session was started, as the engine holds it: bytes that never change, and back."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ..backends import codec
from ..core.errors import InvalidSnapshot
from ..process import SessionProcess


class Birth(msgspec.Struct, frozen=True, array_like=True):
    """How a session was started.

    Attributes:
        process: The dotted path of its process class.
        args: What ``init_state`` is given, encoded.
        ttl: Idle time after which it expires (seconds), None = never.
        restored: The snapshot that every life begins with, or None.
        started: When (seconds since 1970).
    """

    process: str
    args: bytes
    ttl: float | None
    restored: bytes | None
    started: float


_births: Final = msgspec.msgpack.Decoder(Birth)


def path_of(process: type[SessionProcess]) -> str:
    """Return the name by which other workers find a process class."""
    return f"{process.__module__}.{process.__qualname__}"


def encode_birth(
    process: type[SessionProcess], args: Any, ttl: float | None, restored: bytes | None, started: float
) -> bytes:
    """Return how a session is started, as bytes.

    Raises:
        NotSerializable: Its args are no plain data.
    """
    return msgspec.msgpack.encode(Birth(path_of(process), codec.encode(args, "args"), ttl, restored, started))


def decode_birth(data: bytes) -> Birth:
    """Return how a session was started.

    Raises:
        InvalidSnapshot: These bytes do not say.
    """
    try:
        return _births.decode(data)
    except msgspec.DecodeError as error:
        raise InvalidSnapshot(f"how it was started is not what was written ({error})") from error


def decode_args(birth: Birth) -> Any:
    """Return what ``init_state`` is given.

    Raises:
        InvalidSnapshot: These bytes do not say.
    """
    try:
        return codec.decode(birth.args)
    except ValueError as error:
        raise InvalidSnapshot(f"its args are not what was written ({error})") from error
