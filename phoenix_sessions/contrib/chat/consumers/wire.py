"""What goes out on a socket, and what is done for it.

Rules:
    1. A client has a window: what it does not acknowledge is sent no further, and costs no more than the window.
    2. Whatever fails is a frame, or a documented close code; a flood of refusals closes.
    3. What a client has asked for is done, also if it leaves meanwhile: what was stored is told to the others.
    4. Clean-up is in ``finally``: servers cancel consumers without calling ``disconnect``.
    5. What a server does not take any more was for a client that has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, ClassVar, Final

from channels.generic.websocket import AsyncWebsocketConsumer

from phoenix_sessions import BackendUnavailable, ShuttingDown
from phoenix_sessions.window import Window

from ..errors import ChatError
from ..gateway import gateway
from .codes import FORBIDDEN, POLICY, RECONNECT, SERVER_ERROR, TOO_SLOW, TRY_LATER
from .flood import Bucket
from .frames import BackpressureFrame, ErrorFrame, OutFrame, encode, refusal
from .leaving import open_sockets

logger = logging.getLogger("phoenix_sessions.chat")

_asked: set[asyncio.Task[None]] = set()
"""What clients have asked for; it outlives them."""

_LAST_WORD: Final = 1.0
"""How long the last frame of a connection may take (seconds), and at the stop all answers."""
_GONE: Final = (OSError, RuntimeError)
"""What servers raise where the client has gone; the second is uvicorn's, after pings in vain."""


class Wire(AsyncWebsocketConsumer):
    """The sending side of one connection.

    Attributes:
        window_size: How many frames may be unacknowledged (count).
        channel_layer_alias: None: no channel layer is listened to, which would cost each connection a task.
        ack_timeout: How long a client may leave the window full, or one frame unread (seconds).
        errors_per_second, error_burst: How many of its frames may be refused.
        max_unanswered: How much that it has asked for may wait for its answer (count).
    """

    channel_layer_alias: ClassVar[str | None] = None
    window_size: ClassVar[int] = 32
    ack_timeout: ClassVar[float] = 60.0
    errors_per_second: ClassVar[float] = 5.0
    error_burst: ClassVar[float] = 100.0
    max_unanswered: ClassVar[int] = 32

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.over = False
        self.following = False
        self.window = Window(self.window_size, self.ack_timeout)
        self._turn = asyncio.Lock()
        self._errors = Bucket(self.errors_per_second, self.error_burst)
        self._unanswered = 0
        self._own: set[asyncio.Task[None]] = set()
        self._answers: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection, and leave nothing behind however it ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            open_sockets.discard(self)
            if own := self._end():
                await asyncio.wait(own)

    def left(self) -> None:
        """Forget who was here; fine to repeat."""

    def ask(self, work: Coroutine[Any, Any, OutFrame | None], client_id: str | None = None) -> None:
        """Do what a client asked for, and answer; it is begun in the order of asking."""
        self._unanswered += 1
        task = asyncio.get_running_loop().create_task(self._answer(work, client_id))
        for tasks in (_asked, self._answers):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

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
        _count(frame)
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
                if self.over:
                    return
                self._unanswered -= answers
                async with asyncio.timeout(self.ack_timeout):
                    await self.send(text_data=encode(frame, number))
            except TimeoutError:
                await self.hang_up(TOO_SLOW)
            except _GONE:  # as the consumer is about to hear
                self._end()

    async def refuse(self, frame: ErrorFrame | BackpressureFrame) -> None:
        """Answer what cannot be done, without waiting; too many of these close."""
        _count(frame)
        if self._errors.take(now()):
            await self.hang_up(POLICY)
        else:
            self.at_work(self.say(frame))

    # -- the end -------------------------------------------------------------------------------------------------------

    async def hang_up(self, code: int, last: OutFrame | None = None) -> None:
        """Close, and take and send nothing more.

        Args:
            code: Why.
            last: What is said before, unless the client does not read.
        """
        if last is not None and not self.window.full:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD):
                    await self.say(last)
        if self.over:
            return
        self._end()
        with contextlib.suppress(*_GONE):  # the client was first
            await self.close(code)
        open_sockets.discard(self)

    async def fail(self, error: Exception) -> None:
        """Close as the error says."""
        last = refusal(error) if isinstance(error, ChatError) else None
        _count(last)
        code = _code_of(error)
        if code == SERVER_ERROR:
            logger.error("%s failed", type(self).__qualname__, exc_info=error)
        await self.hang_up(code, last)

    def send_away(self) -> None:
        """Have the client come back elsewhere, once it has its answers."""
        self.at_work(self._leave())

    async def _leave(self) -> None:
        if self._answers:
            await asyncio.wait(self._answers, timeout=_LAST_WORD)
        await self.hang_up(RECONNECT)

    def at_work(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done as long as the connection is there, and return its task."""
        task = asyncio.get_running_loop().create_task(work)
        self._own.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._own.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.at_work(self.fail(error))

    def _end(self) -> set[asyncio.Task[None]]:
        """Do nothing more for this connection; returns what was at work for it."""
        self.over = True
        self.left()
        return self._cancel_own()

    def _cancel_own(self) -> set[asyncio.Task[None]]:
        """Cancel what is done for this connection, but for the task that asks; returns it."""
        own = self._own - {asyncio.current_task()}
        for task in own:
            task.cancel()
        return own


def _count(frame: OutFrame | None) -> None:
    """Count a refusal."""
    if isinstance(frame, ErrorFrame | BackpressureFrame):
        gateway.counters.refused(frame.code if isinstance(frame, ErrorFrame) else "backpressure")


def _code_of(error: Exception) -> int:
    match error:
        case ShuttingDown() | ChatError(reason="draining"):
            return RECONNECT
        case BackendUnavailable() | ChatError(code="unavailable" | "backpressure" | "rate_limited"):
            return TRY_LATER
        case ChatError():
            return FORBIDDEN
    return SERVER_ERROR


def now() -> float:
    """Return the time (monotonic seconds)."""
    return asyncio.get_running_loop().time()
