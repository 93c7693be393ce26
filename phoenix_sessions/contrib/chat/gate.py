"""Who is at work, so that a stop can wait for them.

Rules:
    1. Once the gate is closed nobody comes in: ``backpressure`` with the reason ``draining``.
    2. Who is inside is let finish.
"""

from __future__ import annotations

import threading
from typing import Final

from .errors import backpressure

AGAIN_MS: Final = 1000
"""When to come again (milliseconds): another worker is there at once, and this one's successor soon."""


class Gate:
    """Counts who is inside: ``with gate: …``."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    def __len__(self) -> int:
        """Return how many are inside (count)."""
        return self._inside

    @property
    def closed(self) -> bool:
        """Return whether nobody comes in any more."""
        return self._closed

    def __enter__(self) -> None:
        """Let somebody in for the time of the block.

        Raises:
            ChatError: ``backpressure``.
        """
        with self._changed:
            if self._closed:
                raise backpressure("draining", AGAIN_MS)
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._changed:
            self._inside -= 1
            if self._closed:
                self._changed.notify_all()

    def close(self) -> None:
        """Let nobody in any more."""
        with self._changed:
            self._closed = True

    def wait_until_empty(self, timeout: float) -> bool:
        """Wait until nobody is inside, and return whether that is so in time (seconds)."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._inside, timeout)
