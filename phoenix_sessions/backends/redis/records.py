"""How Redis holds a session: one string, as short as can be, which scripts take apart and Python too.

Rules:
    1. The string is: format (1 byte, 1), epoch (7), version (5), length of the birth (3), when it was last committed to
       or touched (6, ms since 1970), flags (1; 1 = it has a log, 2 = it has action ids), how many commit ids (1),
       fencing number (8), ids of the last commits (8 each), birth, state. Numbers have their highest byte first.
    2. What is no such string is a BackendError, which names the session.
"""

from __future__ import annotations

import struct
from typing import Final

from ...core.errors import BackendError
from ..base import Point, Record

_HEAD: Final = struct.Struct(">QQQQ")
_POINT: Final = struct.Struct(">QQ")
_FENCE: Final = struct.Struct(">Q")
_FORMAT: Final = 1 << 56
_MAX_BIRTH: Final = (1 << 24) - 1
NO_FENCE: Final = bytes(8)


def pack_point(point: Point) -> bytes:
    """Return the first 13 bytes of a record: format, epoch and version."""
    return _POINT.pack(_FORMAT | point.epoch, point.version << 24)[:13]


def pack_past(at: Point, last: bytes) -> bytes:
    """Return what tells a record's past from others: its first 13 bytes, and the last of its commit ids."""
    return pack_point(at) + last


def pack_fence(fence: int | None) -> bytes:
    """Return a fencing number as a record has it, and nothing for none."""
    return b"" if fence is None else _FENCE.pack(fence)


def pack_start(record: Record) -> bytes:
    """Return the first 16 bytes of a record: those before the time.

    Raises:
        ValueError: The birth is too long.
    """
    if len(record.birth) > _MAX_BIRTH:
        raise ValueError(f"the birth of a session has {len(record.birth)} bytes, and may have {_MAX_BIRTH}")
    return pack_point(record.at) + len(record.birth).to_bytes(3, "big")


def unpack(id: str, data: bytes) -> Record:
    """Return what a record says.

    Raises:
        BackendError: It is none.
    """
    if len(data) >= _HEAD.size:
        first, second, third, _ = _HEAD.unpack_from(data)
        birth = _HEAD.size + 8 * (third & 0xFF)
        state = birth + (second & 0xFFFFFF)
        if first >> 56 == 1 and state <= len(data):
            last = data[max(birth - 8, _HEAD.size) : birth]
            return Record(Point(first & ~_FORMAT, second >> 24), data[birth:state], data[state:], last)
    raise malformed(id)


def malformed(id: str) -> BackendError:
    """Return the error for a session whose record makes no sense."""
    return BackendError(
        f"what Redis holds for session {id!r} is no record of a session: something else wrote to its key; delete the "
        f'key, or give each program that uses this Redis a prefix of its own, PHOENIX_SESSIONS["OPTIONS"]["prefix"]'
    )
