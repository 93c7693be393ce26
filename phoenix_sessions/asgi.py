"""An ASGI application with an orderly end: ``application = SessionLifespan(ProtocolTypeRouter({...}))``.

Rules:
    1. The stop begins with the signal, while sockets are open still. ASGI's shutdown event is too late: uvicorn sends
       it once all connections are closed, and waits for endless streams before; daphne knows none.
    2. The server's own handler has the signal when the stop is over: uvicorn, daphne and their like go down as ever.
    3. The shutdown event stops the sessions too, for servers that end in other ways.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .manager import sessions
from .sigterm import stop_first

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class SessionLifespan:
    """Stops the sessions before the server goes down.

    Args:
        application: What serves; put this around the whole of it.

    Attributes:
        application_mapping: The application's own, if it is a channels ``ProtocolTypeRouter``. With an entry
            "lifespan" that one is served, and the sessions stop before it has the shutdown event.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._ready = False
        self.application_mapping: dict[str, Any] = getattr(application, "application_mapping", {})

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a connection, or the life of the server."""
        if not self._ready:
            self._ready = True
            stop_first()
        if scope["type"] != "lifespan":
            await self._application(scope, receive, send)
        elif "lifespan" in self.application_mapping:
            await self._application(scope, _stopping(receive), send)
        else:
            await _live(_stopping(receive), send)


def _stopping(receive: Receive) -> Receive:
    """Return what gives the same events, and stops the sessions before the last."""

    async def stop_before_shutdown() -> Message:
        event = await receive()
        if event["type"] == "lifespan.shutdown":
            await sessions.astop()
        return event

    return stop_before_shutdown


async def _live(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
