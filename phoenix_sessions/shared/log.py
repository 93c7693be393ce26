"""The log of a session's life: what was applied, as the engine holds it for the history."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from ..backends import codec
from ..core.action import make_action
from ..core.errors import InvalidSnapshot, NotSerializable
from ..core.history import Record
from ..core.state import GONE
from .shapes import Shapes


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Something that was applied, as the log has it; see ``core.history.Record``.

    ``schema`` is the schema version of what is in ``before``.
    """

    type: str | None
    payload: bytes
    meta: bytes
    origin: str
    time: float
    start: int
    version: int
    before: dict[str, bytes | None]
    shows: int
    schema: int


_encode: Final = msgspec.msgpack.Encoder().encode
_entries: Final = msgspec.msgpack.Decoder(Entry)
_NONE: Final = codec.encode(None, "payload")
_KEPT: Final = (bytes, datetime, date, time, timedelta, Decimal, UUID)
_NO_META: Final = codec.encode({}, "meta")


def encode_entry(applied: Record, before: dict[str, bytes | None], schema: int) -> bytes:
    """Return an entry of the log as bytes.

    Raises:
        NotSerializable: The payload or meta of its action is no plain data.
    """
    action = applied.action
    payload = _NONE if action is None or action.payload is None else _payload(action.payload)
    meta = codec.encode(dict(action.meta), "meta") if action is not None and action.meta else _NO_META
    type_ = None if action is None else action.type
    start, version = applied.start, applied.version
    try:
        return _encode(
            Entry(type_, payload, meta, applied.origin, applied.time, start, version, before, applied.shows, schema)
        )
    except UnicodeEncodeError:
        raise NotSerializable("type", type_, "it has half of a surrogate pair, which is no text") from None


def _payload(payload: Any) -> bytes:
    """Return a payload as bytes; of a declared type, such as a Struct, the plain data that it stands for."""
    try:
        return codec.encode(payload, "payload")
    except NotSerializable:
        try:
            plain = msgspec.to_builtins(payload, builtin_types=_KEPT, str_keys=False)
        except (TypeError, ValueError, RecursionError):
            plain = None
        if plain is None:
            raise
        return codec.encode(plain, "payload")


def version_of(data: bytes) -> int:
    """Return the version after what an entry of the log says.

    Raises:
        InvalidSnapshot: These bytes are none.
    """
    return _read(data).version


def decode_log(log: list[bytes], shapes: Shapes) -> list[Record]:
    """Return the newest entries of a log, oldest first, as far as their values have today's shape.

    Nobody can migrate a slice without the rest of its state, so what was before another shape cannot be returned to.

    Raises:
        InvalidSnapshot: These bytes are no log.
    """
    entries = [_read(data) for data in log]
    others = [number for number, entry in enumerate(entries, 1) if entry.schema != shapes.process.schema_version]
    return [_record_of(entry, shapes) for entry in entries[max(others, default=0) :]]


def _read(data: bytes) -> Entry:
    try:
        return _entries.decode(data)
    except msgspec.DecodeError as error:
        raise _invalid(error) from error


def _record_of(entry: Entry, shapes: Shapes) -> Record:
    action = None
    if entry.type is not None:
        try:
            action = make_action(entry.type, codec.decode(entry.payload), codec.decode(entry.meta))
        except ValueError as error:
            raise _invalid(error) from error
    before = {name: GONE if piece is None else shapes.value(name, piece) for name, piece in entry.before.items()}
    return Record(action, entry.origin, entry.time, entry.start, entry.version, before, entry.shows)


def _invalid(error: Exception) -> InvalidSnapshot:
    return InvalidSnapshot(f"its history has an entry that is not what was written ({error})")
