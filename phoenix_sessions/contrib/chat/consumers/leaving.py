"""The worker's stop, as its sockets hear of it: come back, elsewhere.

Rules:
    1. Who is given nothing yet is told at once. Who is, is told when all that was sent is stored.
    2. The stop waits until everybody was told, for two seconds at most: not for clients that do not read.
    3. Every method may be used on any thread; none takes a lock, so that a fork finds none taken.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

from phoenix_sessions import sessions

LEAVE_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.01


class Leaver(Protocol):
    """An open socket."""

    @property
    def following(self) -> bool:
        """Whether it is given what happens."""

    def send_away(self) -> None:
        """Have the client come back elsewhere; called on the socket's event loop."""


class OpenSockets:
    """The sockets of this OS process."""

    def __init__(self) -> None:
        self._open: dict[Leaver, asyncio.AbstractEventLoop] = {}

    def __len__(self) -> int:
        """Return how many are open (count)."""
        return len(self._open)

    def add(self, socket: Leaver) -> None:
        """Note that a socket is open, on the event loop that runs."""
        self._open[socket] = asyncio.get_running_loop()

    def discard(self, socket: Leaver) -> None:
        """Note that a socket is not open (any more)."""
        self._open.pop(socket, None)

    def send_away(self, *, following: bool) -> None:
        """Have all come back elsewhere that are given something, or all that are not."""
        for socket, loop in self._open.copy().items():
            if socket.following is following:
                try:
                    loop.call_soon_threadsafe(socket.send_away)
                except RuntimeError:  # its loop has ended
                    self.discard(socket)

    def wait(self, seconds: float) -> None:
        """Wait until none is open, for so long at most."""
        end = time.monotonic() + seconds
        while self._open and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)


open_sockets: Final = OpenSockets()


def _at_stop(seconds: float) -> None:
    open_sockets.send_away(following=False)


def _after_stop(seconds: float) -> None:
    open_sockets.send_away(following=True)
    open_sockets.wait(min(seconds, LEAVE_SECONDS))


sessions.at_stop(_at_stop)
sessions.at_stop(_after_stop, after=True)
