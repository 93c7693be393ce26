"""One connection to a consumer without a server: the consumer is an ASGI application on the loop of the bench."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import Any, Final

from .live import visitor

TURNS: Final = 30
"""After so many turns of the loop a consumer has taken what its client said."""


class Connection:
    """A client that notes when a frame leaves the consumer; create and use it inside the loop.

    Args:
        application: The consumer.
        acknowledges: Whether the client acknowledges frames, as session.js does.
    """

    def __init__(self, application: Any, acknowledges: bool) -> None:
        self._acknowledges = acknowledges
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._frame = asyncio.get_running_loop().create_future()
        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "session": visitor()}
        self._task = asyncio.ensure_future(application(scope, self._inbox.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        now = perf_counter()
        if message["type"] == "websocket.send" and not self._frame.done():
            self._frame.set_result((now, message["text"]))

    async def arrival(self, rest: float) -> float:
        """Return when (performance counter) a frame left, once it has been acknowledged and the loop had its rest.

        Args:
            rest: How long the loop then has nothing to do (seconds); 0 for only as long as it must.
        """
        at, text = await self._frame
        self._frame = asyncio.get_running_loop().create_future()
        if self._acknowledges:
            acknowledgement = json.dumps({"type": "ack", "seq": json.loads(text)["seq"]})
            self._inbox.put_nowait({"type": "websocket.receive", "text": acknowledgement})
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if rest:
            await asyncio.sleep(rest)
        return float(at)
