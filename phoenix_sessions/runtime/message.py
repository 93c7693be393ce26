"""What waits in a mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

from .waiter import Waiter

Work = Callable[..., Any]
Answer = Future[Any] | Waiter
"""Where an answer goes: a thread waits, or an event loop does."""


class Message:
    """Queued work, and who waits for it.

    Attributes:
        work: The function to call, with ``args``.
        future: Where the answer goes; None if nobody waits.
        pure: Whether any thread may run it.
        thread: The sender's thread if it waits there, else 0.
        context: The sender's, for a coroutine that the work may become.
    """

    __slots__ = ("args", "context", "future", "pure", "thread", "work")

    def __init__(self, work: Work, args: tuple[Any, ...], future: Answer | None, pure: bool, thread: int) -> None:
        self.work = work
        self.args = args
        self.future = future
        self.pure = pure
        self.thread = thread
        self.context = copy_context()

    def begin(self) -> bool:
        """Return whether the work is still wanted; from now on it cannot be withdrawn."""
        return self.future is None or self.future.set_running_or_notify_cancel()


class Suspended:
    """What work returns when a coroutine has to finish before the next message.

    Args:
        coroutine: Runs on the background loop.
        finish: Called with the coroutine's task, on a worker, while the mailbox is still busy; returns the answer.
        firm: Whether the end of the session waits for it, instead of cancelling it.

    Attributes:
        task: What runs the coroutine, once it does.
        cancelled: Whether somebody wants it to end, be it before its first step.
    """

    __slots__ = ("cancelled", "coroutine", "finish", "firm", "task")

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], finish: Callable[[asyncio.Task[Any]], Any], *, firm: bool = False
    ) -> None:
        self.coroutine = coroutine
        self.finish = finish
        self.firm = firm
        self.task: asyncio.Task[Any] | None = None
        self.cancelled = False

    async def run(self) -> Any:
        """Run the coroutine, if it is still wanted."""
        self.task = asyncio.current_task()
        if self.cancelled:
            raise asyncio.CancelledError
        return await self.coroutine


def answer(future: Answer | None, value: Any = None, *, error: BaseException | None = None) -> None:
    """Give the sender its answer, if it waits for one."""
    if future is None:
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
