"""Snapshots: the state of a session as bytes, and back.

Rules:
    1. A snapshot holds plain data (see ``backends/codec.py``) and slices of a declared ``state_type``.
    2. It says with which ``schema_version`` of the process class it was made. Another version than today's goes through
       ``migrate`` first, as plain data.
    3. What cannot be written or restored is an error, and nothing else happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from .backends import codec
from .core.errors import InvalidSnapshot, NotSerializable
from .core.mounts import Mounts
from .core.state import is_state
from .process import SessionProcess

FORMAT: Final = 1


class Snapshot(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What the bytes say: their format, the schema version, and each slice or own key, encoded by itself."""

    format: int
    schema: int
    slices: dict[str, bytes]


def take(process: type[SessionProcess], mounts: Mounts, state: Mapping[str, Any]) -> bytes:
    """Return the state as bytes.

    Raises:
        NotSerializable: Something in it is neither plain data nor of a declared type.
    """
    declared = types(mounts)
    slices = {name: encode_slice(name, value, declared.get(name)) for name, value in state.items()}
    codec.encode(list(slices), "the keys of the state")
    return msgspec.msgpack.encode(Snapshot(FORMAT, process.schema_version, slices))


def restore(process: type[SessionProcess], mounts: Mounts, data: bytes) -> dict[str, Any]:
    """Return the state that the bytes hold, in today's shape.

    Raises:
        InvalidSnapshot: They are no snapshot, or one that the process class cannot take.
    """
    try:
        snapshot = msgspec.msgpack.decode(data, type=Snapshot)
        plain = {name: codec.decode(value) for name, value in snapshot.slices.items()}
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        raise InvalidSnapshot(f"these bytes are no snapshot ({error})") from error
    if snapshot.format != FORMAT:
        raise InvalidSnapshot(f"it has format {snapshot.format}, and this version of phoenix_sessions reads {FORMAT}")
    if snapshot.schema != process.schema_version:
        plain = _migrate(process, plain, snapshot.schema)
    if missing := [name for name in mounts.names if plain.get(name, ...) is None]:
        raise InvalidSnapshot(f"its slices {sorted(missing)} are None, and a slice never is")
    declared = types(mounts)
    return {name: convert_slice(name, value, declared.get(name)) for name, value in plain.items()}


def _migrate(process: type[SessionProcess], plain: dict[str, Any], version: int) -> dict[str, Any]:
    state = process.migrate(plain, version)
    if not is_state(state):
        raise InvalidSnapshot(f"{process.__qualname__}.migrate returned {state!r}: it must return a mapping by name")
    return dict(state)


def types(mounts: Mounts) -> dict[str, Any]:
    """Return the declared types of the slices that have one."""
    kinds = {mount.name: mount.reducer.state_type for mount in mounts.mounts}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def encode_slice(name: str, value: Any, kind: Any) -> bytes:
    """Return a slice, or an own key, as bytes.

    Args:
        name: What it is called.
        value: Its value.
        kind: Its declared type, or None.

    Raises:
        NotSerializable: Something in it is neither plain data nor of the declared type.
    """
    if kind is None:
        return codec.encode(value, name)
    try:
        data = msgspec.msgpack.encode(value)
        back = msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise NotSerializable(name, value, f"it does not go with its state_type {kind!r}: {error}") from error
    if type(back) is not type(value):
        raise NotSerializable(name, value, f"with its state_type {kind!r} it would come back as {type(back)!r}")
    return data


def convert_slice(name: str, value: Any, kind: Any) -> Any:
    """Return a slice, or an own key, from plain data, as its declared type, if it has one.

    Raises:
        InvalidSnapshot: It does not fit.
    """
    if kind is None:
        return value
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, TypeError, RecursionError) as error:
        raise InvalidSnapshot(f"slice {name!r} does not fit {kind!r}: {error}") from error
