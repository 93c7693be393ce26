"""The site that daphne serves for the push group: one visitor, whose sockets are all on one session.

BENCH_CONTENDER says who pushes. ``/live/`` are the visitor's sockets; ``/control/`` takes a JSON
list of a verb and its arguments:

    ["push", "count" | "cart" | "at"]   pushes to all; answers when it began (seconds of the clock of all processes)
    ["quiet"]                           answers when the loop has nothing more to do
    ["encoded"]                         answers how often a value "at" was encoded so far (count)
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from .site import configure

configure()

from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402

from .live import Counted, prepare, visitor  # noqa: E402

PROMPT = 0.001
"""A loop that comes round within so long (seconds) has nothing to do."""
QUIET_TURNS = 50

_prepared: asyncio.Future[Any] | None = None


class Control(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: list[str], **kwargs: Any) -> None:
        verb, *arguments = content
        await self.send_json(await getattr(self, verb)(*arguments))

    async def push(self, value: str) -> float:
        _, push = await _contender()
        began = time.monotonic()
        await push(value)
        return began

    async def quiet(self) -> bool:
        turns = 0
        while turns < QUIET_TURNS:
            before = time.monotonic()
            await asyncio.sleep(0)
            turns = turns + 1 if time.monotonic() - before < PROMPT else 0
        return True

    async def encoded(self) -> int:
        return Counted.encoded


async def _contender() -> Any:
    global _prepared
    if _prepared is None:
        _prepared = asyncio.ensure_future(prepare(os.environ["BENCH_CONTENDER"], int(os.environ["BENCH_SOCKETS"])))
    return await _prepared


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve a socket."""
    if scope["path"] == "/control/":
        await Control.as_asgi()(scope, receive, send)
    else:
        live, _ = await _contender()
        await live({**scope, "session": visitor()}, receive, send)
