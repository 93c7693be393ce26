"""A window: how much may be on its way to a client that has not acknowledged it.

Rules:
    1. ASGI servers buffer without limit what a client does not read; so ``await send(...)`` holds nobody back.
    2. Frames are numbered from 1; an acknowledgement covers all up to its number.
"""

from __future__ import annotations

import asyncio
from typing import Final

WINDOW: Final = 16
ACK_TIMEOUT: Final = 10.0


class Window:
    """The numbers of the frames of one connection; used on one event loop.

    Args:
        size: How many may be unacknowledged (count).
        timeout: How long the client may leave it full (seconds).
    """

    def __init__(self, size: int = WINDOW, timeout: float = ACK_TIMEOUT) -> None:
        self.size = size
        self.timeout = timeout
        self._sent = 0
        self._acknowledged = 0
        self._room = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether the client has to acknowledge before it is sent more."""
        return self._sent - self._acknowledged >= self.size

    async def take(self) -> int:
        """Return the number of the next frame, once there is room for it.

        Raises:
            TimeoutError: The client has left it full for too long; close the connection.
        """
        if self.full:
            async with asyncio.timeout(self.timeout):
                while self.full:
                    self._room.clear()
                    await self._room.wait()
        self._sent += 1
        return self._sent

    def acknowledge(self, number: object) -> bool:
        """Note how far the client has got; returns False for what makes no sense."""
        if type(number) is not int or not self._acknowledged < number <= self._sent:
            return False
        self._acknowledged = number
        self._room.set()
        return True
