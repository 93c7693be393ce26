"""The mailbox of a session whose work has to wait for an engine: whoever has the turn waits in its own way.

Rules:
    1. A message is run by its sender: on its thread, or on its event loop without a hop. What nobody waits for runs on
       the background loop; a ``def`` handler that nobody waits for, on a background worker.
    2. Who finds the mailbox busy queues and is given the turn; or its answer, if somebody has done its work along with
       his own (see ``batch``).
    3. Work that asks no engine (``local``) is run at once by whoever has the turn.
    4. The queue is always there, so the short ways of ``runtime.shortcuts`` are never taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import get_ident
from typing import Any, Final, TypeVar

from ..core.errors import CallTimeout
from ..runtime import mailbox, waits
from ..runtime.message import Answer, Message, Work, answer
from ..runtime.waiter import Waiter
from .running import Running, nothing

F = TypeVar("F", bound=Callable[..., Any])

_TURN: Final = object()
_LOCAL: Final = "_phoenix_sessions_local"


def local(work: F) -> F:
    """Mark work that asks no engine and runs nothing of the user's that may block."""
    setattr(work, _LOCAL, True)
    return work


class Turns(Running):
    """A session whose messages may be flows.

    Attributes:
        gives_up: Whether the work that has the turn is to fail rather than wait for the engine.
    """

    __slots__ = ("_given_up", "gives_up")

    queue: deque[Message]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.queue = deque()
        self.gives_up = False
        self._given_up = 0

    # -- senders -----------------------------------------------------------------------------------------------------

    def ask(self, pure: bool, timeout: float | None, work: Work, *args: Any) -> Any:
        """Run the work in its turn and return what it returns; see ``Mailbox.ask``."""
        if self.take():
            if not self.queue:
                return self._run(timeout, work, args)
            self.turn.append(None)
        with waits.waiting_for(self):
            message = Message(work, args, Waiter(), pure, get_ident())
            self._enqueue(message)
            self.drain()
            given = self._wait_turn(message, timeout)
        return given if given is not _TURN else self._run(timeout, work, args)

    async def aask(self, pure: bool, timeout: float | None, work: Work, *args: Any) -> Any:
        """Run the work in its turn and return what it returns; see ``Mailbox.aask``."""
        if self.take():
            if not self.queue:
                return await self._arun(timeout, work, args)
            self.turn.append(None)
        with waits.awaiting(self):
            message = Message(work, args, Future(), pure, 0)
            self._enqueue(message)
            self.drain()
            given = await self._await_turn(message, timeout)
        return given if given is not _TURN else await self._arun(timeout, work, args)

    def _post(self, pure: bool, work: Work, later: Work, args: tuple[Any, ...], *, always: bool = False) -> None:
        self._enqueue(Message(later, args, None, pure, 0), always)
        self.drain()

    # -- the turn ----------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Give the turn to whoever is next, if the mailbox is free."""
        while self.queue and self.take():
            given = False
            try:
                message = self._next()
                given = message is not None and self._give(message)
            finally:
                if not given:
                    self.gives_up = False
                    self.turn.append(None)
            if given:
                return

    def release(self) -> None:
        """Pass the turn on."""
        self.gives_up = False
        super().release()

    def give_up_on_queue(self) -> None:
        """Have all that waits now give up when its turn comes; whoever says so has the turn."""
        with mailbox._guard:
            self._given_up = len(self.queue)

    def _next(self) -> Message | None:
        with mailbox._guard:
            if not self.queue:
                return None
            self.gives_up = self._given_up > 0
            self._given_up -= self.gives_up
            return self.queue.popleft()

    def _give(self, message: Message) -> bool:
        """Give the turn to a message; returns False if that needs it no more."""
        with mailbox._guard:
            if not message.begin():
                return False
            if message.future is not None and message.work is not mailbox.take_turn:
                message.future.set_result(_TURN)
                return True
        if message.future is not None:  # it only wanted to know that its turn has come
            answer(message.future)
            return False
        return self._run_unasked(message)

    def _run_unasked(self, message: Message) -> bool:
        """Run what nobody waits for, or have it run; returns whether it has the turn still."""
        if getattr(message.work, _LOCAL, False):
            self.owner = get_ident()
            try:
                message.work(*message.args)
            except Exception as error:
                self._fail(message, error)
            finally:
                self.owner = 0
            return False
        try:
            if message.pure:
                self.background.launch(message.context, lambda: self._arun_posted(message), nothing)
            else:
                self.background.submit(self._run_posted, message)
        except RuntimeError as error:  # no thread to be had
            self._fail(message, error)
            return False
        return True

    def take_along(self, work: tuple[Work, ...], most: int) -> list[Message]:
        """Take those at the head of the queue whose work is one of these; they wait for their answers.

        Args:
            work: Functions, of which these messages' bound methods are.
            most: How many to take (count).
        """
        taken: list[Message] = []
        with mailbox._guard:
            while self.queue and len(taken) < most and getattr(self.queue[0].work, "__func__", None) in work:
                if self.gives_up and not self._given_up:
                    break
                message = self.queue.popleft()
                self._given_up -= self.gives_up
                if message.begin():
                    taken.append(message)
        return taken

    # -- waiting -----------------------------------------------------------------------------------------------------

    def _wait_turn(self, message: Message, timeout: float | None) -> Any:
        future: Answer = message.future  # type: ignore[assignment]
        try:
            return future.result(timeout)
        except BaseException as error:
            if future.done() and not future.cancelled() and future.exception() is error:
                raise
            withdrawn = self._withdraw(message, future)
            if isinstance(error, TimeoutError):
                raise CallTimeout(self.id, timeout or 0.0, started=not withdrawn) from None
            raise

    async def _await_turn(self, message: Message, timeout: float | None) -> Any:
        future: Future[Any] = message.future  # type: ignore[assignment]
        waiter = asyncio.wrap_future(future)
        try:
            async with asyncio.timeout(timeout) as deadline:
                return await waiter
        except (asyncio.CancelledError, TimeoutError) as error:
            if isinstance(error, TimeoutError) and not deadline.expired():
                raise  # its answer
            withdrawn = self._withdraw(message, future)
            if isinstance(error, TimeoutError):
                raise CallTimeout(self.id, timeout or 0.0, started=not withdrawn) from None
            raise

    def _withdraw(self, message: Message, future: Answer) -> bool:
        """Take back a message; returns whether it has not begun and so never will."""
        with mailbox._guard:
            if future.cancel() or future.cancelled():
                return True
            if not future.done() or future.exception() is not None or future.result() is not _TURN:
                return False
        self.release()  # the turn came in the same moment: pass it on
        return True
