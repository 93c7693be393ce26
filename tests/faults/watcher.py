"""An open page without a browser: it follows one session over a WebSocket, and comes back after every loss."""

from __future__ import annotations

import json
import threading
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

PAUSE_S = 0.2


class Watcher(threading.Thread):
    """Follows the count of one session.

    Args:
        port: Of the balancer, or of one worker.
        id: The session.

    Attributes:
        id: The session.
        count: The last count that came, None before the first.
        connections: How many connections it has had (count).
        went_back: How often a lower version came in the same life (count).
        resumed: How connections began, in order: "new", "recovered" or "not_found".
    """

    def __init__(self, port: int, id: str) -> None:
        super().__init__(name=f"watcher of {id}", daemon=True)
        self.id = id
        self.count: int | None = None
        self.connections = 0
        self.went_back = 0
        self.resumed: list[str] = []
        self._url = f"ws://127.0.0.1:{port}/ws/{id}/"
        self._point: tuple[int, int] | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let it end."""
        self._stopped.set()

    def run(self) -> None:
        """Follow until stopped."""
        while not self._stopped.is_set():
            try:
                self._follow()
            except (OSError, ConnectionClosed, InvalidHandshake):  # a fault, or a session that is not started yet
                self._stopped.wait(PAUSE_S)

    def _follow(self) -> None:
        query = "" if self._point is None else "?epoch={}&version={}".format(*self._point)
        with connect(self._url + query, proxy=None, open_timeout=10, close_timeout=1, ping_interval=None) as socket:
            self.connections += 1
            while not self._stopped.is_set():
                try:
                    frame = json.loads(socket.recv(timeout=0.1))
                except TimeoutError:
                    continue
                if frame["type"] == "state":
                    self._take(frame)
                    socket.send(json.dumps({"type": "ack", "seq": frame["seq"]}))

    def _take(self, frame: dict[str, Any]) -> None:
        if "resume" in frame:
            self.resumed.append(frame["resume"])
        point = (frame["epoch"], frame["version"])
        if self._point is not None and self._point[0] == point[0] and point[1] < self._point[1]:
            self.went_back += 1
        self._point = point
        self.count = frame["changes"].get("count", self.count)
