"""A WebSocket of a client on an event loop, as cheap as one can be: the clients share the machine with the server.

Rules:
    1. Handshakes and frames to the server are made by the ``websockets`` package, without compression; what comes is
       taken apart here.
    2. Pings are answered. Whatever else a server of text frames does not send ends the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

PATIENCE = 60.0
"""How long (seconds) a server may take to open a connection."""


class Socket(asyncio.Protocol):
    """One WebSocket.

    Args:
        take: Called with each text that comes.
        gone: Called with why the server, or the network, has ended it.
    """

    def __init__(self, take: Callable[[bytes], None], gone: Callable[[str], None]) -> None:
        self._take = take
        self._gone = gone
        self._buffer = b""
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over = False
        self._transport: asyncio.Transport

    @classmethod
    async def open(
        cls, url: str, subprotocols: list[str], take: Callable[[bytes], None], gone: Callable[[str], None]
    ) -> Socket:
        """Connect, and return the open connection.

        Raises:
            ConnectionError: There is no WebSocket.
        """
        uri = parse_uri(url)
        async with asyncio.timeout(PATIENCE):
            loop = asyncio.get_running_loop()
            transport, socket = await loop.create_connection(
                lambda: cls(take, gone), uri.host, uri.port, ssl=uri.secure or None
            )
            protocol = ClientProtocol(uri, subprotocols=subprotocols)  # type: ignore[arg-type]  # a NewType of str
            protocol.send_request(protocol.connect())
            transport.write(b"".join(protocol.data_to_send()))
            try:
                await socket._opened
            except BaseException:
                socket.close()
                raise
        return socket

    def say(self, text: bytes) -> None:
        """Send a text; nothing if the connection is over."""
        self._send(Opcode.TEXT, text)

    def close(self) -> None:
        """Leave."""
        if not self._over:
            self._send(Opcode.CLOSE, b"\x03\xe8")
            self._over = True
            self._transport.close()

    def _send(self, opcode: Opcode, data: bytes) -> None:
        if not self._over:
            self._transport.write(Frame(opcode, data).serialize(mask=True))

    # -- what asyncio calls ------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Have a connection."""
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Have none any more."""
        self._end(type(error).__name__ if error else "nothing")

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._buffer += data
        if not self._opened.done():
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._end(f"{head[:100]!r}, and there was no WebSocket")
                return
            self._buffer = rest
            self._opened.set_result(None)
        self._split()

    def _split(self) -> None:
        """Take the whole frames of the buffer; a server's frames have no mask."""
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            start, length = at + 2, buffer[at + 1]
            if length >= 126:  # then it is in the next 2 or 8 bytes
                start += 2 if length == 126 else 8
                length = int.from_bytes(buffer[at + 2 : start], "big")
            if len(buffer) < start or len(buffer) < start + length:
                break
            opcode, at = buffer[at], start + length
            self._frame(opcode, buffer[start:at])
        self._buffer = buffer[at:]

    def _frame(self, opcode: int, data: bytes) -> None:
        match opcode:
            case 0x81:
                self._take(data)
            case 0x89:
                self._send(Opcode.PONG, data)
            case 0x88:
                self._end(str(int.from_bytes(data[:2], "big")) if data else "nothing")
            case _:
                self._end(f"a frame 0x{opcode:02x}, which is no text")

    def _end(self, why: str) -> None:
        if self._over:
            return
        self._over = True
        self._transport.close()
        if self._opened.done():
            self._gone(why)
        else:
            self._opened.set_exception(ConnectionError(f"closed with {why}"))
