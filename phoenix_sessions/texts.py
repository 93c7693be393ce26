"""State frames as text, made once for all connections of a loop that are told the same.

Rules:
    1. Frames say the same if epoch, version, resume and event names are equal and the values are the same objects.
       These are kept along with the text, so that their identity means something.
    2. What differs between connections, the number, is put into the text.
    3. Only texts of one version of one session, the last one, are kept: at most ``MAX_TEXTS`` of them, and
       none for longer than ``KEPT_FOR``. Who is told by a commit is told one after the other, so that is enough.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Mapping
from typing import Any, Final

from .frames import Resume, StateFrame, encode
from .runtime.loops import one_per_loop

MAX_TEXTS: Final = 8
KEPT_FOR: Final = 1.0
"""Seconds: all connections whose clients keep up have sent a value by then."""

_HEAD: Final = '{"type":"state","seq":'
_MISSING: Final = object()

Said = tuple[Mapping[str, Any], Resume | None, str]
"""What a frame says, and its text from the comma after the number on."""


class Texts:
    """The last texts of one loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._epoch = self._version = -1
        self._said: list[Said] = []
        self._forgetting = False

    def encode(self, frame: StateFrame) -> str:
        """Return the frame as JSON text.

        Raises:
            TypeError: A value is no plain data.
        """
        if frame.version != self._version or frame.epoch != self._epoch:
            self._epoch, self._version = frame.epoch, frame.version
            self._said.clear()
        for changes, resume, rest in self._said:
            if resume == frame.resume and _same(changes, frame.changes):
                return f"{_HEAD}{frame.seq}{rest}"
        text = encode(frame)
        if len(self._said) < MAX_TEXTS:
            self._said.append((frame.changes, frame.resume, text[text.index(",", len(_HEAD)) :]))
            if not self._forgetting:
                self._forgetting = True
                self._loop.call_later(KEPT_FOR, self._forget)
        return text

    def _forget(self) -> None:
        self._forgetting = False
        self._said.clear()


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether the events are equal and their values the same objects."""
    if len(one) != len(other):
        return False
    for event, value in other.items():  # noqa: SIM110 - for every socket of a session, so no generator
        if one.get(event, _MISSING) is not value:
            return False
    return True


texts = one_per_loop(Texts)
