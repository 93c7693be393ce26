"""State frames as text, made once for all connections of a loop that are told the same.

Rules:
    1. Frames say the same if epoch, version, resume and event names are equal and the values are the same objects.
       These are kept along with the text, so that their identity means something.
    2. What differs between connections, the number, is put into the text.
    3. At most ``MAX_TEXTS`` are kept, and none for longer than ``KEPT_FOR``.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Hashable, Mapping
from typing import Any, Final, NamedTuple

from .frames import StateFrame, encode
from .loops import one_per_loop

MAX_TEXTS: Final = 8
KEPT_FOR: Final = 1.0
"""Seconds: all connections whose clients keep up have sent a value by then."""

_HEAD: Final = '{"type":"state","seq":'


class Kept(NamedTuple):
    """What follows the number in a frame, and the values that it says."""

    rest: str
    values: Mapping[str, Any]


class Texts:
    """The last texts of one loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._kept: dict[Hashable, Kept] = {}

    def encode(self, frame: StateFrame) -> str:
        """Return the frame as JSON text.

        Raises:
            TypeError: A value is no plain data.
        """
        values = frame.changes
        said = (frame.epoch, frame.version, frame.resume, *values, *map(id, values.values()))
        kept = self._kept.get(said) or self._keep(said, frame)
        return f"{_HEAD}{frame.seq}{kept.rest}"

    def _keep(self, said: Hashable, frame: StateFrame) -> Kept:
        kept = Kept(encode(frame)[len(_HEAD) + len(str(frame.seq)) :], frame.changes)
        if not self._kept:
            self._loop.call_later(KEPT_FOR, self._kept.clear)
        elif len(self._kept) >= MAX_TEXTS:
            del self._kept[next(iter(self._kept))]
        self._kept[said] = kept
        return kept


texts = one_per_loop(Texts)
