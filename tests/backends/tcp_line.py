"""A line to a server on this machine that can go dead without a word, as a proxy does that loses its other side."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Self


class TcpLine:
    """Passes bytes on to a local port and back; acknowledges all of them, also when it passes none.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._asks = threading.Event()
        self._answers = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.mend()
        threading.Thread(target=self._accept, daemon=True).start()

    def mend(self) -> None:
        """Pass everything on from now on; what was swallowed is gone."""
        self._asks.set()
        self._answers.set()

    def freeze(self) -> None:
        """Swallow everything from now on."""
        self._asks.clear()
        self._answers.clear()

    @contextlib.contextmanager
    def losing_answers(self) -> Iterator[None]:
        """Swallow what the server says, for the time of the block."""
        self._answers.clear()
        try:
            yield
        finally:
            self._answers.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the end of the line
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for source, sink, open in ((client, server, self._asks), (server, client, self._answers)):
                    threading.Thread(target=self._pass_on, args=(source, sink, open), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, open: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if open.is_set():
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
