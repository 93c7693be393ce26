"""Reading the database again, on threads of its own, once for all who want it.

Rules:
    1. ``fresh`` gives what was read after it was asked for. Whoever asks while a read runs shares the next one, so
       there are at most two for any number who ask.
    2. ``recent`` also takes the last one, if it is not too old.
    3. All reads of an OS process share 8 threads. Their connections are kept as Django keeps them over requests.
    4. A forked child begins with no threads and no readers: who holds one is the parent's.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Generic, ParamSpec, TypeVar

from django.db import close_old_connections

from . import storage
from .storage import Following

HOT: Final = 100
"""How many messages of a conversation are read again (count)."""
THREADS: Final = 8

P = ParamSpec("P")
T = TypeVar("T")


class Reader(Generic[T]):
    """Reads the same thing, for all who want it.

    Args:
        read: Asks the database; on any thread.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._next: Future[T] | None = None
        self._last: tuple[float, Future[T]] | None = None
        self._runs = False

    def fresh(self) -> Future[T]:
        """Return what is read from now on; the future's errors are those of the read, and it cannot be cancelled."""
        with self._lock:
            if self._next is None:
                self._next = Future()
                self._next.set_running_or_notify_cancel()
            future, begins, self._runs = self._next, not self._runs, True
        if begins:
            try:
                submit(self._run)
            except RuntimeError as error:  # the interpreter goes down
                with self._lock:
                    self._next, self._runs = None, False
                future.set_exception(error)
        return future

    def recent(self, seconds: float) -> Future[T]:
        """Return what was read within the last seconds, or is read now."""
        last = self._last
        if last is not None and time.monotonic() - last[0] < seconds:
            return last[1]
        return self.fresh()

    def _run(self) -> None:
        while True:
            with self._lock:
                future, self._next = self._next, None
                if future is None:
                    self._runs = False
                    return
                began = time.monotonic()
            try:
                found = self._read()
            except BaseException as error:  # whoever waits must hear of it
                future.set_exception(error)
            else:
                self._last = began, future
                future.set_result(found)


def reader_of(conversation: str, count: int = HOT) -> Reader[Following]:
    """Return the reader of a conversation's newest messages, the same for all who hold it in this OS process."""
    key = conversation, count
    with _lock:
        reader = _readers.get(key)
        if reader is None:
            reader = _readers[key] = Reader(lambda: storage.read_newest(conversation, None, count))
        return reader


def submit(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Have a function run on one of the threads, and return who will know."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(THREADS, thread_name_prefix="phoenix_chat-reader")
        pool = _pool
    return pool.submit(_with_connections, function, *args, **kwargs)


def shut_down() -> None:
    """Wait for the reads that are under way, and end the threads; who reads later begins others."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown()


def _with_connections(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()


_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_readers: weakref.WeakValueDictionary[tuple[str, int], Reader[Following]] = weakref.WeakValueDictionary()


def _after_fork() -> None:
    global _lock, _pool, _readers
    _lock, _pool, _readers = threading.Lock(), None, weakref.WeakValueDictionary()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
