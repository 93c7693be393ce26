"""A WebSocket server whose every frame a test decides, so that a dialogue with session.js reads as one.

Rules:
    1. It is a real server on a real port; only what it says is the test's.
    2. Waiting is bounded by ``PATIENCE`` and ends in a failure, never in a sleep.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

import phoenix_sessions

PATIENCE: Final = 20.0
SESSION_JS: Final = Path(phoenix_sessions.__file__).parent / "static/phoenix_sessions/session.js"
PAGE: Final = "<!doctype html><title>session.js</title><link rel=icon href=data:,>"


class Conversation:
    """The server's end of one connection.

    Attributes:
        query: The query that the client connected with.
    """

    def __init__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.query = dict(parse_qsl(urlsplit(connection.request.path).query))
        self._connection = connection
        self._seq = 0
        self.over = threading.Event()

    def send(self, type_: str, **fields: Any) -> int:
        """Send a frame and return its number."""
        self._seq += 1
        self._connection.send(json.dumps({"type": type_, "seq": self._seq, **fields}))
        return self._seq

    def state(self, version: int, changes: dict[str, Any], *, epoch: str = "e1", resume: str | None = None) -> int:
        """Send a state frame; the first one of a connection says how it resumed."""
        extra = {} if resume is None else {"resume": resume}
        return self.send("state", epoch=epoch, version=version, changes=changes, **extra)

    def receive(self) -> Any:
        """Return the next frame that is no acknowledgement."""
        while (frame := self.receive_any())["type"] == "ack":
            pass
        return frame

    def receive_any(self) -> Any:
        """Return the next frame."""
        return json.loads(self._connection.recv(timeout=PATIENCE))

    def close(self, code: int, reason: str = "") -> None:
        """Close with this code."""
        self._connection.close(code, reason)
        self.over.set()

    def cut(self) -> None:
        """Lose the connection without a word."""
        self._connection.socket.shutdown(socket.SHUT_RDWR)
        self.over.set()

    def closed_by_client(self) -> int:
        """Wait for the client to close, and return its close code."""
        for _ in self._connection:
            pass
        assert self._connection.close_code is not None
        return self._connection.close_code


class ScriptedServer:
    """Serves an empty page, session.js, and conversations at ``/ws/``."""

    def __init__(self, port: int = 0) -> None:
        self._arrived: queue.Queue[Conversation] = queue.Queue()
        self._open: list[Conversation] = []
        self._server: Server = serve(self._converse, "127.0.0.1", port, process_request=_page, close_timeout=0.2)
        self.port: int = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/"

    def accept(self) -> Conversation:
        """Return the next connection."""
        return self._arrived.get(timeout=PATIENCE)

    def stop(self) -> None:
        """Stop listening and end all conversations."""
        for conversation in self._open:
            conversation.over.set()
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _converse(self, connection: ServerConnection) -> None:
        conversation = Conversation(connection)
        self._open.append(conversation)
        self._arrived.put(conversation)
        conversation.over.wait()


def _page(connection: ServerConnection, request: Request) -> Response | None:
    if request.path.startswith("/ws/"):
        return None
    is_script = request.path == "/session.js"
    body = SESSION_JS.read_bytes() if is_script else PAGE.encode()
    kind = "text/javascript" if is_script else "text/html"
    return Response(200, "OK", Headers({"Content-Type": kind, "Content-Length": str(len(body))}), body)
