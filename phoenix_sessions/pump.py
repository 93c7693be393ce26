"""The pump: sends what a connection's outbox has, as fast as its client acknowledges.

Rules:
    1. A value whose event name is a method of the consumer goes there; the others go to the browser, one frame for all.
    2. State goes before answers, so that a page has what its dispatch changed when the answer comes.
    3. The end of the session closes the connection at once, whatever the client has acknowledged.
    4. Only the pump sends frames, so their numbers are their order.
    5. Close codes are 4000 and up: daphne's autobahn refuses to send 1008, 1009, 1011, 1012 and 1013.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final

from .frames import ServerFrame, StateFrame
from .identity import LOGOUT
from .outbox import Outbox
from .runtime.departure import goes_elsewhere

logger = logging.getLogger("phoenix_sessions")

NO_SESSION: Final = 4401
NOT_STARTED: Final = 4404
TOO_SLOW: Final = 4408
POLICY: Final = 4008
TOO_LARGE: Final = 4009
SERVER_ERROR: Final = 4011
RECONNECT: Final = 4012
TRY_LATER: Final = 4013


class Pump:
    """The sending side of one connection.

    Args:
        consumer: Has ``send(text_data=)``, ``close(code)``, and the methods that take values themselves.
        outbox: What there is to send.
        ack_timeout: How long (seconds) the client may leave a full outbox waiting.
    """

    def __init__(self, consumer: Any, outbox: Outbox, ack_timeout: float) -> None:
        self._consumer = consumer
        self._outbox = outbox
        self._ack_timeout = ack_timeout
        self._full_since: float | None = None

    async def run(self) -> None:
        """Send until the session or the connection is over."""
        try:
            code = await self._send_until_over()
        except _Gone:
            return
        except Exception:
            logger.exception("%s cannot push", type(self._consumer).__qualname__)
            code = SERVER_ERROR
        with contextlib.suppress(OSError):  # the client was first
            await self._consumer.close(code)

    async def _send_until_over(self) -> int:
        """Return the close code when there is nothing more to send."""
        outbox = self._outbox
        while True:
            if not outbox.full:
                self._full_since = None
                await outbox.wake.wait()
            elif not await self._woken_in_time():
                return TOO_SLOW
            elif not outbox.full:
                self._full_since = None  # the client goes on, however soon the outbox is full again
            outbox.wake.clear()
            while not outbox.full and (frame := outbox.next_frame()) is not None:
                if isinstance(frame, StateFrame):
                    await self._send_state(frame)
                else:
                    await self._send(frame)
            if outbox.over or outbox.moved_to is not None:
                return close_code(outbox)

    async def _woken_in_time(self) -> bool:
        """Wait for something to do; returns False when the client has left the outbox full for too long."""
        outbox, now = self._outbox, asyncio.get_running_loop().time
        self._full_since = self._full_since or now()
        try:
            async with asyncio.timeout(self._full_since + self._ack_timeout - now()):
                await outbox.wake.wait()
        except TimeoutError:
            return False
        return True

    async def _send_state(self, frame: StateFrame) -> None:
        """Give the consumer the values that it takes itself, and send the others."""
        consumer = self._consumer
        if [event for event in frame.changes if getattr(consumer, event, None) is not None]:
            frame.changes = await self._handle_own(frame.changes)
        if frame.changes or frame.resume is not None:
            await self._send(frame)

    async def _handle_own(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Give values to the methods of their names; returns the ones that have none."""
        rest = {}
        for event, value in changes.items():
            method = getattr(self._consumer, event, None)
            if method is None:
                rest[event] = value
            else:
                await method(value)
        return rest

    async def _send(self, frame: ServerFrame) -> None:
        text = self._outbox.text(frame)
        try:
            await self._consumer.send(text_data=text)
        except OSError as error:  # so ASGI has a server say that the client has gone, as the consumer is about to hear
            raise _Gone from error


class _Gone(Exception):  # nothing went wrong
    """The client has closed its connection."""


def close_code(outbox: Outbox) -> int:
    """Return the close code for how the subscription ended."""
    if outbox.moved_to is not None:
        return RECONNECT
    if outbox.end is None:
        return SERVER_ERROR
    _, reason = outbox.end
    return {LOGOUT: NO_SESSION}.get(reason, RECONNECT if goes_elsewhere(reason) else NOT_STARTED)
