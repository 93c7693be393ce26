"""Group commit: all appends that wait, of any conversation, in one transaction at a time.

Rules:
    1. One writer for an OS process and a database. It has one thread, with a connection of its own, that begins with
       the first append.
    2. While one transaction runs, appends gather for the next: a lonely append waits for nobody, and a crowd shares the
       costs of a commit. Right order does not depend on the writer: other processes have writers too.
    3. What the database refuses as a whole is tried one by one, so that a bad message fails alone, and at once.
    4. While the database does not answer, appends are tried again until their time is over: a repeat is found by its
       client_id, or by its id. Then they are ``unavailable``. When it is back, the next try succeeds.
    5. A conversation that another transaction holds for too long is waited for by its own appends alone.
    6. A forked child has a writer with nothing in it; what waited is its parent's.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db import DataError, connections
from django.utils.asyncio import async_unsafe

from .backlog import Append, Backlog, answer
from .conf import get_config
from .errors import ChatError, backpressure, invalid, unavailable
from .storage.appending import Busy, Outcome, append_prepared
from .storage.checks import prepare
from .storage.connection import is_of_statement
from .types import Draft, Stored

logger = logging.getLogger("phoenix_sessions.chat")

_SHORTEST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_AT_EXIT: Final = 5.0


class Writer:
    """Stores messages, many in one transaction.

    Args:
        database: The alias of the database, None = that of the settings.
    """

    def __init__(self, database: str | None = None) -> None:
        self.config = get_config()
        self.database = database or self.config.database
        self._inherited: list[Any] = []  # of the parent process: to close them would close the parent's
        self._connection: Any = None
        self.begin_again()
        _writers.add(self)

    def begin_again(self) -> None:
        """Begin with nothing, as a forked child does."""
        self._inherited.append(self._connection)
        self._connection = None
        self._backlog = Backlog(self.config.queue_messages, self.config.queue_bytes)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._held: set[str] = set()
        self._pace = 0.001  # seconds that a message takes

    def __len__(self) -> int:
        """Return how many appends wait or are being stored (count)."""
        return len(self._backlog)

    @async_unsafe("append() waits: use aappend() in async code")
    def append(self, draft: Draft) -> Stored:
        """Store a message, and return it when it is committed.

        Raises:
            ChatError: ``unauthorized``, ``closed``, ``disabled``, ``invalid``, ``too_large``; ``backpressure`` if too
                many wait or the writer is drained; ``unavailable`` if the database does not answer in time, which may
                have stored it: try again with the same client_id.
        """
        try:
            return self.submit(draft).result(self._longest)
        except TimeoutError as error:
            raise unavailable() from error

    async def aappend(self, draft: Draft) -> Stored:
        """Store a message, and return it when it is committed; errors are those of ``append``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Stored] = loop.create_future()
        self._put(draft, future, loop)
        try:
            async with asyncio.timeout(self._longest):
                return await future
        except TimeoutError as error:
            raise unavailable() from error

    def submit(self, draft: Draft) -> Future[Stored]:
        """Hand in a message without waiting, and return who will know; the future's errors are those of ``append``.

        Raises:
            ChatError: ``invalid``, ``too_large``, ``backpressure``; ``unavailable`` if there is no thread to be had.
        """
        future: Future[Stored] = Future()
        self._put(draft, future, None)
        return future

    @async_unsafe("drain() waits: use adrain() in async code")
    def drain(self, timeout: float) -> bool:
        """Take no more appends, store those that wait, and end the thread; for good.

        What cannot be stored in time gets ``backpressure`` with the reason ``draining``, and was not stored; what was
        tried already gets ``unavailable``, and what is in a transaction just then its own answer.

        Args:
            timeout: How long that may take (seconds).

        Returns:
            Whether everything was stored.
        """
        self._backlog.close()
        done = self._backlog.wait_until_empty(timeout)
        left = self._backlog.give_up()
        answer(left, [unavailable() if append.tried else backpressure("draining", 1000) for append in left])
        thread = self._thread
        if done and thread is not None:
            thread.join(timeout)
        return done

    async def adrain(self, timeout: float) -> bool:
        """Drain, in async code."""
        done: bool = await sync_to_async(self.drain, thread_sensitive=False)(timeout)
        return done

    @property
    def _longest(self) -> float:
        """How long a caller waits, also if the database neither answers nor fails (seconds)."""
        return 2 * self.config.append_patience

    def _put(self, draft: Draft, future: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        deadline = time.monotonic() + self.config.append_patience
        reason = self._backlog.put(Append(prepare(draft), future, loop, deadline))
        if reason is not None:
            raise backpressure(reason, min(5000, max(50, int(1000 * self._pace * len(self)))))
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                name = f"phoenix_chat-writer-{self.database}"
                thread = threading.Thread(target=self._run, args=[self._backlog], name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # there is none to be had: who sends next tries again for both
                    raise unavailable() from error
                self._thread = thread

    def _run(self, backlog: Backlog) -> None:
        self._connection = connections[self.database]
        self._connection.queries_log = deque(maxlen=0)  # with DEBUG, it would keep the messages of 9000 batches
        pause = _SHORTEST_PAUSE
        while batch := backlog.take(self.config.batch_messages, self.config.batch_bytes):
            began = time.monotonic()
            again = self._try(batch)
            backlog.finish(batch, again)
            self._pace += 0.1 * ((time.monotonic() - began) / len(batch) - self._pace)
            if not again:
                pause = _SHORTEST_PAUSE
                continue
            late = backlog.overdue()
            answer(late, [unavailable() for _ in late])
            if self._held:
                backlog.pause(_SHORTEST_PAUSE)
            else:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        self._connection.close()

    def _try(self, batch: list[Append]) -> list[Append]:
        """Store what can be stored, and return what is to be tried again."""
        try:
            outcomes = self._store(batch)
        except Exception as error:
            if isinstance(error, ChatError) and not is_of_statement(error):
                logger.warning("%d appends wait: %s", len(batch), error.__cause__ or error)
                self._held = set()
                return self._not_late(batch, error)
            if len(batch) > 1:
                return self._try_each(batch)
            logger.exception("a message cannot be stored")
            bad = isinstance(error, DataError)
            outcomes = [invalid(content="is not taken by the database") if bad else unavailable()]
        busy = [append for append, outcome in zip(batch, outcomes, strict=True) if isinstance(outcome, Busy)]
        self._held = {append.prepared.draft.conversation for append in busy}
        if not busy:
            answer(batch, outcomes)
            return []
        done = [pair for pair in zip(batch, outcomes, strict=True) if not isinstance(pair[1], Busy)]
        answer([append for append, _ in done], [outcome for _, outcome in done])
        return self._not_late(busy, Busy())

    def _try_each(self, batch: list[Append]) -> list[Append]:
        """Store one by one; from the first that must wait on, all do, so that the order stays."""
        for place, append in enumerate(batch):
            late = not self._not_late([append], unavailable())  # a slow database has each take its time
            if not late and (again := self._try([append])):
                return [*again, *batch[place + 1 :]]
        return []

    def _store(self, batch: list[Append]) -> list[Outcome]:
        drafts = [append.prepared for append in batch]
        patience = self.config.lock_patience
        held = bool(self._held) and any(each.draft.conversation in self._held for each in drafts)
        try:
            return append_prepared(drafts, self.database, patience=patience, skip_held=held)
        except Busy:
            return append_prepared(drafts, self.database, patience=patience, skip_held=True)

    def _not_late(self, batch: list[Append], error: ChatError) -> list[Append]:
        now = time.monotonic()
        late = [append for append in batch if append.deadline <= now]
        answer(late, [ChatError(error.code, error.message, retry_after_ms=error.retry_after_ms) for _ in late])
        return [append for append in batch if append.deadline > now]


_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


def _after_fork() -> None:
    for writer in list(_writers):
        writer.begin_again()


@atexit.register
def _at_exit() -> None:
    for writer in list(_writers):
        writer.drain(_AT_EXIT)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
