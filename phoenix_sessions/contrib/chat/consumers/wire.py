"""What goes out on a socket, and what is done for it.

Rules:
    1. A client has a window: what it does not acknowledge is sent no further, and costs no more than the window.
    2. Whatever fails is a frame, or a documented close code; a flood of refusals closes.
    3. What a client has asked for is done, also if it leaves meanwhile: what was stored is told to the others.
    4. Clean-up is in ``finally``: servers cancel consumers without calling ``disconnect``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, ClassVar

from channels.generic.websocket import AsyncWebsocketConsumer

from phoenix_sessions import BackendUnavailable, ShuttingDown
from phoenix_sessions.window import Window

from ..errors import ChatError
from .codes import FORBIDDEN, POLICY, RECONNECT, SERVER_ERROR, TOO_SLOW, TRY_LATER
from .flood import Bucket
from .frames import BackpressureFrame, ErrorFrame, OutFrame, encode, refusal

logger = logging.getLogger("phoenix_sessions.chat")

_asked: set[asyncio.Task[None]] = set()
"""What clients have asked for; it outlives them."""


class Wire(AsyncWebsocketConsumer):
    """The sending side of one connection.

    Attributes:
        window_size: How many frames may be unacknowledged (count).
        ack_timeout: How long a client may leave the window full (seconds).
        errors_per_second, error_burst: How many of its frames may be refused.
        max_unanswered: How much that it has asked for may wait for its answer (count).
    """

    window_size: ClassVar[int] = 32
    ack_timeout: ClassVar[float] = 60.0
    errors_per_second: ClassVar[float] = 5.0
    error_burst: ClassVar[float] = 100.0
    max_unanswered: ClassVar[int] = 32

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.over = False
        self.window = Window(self.window_size, self.ack_timeout)
        self._turn = asyncio.Lock()
        self._errors = Bucket(self.errors_per_second, self.error_burst)
        self._unanswered = 0
        self._own: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection, and leave nothing behind however it ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.over = True
            self.left()
            if own := self._cancel_own():
                await asyncio.wait(own)

    def left(self) -> None:
        """Forget who was here; fine to repeat."""

    def ask(self, work: Coroutine[Any, Any, OutFrame | None], client_id: str | None = None) -> None:
        """Do what a client asked for, and answer; it is begun in the order of asking."""
        self._unanswered += 1
        task = asyncio.get_running_loop().create_task(self._answer(work, client_id))
        _asked.add(task)
        task.add_done_callback(_asked.discard)

    @property
    def crowded(self) -> bool:
        """Whether too much that was asked for is not answered yet."""
        return self._unanswered >= self.max_unanswered

    async def _answer(self, work: Coroutine[Any, Any, OutFrame | None], client_id: str | None) -> None:
        try:
            frame = await work
        except ChatError as error:
            frame = refusal(error, client_id)
        except ShuttingDown:
            frame = BackpressureFrame(client_id, "draining", 1000)
        except Exception:
            logger.exception("cannot do what a client asked for")
            frame = ErrorFrame("failed", "the server failed; it may have been done", client_id)
        if frame is None:
            self._unanswered -= 1
        elif not self.over:
            await self.at_work(self.say(frame, answers=True))

    # -- what goes out -------------------------------------------------------------------------------------------------

    async def say(self, frame: OutFrame, *, answers: bool = False) -> None:
        """Send a frame, once there is room for it; nothing if the connection is over.

        Args:
            frame: What to send.
            answers: Whether it answers what was asked for.
        """
        async with self._turn:
            if self.over:
                return
            try:
                number = await self.window.take()
            except TimeoutError:
                await self.hang_up(TOO_SLOW)
                return
            self._unanswered -= answers
            if not self.over:
                with contextlib.suppress(OSError):  # the client has gone, as the consumer is about to hear
                    await self.send(text_data=encode(frame, number))

    async def say_if_room(self, frame: OutFrame) -> None:
        """Send a last frame, unless the client does not read."""
        if not self.window.full:
            await self.say(frame)

    async def refuse(self, frame: ErrorFrame | BackpressureFrame) -> None:
        """Answer what cannot be done, without waiting; too many of these close."""
        if self._errors.take(now()):
            await self.hang_up(POLICY)
        else:
            self.at_work(self.say(frame))

    async def hang_up(self, code: int) -> None:
        """Close, and take and send nothing more."""
        if self.over:
            return
        self.over = True
        self.left()
        self._cancel_own()
        with contextlib.suppress(OSError):  # the client was first
            await self.close(code)

    async def fail(self, error: Exception) -> None:
        """Close as the error says."""
        if isinstance(error, ChatError):
            await self.say_if_room(refusal(error))
            passing = error.code in ("unavailable", "backpressure", "rate_limited")
            await self.hang_up(TRY_LATER if passing else FORBIDDEN)
        elif isinstance(error, ShuttingDown):
            await self.hang_up(RECONNECT)
        elif isinstance(error, BackendUnavailable):
            await self.hang_up(TRY_LATER)
        else:
            logger.error("%s failed", type(self).__qualname__, exc_info=error)
            await self.hang_up(SERVER_ERROR)

    def at_work(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done as long as the connection is there, and return its task."""
        task = asyncio.get_running_loop().create_task(work)
        self._own.add(task)
        task.add_done_callback(self._own.discard)
        return task

    def _cancel_own(self) -> set[asyncio.Task[None]]:
        """Cancel what is done for this connection, but for the task that asks; returns it."""
        own = self._own - {asyncio.current_task()}
        for task in own:
            task.cancel()
        return own


def now() -> float:
    """Return the time (monotonic seconds)."""
    return asyncio.get_running_loop().time()
