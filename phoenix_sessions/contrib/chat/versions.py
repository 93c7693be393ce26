"""Which changes of messages somebody was given.

Rules:
    1. Of a message the version that was changed last counts: one that was overtaken is no news.
    2. Only the last 500 changed messages are known; the change of an older one may be given again.
"""

from __future__ import annotations

import datetime
from typing import Final

from .tails import version_of
from .types import Message

MOST: Final = 500


class Versions:
    """The changes that somebody was given."""

    def __init__(self) -> None:
        self._given: dict[str, datetime.datetime] = {}

    def __len__(self) -> int:
        """Return of how many messages a change is known (count)."""
        return len(self._given)

    def is_news(self, message: Message) -> bool:
        """Return whether a message was changed since it was given, and note that it is given now."""
        if message.edited_at is None and message.deleted_at is None:
            return False
        version = version_of(message)
        known = self._given.pop(message.id, None)
        self._given[message.id] = version if known is None else max(known, version)
        if len(self._given) > MOST:
            del self._given[next(iter(self._given))]
        return known is None or known < version
