"""Many WebSockets of one process, as cheap as a client can be: what is measured is the server.

Rules:
    1. Handshakes and frames to the server are made by the ``websockets`` package; what comes is read by epoll, and of a
       frame only the length is looked at until all have come.
    2. A socket has its frame when the last byte is here.
"""

from __future__ import annotations

import json
import resource
import selectors
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

PATIENCE = 60.0
"""How long (seconds) a server may take before the bench gives up."""
FILES = 100
"""What else a process has open (count, generously)."""


class Socket:
    """One WebSocket, open."""

    __slots__ = ("_buffer", "frames", "stream")

    def __init__(self, port: int, path: str) -> None:
        self.stream = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.frames: list[bytes] = []
        self._open(f"ws://127.0.0.1:{port}{path}")

    def _open(self, url: str) -> None:
        protocol = ClientProtocol(parse_uri(url))
        protocol.send_request(protocol.connect())
        self.stream.sendall(b"".join(protocol.data_to_send()))
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._received()
        head, _, self._buffer = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(f"no WebSocket at {url}: {head[:100]!r}")
        self._split()

    def _received(self) -> bytes:
        data = self.stream.recv(65536)
        if not data:
            raise ConnectionError("the server has closed a socket")
        return data

    def read(self) -> None:
        """Take what has come."""
        self._buffer += self._received()
        self._split()

    def _split(self) -> None:
        """Move the whole frames of the buffer; a server's frames have no mask."""
        while len(buffer := self._buffer) >= 2:
            start, length = 2, buffer[1]
            if length >= 126:  # then it is in the next 2 or 8 bytes
                start = 4 if length == 126 else 10
                length = int.from_bytes(buffer[2:start], "big")
            if len(buffer) < start or len(buffer) < start + length:
                return
            if buffer[0] & 0x0F != Opcode.TEXT:
                raise ConnectionError(f"the server sent no text, but {buffer[: start + length]!r}")
            self.frames.append(buffer[start : start + length])
            self._buffer = buffer[start + length :]

    def wait(self) -> Any:
        """Return the next frame's JSON."""
        while not self.frames:
            self.read()
        return json.loads(self.frames.pop(0))

    def say(self, value: Any) -> None:
        """Send JSON."""
        frame = Frame(Opcode.TEXT, json.dumps(value).encode())
        self.stream.sendall(frame.serialize(mask=True))

    def ask(self, *question: Any) -> Any:
        """Send a list and return the answer."""
        self.say(question)
        return self.wait()

    def close(self) -> None:
        """Leave, without a farewell."""
        self.stream.close()


class Sockets:
    """Many sockets that are told the same."""

    def __init__(self, port: int, path: str, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._sockets = [Socket(port, path) for _ in range(count)]
        for each in self._sockets:
            self._selector.register(each.stream, selectors.EVENT_READ, each)

    def wait_for_all(self) -> float:
        """Return when (monotonic seconds) the last socket had a frame."""
        missing = sum(not each.frames for each in self._sockets)
        last = monotonic()
        while missing:
            ready = self._selector.select(PATIENCE)
            if not ready:
                raise TimeoutError(f"{missing} of {len(self._sockets)} sockets got nothing within {PATIENCE:g} s")
            for key, _ in ready:
                had = bool(key.data.frames)
                key.data.read()
                missing -= not had and bool(key.data.frames)
            last = monotonic()
        return last

    def answer(self, make: Callable[[dict[str, Any]], Any]) -> None:
        """Answer what each socket has got with what ``make`` makes of it; None for nothing."""
        for each in self._sockets:
            while each.frames:
                answer = make(each.wait())
                if answer is not None:
                    each.say(answer)

    def close(self) -> None:
        """Leave."""
        self._selector.close()
        for each in self._sockets:
            each.close()


def room_for(count: int) -> bool:
    """Raise the number of files that this process and its children may open; returns whether so many sockets fit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most == resource.RLIM_INFINITY or most >= count + FILES
