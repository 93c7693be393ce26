"""The mailbox: one message at a time, without a thread or a task.

Rules:
    1. Whoever finds the mailbox free handles its own message on its own thread, then drains what others queued.
    2. Who finds it busy queues; the order of one sender's messages is kept. A queue exists only while somebody waits.
    3. Reducers are pure and run on whichever thread drains. A ``def`` handler runs on its sender's thread if that waits
       there (it is given its turn), else on a background worker, never on somebody else's thread: that might be an
       event loop, or in the middle of a database transaction. An ``async def`` handler runs on the background loop; the
       mailbox stays busy meanwhile.
    4. A drainer does at most ``DRAIN_LIMIT`` messages of others, then a background worker goes on.
    5. At most ``MAILBOX_LIMIT`` messages wait; one more raises MailboxFull at its sender. The end of a session, and who
       only waits for a turn (``take_turn``), are taken all the same.
    6. Every waiting sender is answered exactly once. A sender that gives up before its turn withdraws its message.
    7. A sender that would wait for the message which it is itself a part of gets ReentrantCall.
    8. The turn is a list that holds one token, or none while the mailbox is busy: ``pop`` and ``append`` are one step
       for all threads, and cost half of what a lock does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections import deque
from concurrent.futures import Future
from contextvars import Context, copy_context
from threading import get_ident
from typing import Any, Final

from ..core.errors import CallTimeout, MailboxFull
from . import waits
from .background import Background
from .message import Answer, Message, Suspended, Work, answer
from .waiter import Waiter

logger = logging.getLogger("phoenix_sessions")

MAILBOX_LIMIT: Final = 10_000
DRAIN_LIMIT: Final = 256

_TURN: Final = object()
_guard = threading.RLock()  # of all queues; held for nanoseconds, and only where senders contend


def _renew_guard() -> None:
    global _guard
    _guard = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_guard)


def take_turn() -> None:
    """Do nothing but take a turn in a mailbox: what was sent before has been handled."""


class Mailbox:
    """One message at a time; the base of a session.

    Attributes:
        turn: Holds a token while the mailbox is free; who pops it must give it back.
        owner: The thread that handles a message, or 0.
        queue: What waits, or None.
    """

    __slots__ = ("_suspended", "background", "id", "owner", "queue", "turn")

    def __init__(self, id: str, background: Background) -> None:
        self.id = id
        self.background = background
        self.turn: list[None] = [None]
        self.owner = 0
        self.queue: deque[Message] | None = None
        self._suspended: Suspended | None = None

    @property
    def depth(self) -> int:
        """How many messages wait (count)."""
        queue = self.queue
        return 0 if queue is None else len(queue)

    @property
    def busy(self) -> bool:
        """Whether a message is being handled."""
        return not self.turn

    def take(self) -> bool:
        """Make the mailbox busy if it is free; return whether it was."""
        try:
            self.turn.pop()
        except IndexError:
            return False
        return True

    def ask(self, pure: bool, timeout: float | None, work: Work, *args: Any) -> Any:
        """Run the work in its turn and return what it returns, waiting at most ``timeout`` seconds.

        Raises:
            ReentrantCall: The caller is part of the message that is being handled.
            MailboxFull: Too many messages wait.
            CallTimeout: Somebody else's message, or an ``async def`` handler, took too long.
        """
        if self.take():
            if self.queue is None:
                result = self._run_own(work, args)
                return result if type(result) is not Future else self._wait_suspended(result, timeout)
            self.turn.append(None)
        with waits.waiting_for(self):
            message = Message(work, args, Waiter(), pure, get_ident())
            self._enqueue(message)
            try:
                self.drain()
            except BaseException:  # an interrupt in the work of others: nobody will take the turn
                self._withdraw(message, message.future)  # type: ignore[arg-type]
                raise
            result = self._wait(message, timeout)
        if result is not _TURN:
            return result
        result = self._run_own(work, args)
        return result if type(result) is not Future else self._wait_suspended(result, timeout)

    async def aask(self, pure: bool, timeout: float | None, work: Work, *args: Any) -> Any:
        """Run the work in its turn and return what it returns; gives up the loop only when the mailbox is busy.

        Raises:
            ReentrantCall, MailboxFull, CallTimeout: As ``ask``.
        """
        future: Future[Any] | None = None
        if self.take():
            if self.queue is None:
                result = self._run_own(work, args)
                if type(result) is not Future:
                    return result
                future = result
            else:
                self.turn.append(None)
        with waits.awaiting(self):
            if future is None:
                future = Future()
                self._enqueue(Message(work, args, future, pure, 0))
                self.drain()
            return await self._await(future, timeout)

    def post(self, pure: bool, work: Work, *args: Any) -> None:
        """Run the work now if the mailbox is free, else queue it, and do not wait for it.

        Allowed everywhere, also while this very mailbox is busy on the caller's thread.

        Raises:
            MailboxFull: Too many messages wait.
        """
        self._post(pure, work, work, args)

    def post_always(self, pure: bool, work: Work, *args: Any) -> None:
        """Do as ``post``, also when the mailbox is full."""
        self._post(pure, work, work, args, always=True)

    def post_or(self, pure: bool, work: Work, later: Work, *args: Any) -> None:
        """As ``post``, with other work for the case that it is queued; work that runs now may raise.

        Raises:
            MailboxFull: Too many messages wait.
        """
        self._post(pure, work, later, args)

    def _post(self, pure: bool, work: Work, later: Work, args: tuple[Any, ...], *, always: bool = False) -> None:
        if (pure or not self.background.on_loop_thread()) and self.take():
            if self.queue is None:
                self._run_own(work, args, awaited=False)
                return
            self.turn.append(None)
        self._enqueue(Message(later, args, None, pure, 0), always)
        self.drain()

    def _run_own(self, work: Work, args: tuple[Any, ...], awaited: bool = True) -> Any:
        """Run the work of the thread that has just made the mailbox busy; a Future if it is suspended and awaited."""
        self.owner = get_ident()
        try:
            result = work(*args)
            if type(result) is Suspended:
                future: Future[Any] | None = None
                if awaited:
                    future = Future()
                    future.set_running_or_notify_cancel()
                self._suspend(result, future, copy_context())
                return future
        except BaseException:
            self._release_if_mine()
            raise
        self.release()
        return result

    def release(self) -> None:
        """Make the mailbox free again, and drain what was queued meanwhile."""
        self.owner = 0
        self.turn.append(None)
        if self.queue is not None:
            self.drain()

    def _release_if_mine(self) -> None:
        """Make the mailbox free after an interrupt, unless it was handed over before."""
        if self.owner == get_ident():
            self.release()

    def check_reentrant(self) -> None:
        """Raise ReentrantCall if the caller would wait for itself here."""
        waits.check(self)

    def _enqueue(self, message: Message, always: bool = False) -> None:
        with _guard:
            if self.queue is None:
                self.queue = deque()
            if len(self.queue) >= MAILBOX_LIMIT and not always and message.work is not take_turn:
                raise MailboxFull(self.id, MAILBOX_LIMIT)
            self.queue.append(message)

    def _next(self) -> Message | None:
        with _guard:
            if self.queue:
                return self.queue.popleft()
            self.queue = None
            return None

    def drain(self) -> None:
        """Handle what is queued, if the mailbox is free."""
        while self.queue is not None and self.take():
            self.owner = get_ident()
            try:
                handed_over = self._drain(worker=False)
            except BaseException:  # an interrupt: the next in the queue must not pay for it
                self._release_if_mine()
                raise
            if handed_over:
                return
            self.owner = 0
            self.turn.append(None)

    def _drain(self, worker: bool) -> bool:
        """Handle what is queued; return whether the busy mailbox was handed to another thread."""
        while True:
            for _ in range(DRAIN_LIMIT):
                message = self._next()
                if message is None:
                    return False
                if message.begin() and self._hand_over(message, worker):
                    return True
            self.owner = 0
            with contextlib.suppress(RuntimeError):  # no thread to be had: there is nobody but this one to go on
                self.background.submit(self._drain_on_worker, None)
                return True
            self.owner = get_ident()

    def _hand_over(self, message: Message, worker: bool) -> bool:
        """Handle the message where rule 3 says; return whether that is another thread."""
        if not message.pure and message.thread != get_ident():
            if message.thread:
                self.owner = 0
                message.future.set_result(_TURN)  # type: ignore[union-attr]
                return True
            if not worker:
                return self._hand_to_worker(message)
        return self._handle(message)

    def _hand_to_worker(self, message: Message) -> bool:
        self.owner = 0
        try:
            self.background.submit(self._drain_on_worker, message)
        except RuntimeError as error:  # no thread to be had, for which the drainer is not to blame
            self.owner = get_ident()
            self._fail(message, error)
            return False
        return True

    def _fail(self, message: Message, error: BaseException) -> None:
        answer(message.future, error=error)
        if message.future is None:
            logger.error("session %s: a message that nobody waits for failed", self.id, exc_info=error)

    def _handle(self, message: Message) -> bool:
        """Run the message's work here and answer; return whether it is suspended."""
        try:
            result = message.work(*message.args)
            if type(result) is Suspended:
                self._suspend(result, message.future, message.context)
                return True
        except BaseException as error:
            self._fail(message, error)
            if not isinstance(error, Exception):
                raise
            return False
        answer(message.future, result)
        return False

    def _drain_on_worker(self, message: Message | None) -> None:
        self.owner = get_ident()
        try:
            handed_over = (message is not None and self._handle(message)) or self._drain(worker=True)
        except BaseException:  # work that raised an interrupt: the next in the queue must not pay for it
            self._release_if_mine()
            raise
        if not handed_over:
            self.release()

    def _suspend(self, suspended: Suspended, future: Answer | None, context: Context) -> None:
        """Let the coroutine run on the background loop; the mailbox stays busy until a worker has finished it.

        It runs in its sender's context, and if that waits, it is a part of what the sender keeps busy.

        Raises:
            RuntimeError: No thread could be had for the loop; the mailbox is the caller's still.
        """
        held = () if future is None else context.get(waits.suspended_in, ())
        context.run(waits.suspended_in.set, (*held, self))

        def done(task: asyncio.Task[Any]) -> None:
            try:
                self.background.submit(self._resume, suspended, task, future)
            except RuntimeError as error:
                if "shutdown" not in str(error):  # of the interpreter: nobody waits any more
                    self._resume(suspended, task, future)  # no thread to be had but this one

        self._suspended, owner, self.owner = suspended, self.owner, 0
        try:
            self.background.launch(context, suspended.run, done)
        except BaseException:
            self._suspended, self.owner = None, owner
            suspended.coroutine.close()
            raise

    def _resume(self, suspended: Suspended, task: asyncio.Task[Any], future: Answer | None) -> None:
        self.owner = get_ident()
        suspended.coroutine.close()  # cancelled before its first step, it would warn that it was never awaited
        try:
            result = suspended.finish(task)
        except BaseException as error:  # also SystemExit: there is nothing here that it could end
            answer(future, error=error)
            if future is None:
                logger.exception("session %s: a handler that nobody waits for failed", self.id)
        else:
            answer(future, result)
        self._suspended = None
        self._drain_on_worker(None)

    def cancel_running(self) -> None:
        """Cancel the ``async def`` handler that is running, if one is."""
        suspended = self._suspended
        if suspended is not None and not suspended.firm:
            suspended.cancelled = True
            if suspended.task is not None:
                self.background.cancel(suspended.task)

    @property
    def interrupted(self) -> bool:
        """Whether the ``async def`` handler was cancelled from outside, and not by what it did itself."""
        return not self.background.running or (self._suspended is not None and self._suspended.cancelled)

    def _wait(self, message: Message, timeout: float | None) -> Any:
        """Wait for the answer to a queued message, or for its turn."""
        future: Answer = message.future  # type: ignore[assignment]
        try:
            return future.result(timeout)
        except BaseException as error:
            if not future.done() or (future.exception() is not error and not isinstance(error, TimeoutError)):
                withdrawn = self._withdraw(message, future)
                if isinstance(error, TimeoutError):
                    raise CallTimeout(self.id, timeout or 0.0, started=not withdrawn) from None
                raise
        return future.result()  # it came in the last moment, or is an exception

    def _wait_suspended(self, future: Future[Any], timeout: float | None) -> Any:
        """Wait for the handler that has been suspended for this caller."""
        with waits.waiting_for(self):
            try:
                return future.result(timeout)
            except TimeoutError:
                if future.done():
                    return future.result()
                raise CallTimeout(self.id, timeout or 0.0, started=True) from None

    def _withdraw(self, message: Message, future: Answer) -> bool:
        """Take back a message; return whether it has not begun and so never will."""
        if future.cancel():
            return True
        if message.pure or future.exception() is not None or future.result() is not _TURN:
            return False
        self.release()  # the turn came in the same moment: pass it on
        return True

    async def _await(self, future: Future[Any], timeout: float | None) -> Any:
        waiter = asyncio.wrap_future(future)
        try:
            async with asyncio.timeout(timeout) as deadline:
                return await waiter
        except TimeoutError:
            if not deadline.expired():
                raise
            raise CallTimeout(self.id, timeout or 0.0, started=not future.cancelled()) from None
