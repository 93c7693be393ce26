"""Ports of loopback that are kept for one server, while it runs, is dead, and starts again."""

from __future__ import annotations

import socket


class Port:
    """A port that nobody else is given until it is given up.

    It is bound, not listened to: who connects while the server is dead is refused. The server itself may bind it,
    since it sets SO_REUSEADDR too.

    Attributes:
        number: The port.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def listening(self) -> bool:
        """Return whether a server accepts connections there."""
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex(("127.0.0.1", self.number)) == 0

    def give_up(self) -> None:
        """Let others have it."""
        self._socket.close()
