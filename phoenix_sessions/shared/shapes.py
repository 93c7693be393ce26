"""The state of a session as bytes, and back.

Rules:
    1. The state is a snapshot (see ``phoenix_sessions.snapshot``): each slice or own key is encoded by itself, so a
       change encodes only what changed, and what has come with the same bytes stays the same object.
    2. Whatever is no such bytes is ``InvalidSnapshot`` for the session that it belongs to, and for no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..backends import codec
from ..core.errors import InvalidSnapshot, NotSerializable
from ..core.mounts import Mounts
from ..core.state import GONE
from ..process import SessionProcess
from ..snapshot import FORMAT, Snapshot, convert_slice, encode_slice, restore, types

Pieces = Mapping[str, bytes]
"""The slices and own keys of a state, each encoded."""

_encode: Final = msgspec.msgpack.Encoder().encode
_snapshots: Final = msgspec.msgpack.Decoder(Snapshot)


class Shapes:
    """How the state of one process class is written.

    Attributes:
        process: The process class.
        mounts: Its reducers.
        kinds: The declared types of its slices.
    """

    __slots__ = ("kinds", "mounts", "process")

    def __init__(self, process: type[SessionProcess], mounts: Mounts) -> None:
        self.process = process
        self.mounts = mounts
        self.kinds = types(mounts)

    def pieces(self, slices: Mapping[str, Any]) -> dict[str, bytes]:
        """Return slices and own keys as bytes; what has gone is left out.

        Raises:
            NotSerializable: Something in them is neither plain data nor of a declared type.
        """
        kinds = self.kinds
        there = [(name, each) for name, each in slices.items() if each is not GONE]
        try:
            return {name: encode_slice(name, each, kinds.get(name)) for name, each in there}
        except UnicodeEncodeError as error:  # half of a surrogate pair, in the name of a key
            raise NotSerializable("state", error.object, "the name of a key is no text") from None

    def state(self, pieces: Pieces) -> bytes:
        """Return a whole state as bytes."""
        return _encode(Snapshot(FORMAT, self.process.schema_version, dict(pieces)))

    def size(self, pieces: Pieces) -> int:
        """Return how long (bytes) ``state`` is, without making it."""
        length = len(_encode(Snapshot(FORMAT, self.process.schema_version, {}))) - 1 + _header(len(pieces), 16)
        for name, piece in pieces.items():
            letters = len(name) if name.isascii() else len(name.encode())
            length += _header(letters, 32, 256) + letters + _header(len(piece), 0, 256) + len(piece)
        return length

    def value(self, name: str, piece: bytes) -> Any:
        """Return a slice or own key.

        Raises:
            InvalidSnapshot: These bytes are none, or do not fit.
        """
        try:
            plain = codec.decode(piece)
        except ValueError as error:
            raise InvalidSnapshot(f"its key {name!r} is {error}") from error
        return convert_slice(name, plain, self.kinds.get(name))

    def read(self, data: bytes, known: Pieces, slices: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return a state and its pieces; what is known by the same bytes is the same object.

        Raises:
            InvalidSnapshot: The bytes are no state of the process class.
        """
        try:
            snapshot = _snapshots.decode(data)
        except msgspec.DecodeError as error:
            raise InvalidSnapshot(f"its state is not what was written ({error})") from error
        pieces = snapshot.slices
        if snapshot.format != FORMAT or snapshot.schema != self.process.schema_version:
            own = {name: piece for name, piece in pieces.items() if name.isprintable()}
            restored = restore(self.process, self.mounts, _encode(Snapshot(snapshot.format, snapshot.schema, own)))
            return restored, self.pieces(restored)
        state = {
            name: slices[name] if known.get(name) == piece and name in slices else self.value(name, piece)
            for name, piece in pieces.items()
        }
        if empty := [name for name in self.mounts.names if state.get(name, ...) is None]:
            raise InvalidSnapshot(f"its slices {sorted(empty)} are None, and a slice never is")
        return state, pieces


def _header(length: int, *short: int) -> int:
    """Return how many bytes MessagePack puts before something of this length, which may have shorter headers."""
    return next((1 + each for each, below in enumerate(short) if length < below), 3 if length < 65_536 else 5)


def patched(pieces: Pieces, changed: Mapping[str, bytes | None]) -> Pieces:
    """Return pieces with these in place of the ones they have; None = it has gone."""
    merged: dict[str, Any] = {**pieces, **changed}
    if None not in changed.values():
        return merged
    return {name: piece for name, piece in merged.items() if piece is not None}
