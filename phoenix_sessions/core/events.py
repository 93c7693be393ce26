"""What comes out of a stream: events, and gaps where some may be missing.

Rules:
    1. Stream names have a space of their own: in the engine they stand behind ``stream:``, and no session id has a
       colon.
    2. A ``Gap`` stands exactly where events may be missing. While it says ``live=False`` more may be missed, and
       another gap, which says ``live=True``, comes when that is over.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

MAX_EVENT_BYTES: Final = 64 * 1024
MAX_EVENT_NAME: Final = 64
PREFIX: Final = "stream:"

Reason = Literal["slow", "interrupted", "resumed", "unpublished", "missed", "local", "stopped"]

_is_name = re.compile(r"[A-Za-z0-9_.:-]{1,128}").fullmatch


class StreamEvent(msgspec.Struct, frozen=True):
    """An event of a stream.

    Attributes:
        name: What happened, 1 to 64 characters.
        payload: Plain data. Listeners of one worker may be given the same object: do not change it.
    """

    name: str
    payload: Any


class Gap(msgspec.Struct, frozen=True):
    """Events may be missing here: read again what the stream is about.

    Attributes:
        reason: Why: ``"slow"`` (this listener let more than its limit wait), ``"interrupted"`` and then ``"resumed"``
            (the engine sent nothing for a while), ``"unpublished"`` (a publisher could not publish, or cannot know
            whether it has), ``"missed"`` (what came from the engine has a hole), ``"local"`` (events of other workers
            do not come at all), ``"stopped"`` (this worker stops; nothing more comes).
        live: Whether from here on everything comes. If so, what is read now is complete with what follows.
    """

    reason: Reason
    live: bool


Item = StreamEvent | Gap


def check_stream_name(name: object) -> str:
    """Return the name if it is one.

    Raises:
        ValueError: It is no str of 1 to 128 characters from ``A-Z a-z 0-9 _ - . :``.
    """
    if isinstance(name, str) and _is_name(name):
        return name
    raise ValueError(
        f"{name!r} is no name of a stream: it must be a str of 1 to 128 characters from A-Z a-z 0-9 _ - . :"
    )


def check_event_name(name: object) -> str:
    """Return the name if it is one.

    Raises:
        ValueError: It is no str of 1 to MAX_EVENT_NAME characters.
    """
    if type(name) is str and 0 < len(name) <= MAX_EVENT_NAME:
        return name
    raise ValueError(f"{name!r:.200} is no name of an event: it must be a str of 1 to {MAX_EVENT_NAME} characters")
