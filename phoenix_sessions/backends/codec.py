"""How plain data is written as bytes, so that every value comes back with the type that it had.

Rules:
    1. Plain data is None, bool, int, float, str, bytes, list, dict, and, kept as what they are: tuple, set, frozenset,
       datetime, date, time (with a fixed offset or a ZoneInfo), timedelta, Decimal, UUID, integers of any size, keys
       of any of these types.
    2. Anything else is NotSerializable, with the path to it. Types are looked at exactly: a subclass would not come
       back as one.
    3. Nothing that is decoded runs code of the writer's choice; there is no pickle.

The bytes are MessagePack; the kinds that it does not know are extensions, numbered by ``_KINDS``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from ..core.action import Action
from ..core.errors import NotSerializable

_BROKEN: Final = (
    msgspec.DecodeError, RecursionError, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError,
)  # fmt: skip
_NATIVE: Final = frozenset({type(None), bool, float, str, bytes})
_PLAIN: Final = _NATIVE | {int}
_NAMES: Final = frozenset({str})
_encode: Final = msgspec.msgpack.Encoder().encode


def encode(value: Any, path: str) -> bytes:
    """Return plain data as bytes.

    Args:
        value: The data.
        path: What it is called in errors.

    Raises:
        NotSerializable: Something in it is no plain data.
    """
    try:
        if _is_native(value):
            try:
                return _encode(value)
            except OverflowError:  # of an integer
                pass
        return _encode(_pack(value, path))
    except RecursionError:
        raise NotSerializable(path, "...", "it nests too deeply, or contains itself") from None
    except UnicodeEncodeError as error:
        raise NotSerializable(path, error.object, "it has half of a surrogate pair, which is no text") from None


def decode(data: bytes | memoryview) -> Any:
    """Return the data that was encoded.

    Raises:
        ValueError: These bytes were not made by ``encode``.
    """
    try:
        return _decoder.decode(data)
    except _BROKEN as error:
        raise ValueError(f"not what was written: {error}") from error


def check_payload(action: Action) -> None:
    """Check that an action could be written down; values of declared types (Struct, dataclass) can.

    Raises:
        NotSerializable: It could not.
    """
    for name, value in (("payload", action.payload), ("meta", dict(action.meta))):
        try:
            encode(value, name)
        except NotSerializable:
            if not _has_types(value):
                raise


def _has_types(value: Any) -> bool:
    """Return whether msgspec can write the value; whoever reads it needs its declared type."""
    try:
        _encode(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _is_native(value: Any) -> bool:
    """Return whether MessagePack has it as it is, but for integers that are too large.

    Most data is so, and then needs neither a copy nor paths for errors, which take most of the time of ``_pack``.
    """
    kind = type(value)
    if kind is dict:
        if not _NAMES.issuperset(map(type, value)):
            return False
        value = value.values()
    elif kind is not list:
        return kind in _PLAIN
    return _PLAIN.issuperset(map(type, value)) or all(type(item) in _PLAIN or _is_native(item) for item in value)


def _pack(value: Any, path: str) -> Any:
    kind = type(value)
    if kind in _NATIVE:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**64 else _extension(kind, hex(value))
    if kind is list:
        return [_pack(item, f"{path}.{index}") for index, item in enumerate(value)]
    if kind is dict:
        if all(type(key) is str for key in value):
            return {key: _pack(item, f"{path}.{key}") for key, item in value.items()}
        return _extension(kind, [[_pack(k, f"{path}.{k}"), _pack(v, f"{path}.{k}")] for k, v in value.items()])
    if kind in (tuple, set, frozenset):
        return _extension(kind, [_pack(item, f"{path}.{index}") for index, item in enumerate(value)])
    if kind is date:
        return _extension(kind, value.isoformat())
    if kind in (datetime, time) and (parts := _moment(value)) is not None:
        return _extension(kind, parts)
    if kind is timedelta:
        return _extension(kind, [value.days, value.seconds, value.microseconds])
    if kind in (Decimal, UUID):
        return _extension(kind, str(value))
    raise NotSerializable(
        path,
        value,
        "use plain data (None, bool, int, float, str, bytes, list, dict, tuple, set, date and time types with "
        "no zone, a fixed offset or a ZoneInfo, Decimal, UUID), or declare the type as its reducer's state_type",
    )


def _extension(kind: type, value: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(_NUMBERS[kind], _encode(value))


def _moment(value: datetime | time) -> list[Any] | None:
    """Return a datetime or time as ISO 8601, fold, and the name of its zone; None if its zone has no name."""
    zone = value.tzinfo
    if type(zone) is ZoneInfo:
        return None if zone.key is None else [value.replace(tzinfo=None).isoformat(), value.fold, zone.key]
    return [value.isoformat(), value.fold, None] if zone is None or type(zone) is timezone else None


def _from_moment(kind: Any) -> Callable[[Any], Any]:
    def make(parts: Any) -> Any:
        text, fold, zone = parts
        value = kind.fromisoformat(text).replace(fold=fold)
        return value if zone is None else value.replace(tzinfo=ZoneInfo(zone))

    return make


_KINDS: Final[dict[int, tuple[type, Callable[[Any], Any]]]] = {
    1: (tuple, tuple),
    2: (set, set),
    3: (frozenset, frozenset),
    4: (dict, dict),
    5: (int, lambda digits: int(digits, 16)),
    6: (datetime, _from_moment(datetime)),
    7: (date, date.fromisoformat),
    8: (time, _from_moment(time)),
    9: (timedelta, lambda parts: timedelta(*parts)),
    10: (Decimal, Decimal),
    11: (UUID, UUID),
}
_NUMBERS: Final = {kind: number for number, (kind, _) in _KINDS.items()}


def _unpack(number: int, data: memoryview) -> Any:
    if number not in _KINDS:
        raise ValueError(f"there is no kind {number}")
    return _KINDS[number][1](_decoder.decode(data))


_decoder: Final = msgspec.msgpack.Decoder(ext_hook=_unpack)
