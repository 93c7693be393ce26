"""An agent's endpoint that takes its time, and answers with what it was asked."""

from __future__ import annotations

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self


class Asked(NamedTuple):
    """What came in.

    Attributes:
        id: The header ``X-Webhook-Id``.
        attempt: The header ``X-Webhook-Attempt``.
        texts: What the messages say.
    """

    id: str
    attempt: int
    texts: tuple[str, ...]


class Endpoint(ThreadingHTTPServer):
    """Answers each request after a random time, with its texts in lines.

    Args:
        seconds: The longest that it takes.
        seed: For the times.

    Attributes:
        asked: What came in.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, seconds: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Asked] = []
        self._seconds = seconds
        self._chance = random.Random(f"{seed} endpoint")

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=[0.05], name="endpoint")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}/hook"

    def answer(self, asked: Asked) -> dict[str, str]:
        """Note what was asked, and return the answer when it is time for it."""
        self.asked.append(asked)
        time.sleep(self._seconds * self._chance.random())
        return {"text": "\n".join(asked.texts)}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever asked was killed."""


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = tuple(message["content"]["text"] for message in body["messages"])
        asked = Asked(self.headers["X-Webhook-Id"], int(self.headers["X-Webhook-Attempt"]), texts)
        answer = json.dumps(self.server.answer(asked)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Say nothing."""
