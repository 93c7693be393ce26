"""Ids of conversations and messages: ULIDs, 26 characters that sort by the moment when they were made.

Rules:
    1. Of one OS process, each is greater than the one before, also within a millisecond, on any thread, and when the
       machine's clock is set back.
    2. A forked child begins anew, so that it makes none that its parent makes.
    3. A conversation's shard is a number from 0 to 1023 that follows from its id, the same for ever.

Source: https://github.com/ulid/spec
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from typing import Final

from ulid import ULIDGenerator

SHARDS: Final = 1024
LENGTH: Final = 26


class Ids:
    """Makes ids, each greater than the one before."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._last = 0
        self._generator = ULIDGenerator(clock=self._now)

    def new(self) -> str:
        """Return an id."""
        with self._turn:  # the generator reads its clock outside its own lock
            return str(self._generator.generate())

    def _now(self) -> int:
        self._last = max(self._last, time.time_ns() // 1_000_000)
        return self._last


def new_id() -> str:
    """Return a new id."""
    return _ids.new()


def shard_of(conversation: str) -> int:
    """Return the shard of a conversation, 0 to 1023."""
    return zlib.crc32(conversation.encode()) % SHARDS


_ids = Ids()


def _after_fork() -> None:
    global _ids
    _ids = Ids()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
