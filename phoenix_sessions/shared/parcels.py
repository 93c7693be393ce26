"""Events of a stream as the notices that carry them, and back.

Rules:
    1. Each worker numbers its parcels, so that one which comes again, as its publisher had no answer, is known.
    2. A parcel names the one before it in its stream, and says if some of its publisher's may be lost; so a hole shows.
    3. A notice is at most ``DATA_BYTES`` and some, which every engine carries: NOTIFY of PostgreSQL has 8,000 bytes as
       Base64. An event that is larger goes in parts. Its place in the order is that of its last part.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from ..backends import codec
from ..core.errors import EventTooLarge
from ..core.events import MAX_EVENT_BYTES, Gap, Item, StreamEvent

logger = logging.getLogger("phoenix_sessions")

DATA_BYTES: Final = 5_600
MAX_PUBLISHERS: Final = 1_000
"""How many other workers are remembered of a stream (count); the oldest are forgotten."""

Written = tuple[str, bytes]
"""An event: its name, and its payload as bytes."""


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """Some events of one publisher, or a part of one that is large.

    Attributes:
        by: The worker that publishes.
        number: Its number for this parcel; the same for all parts, and when it is sent again; later ones are greater.
        after: Its number for the one before in this stream; 0 = it does not know.
        owed: Whether events before it may be lost.
        part: Which part this is, from 0.
        parts: How many there are (count).
        data: The events, or that part of them.
    """

    by: bytes
    number: int
    after: int
    owed: bool
    part: int
    parts: int
    data: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_parcels: Final = msgspec.msgpack.Decoder(Parcel)
_events: Final = msgspec.msgpack.Decoder(list[Written])


def write(stream: str, event: StreamEvent) -> Written:
    """Return an event as bytes.

    Raises:
        NotSerializable: Its payload is no plain data.
        EventTooLarge: It has more than MAX_EVENT_BYTES.
    """
    data = codec.encode(event.payload, "payload")
    if len(data) > MAX_EVENT_BYTES:
        raise EventTooLarge(stream, len(data), MAX_EVENT_BYTES)
    return event.name, data


def notices(by: bytes, number: int, after: int, owed: bool, events: Sequence[Written]) -> list[bytes]:
    """Return what to tell, one after the other, so that all these events are told."""
    data = _encode(events)
    parts = [data[start : start + DATA_BYTES] for start in range(0, len(data), DATA_BYTES)]
    return [_encode(Parcel(by, number, after, owed, part, len(parts), each)) for part, each in enumerate(parts)]


class Inbox:
    """What has come of one stream: makes items of notices."""

    def __init__(self) -> None:
        self._last: dict[bytes, tuple[int, int]] = {}  # by publisher: number and part
        self._known: set[bytes] = set()  # those of whom nothing can have been missed since
        self._parts: dict[bytes, tuple[int, list[bytes]]] = {}  # of which number, and its first parts

    def interrupt(self) -> None:
        """Take note that some may be missed; what comes again is still known."""
        self._known.clear()
        self._parts.clear()

    def take(self, notice: bytes) -> list[Item]:
        """Return the items of a notice, in order; none if it came before, or others of its parts are to come."""
        try:
            parcel = _parcels.decode(notice)
        except msgspec.DecodeError:  # an empty one, or a later version's
            return [Gap("missed", True)]
        last = self._last.pop(parcel.by, (0, 0))
        place = (parcel.number, parcel.part)
        self._last[parcel.by] = max(last, place)
        if place <= last:
            return []
        items: list[Item] = []
        if parcel.part == 0:
            if parcel.owed:
                items.append(Gap("unpublished", True))
            elif parcel.by in self._known and parcel.after not in (0, last[0]):
                items.append(Gap("missed", True))
            self._begin(parcel)
        return items + self._collect(parcel)

    def _begin(self, parcel: Parcel) -> None:
        self._known.add(parcel.by)
        self._parts[parcel.by] = parcel.number, []
        while len(self._last) > MAX_PUBLISHERS:
            oldest = next(iter(self._last))
            del self._last[oldest]
            self._known.discard(oldest)
            self._parts.pop(oldest, None)

    def _collect(self, parcel: Parcel) -> list[Item]:
        """Return the events, once all parts are there; a gap, if one is missing."""
        number, parts = self._parts.get(parcel.by, (0, []))
        if number == parcel.number and len(parts) == parcel.part:
            parts.append(parcel.data)
        if parcel.part + 1 < parcel.parts:
            return []
        self._parts.pop(parcel.by, None)
        if number != parcel.number or len(parts) < parcel.parts:
            return [Gap("missed", True)]
        try:
            return [StreamEvent(name, codec.decode(data)) for name, data in _events.decode(b"".join(parts))]
        except ValueError:  # msgspec's errors are ValueErrors too
            logger.exception("what came for a stream makes no sense")
            return [Gap("missed", True)]
