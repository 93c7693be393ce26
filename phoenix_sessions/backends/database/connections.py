"""The backend's own connections to the database.

Rules:
    1. They are none of ``django.db.connections``: what the backend commits is no part of a request's transaction,
       which may be rolled back after the session has said that it is done.
    2. They belong to no thread. A verb takes one, or opens one, and puts it back: at most CONNECTIONS of a process,
       with those that somebody still tries to open.
    3. A connection that failed is closed; the next verb opens another. All are closed by ``close``: those that are in
       use, when they are put back. Who forgets to call it, or uses a backend after it, has them closed all the same,
       when the backend is forgotten or the process ends.
    4. After a fork the child opens its own, and leaves the parent's alone.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections
from django.db.utils import load_backend

from ...core.errors import BackendUnavailable, SessionError
from .engines import Engine, Late
from .work import Work

CONNECTIONS: Final = 8


class _Lot:
    """Connections, and threads, that are given up together: what is done on its threads is done with its connections.

    Args:
        of: Who has it; when that is gone, the lot is closed.
        end: Closes a connection.
    """

    def __init__(self, of: Connections, end: Callable[[Any], None]) -> None:
        self.idle: list[Any] = []
        self.close = weakref.finalize(of, self._close)
        self.threads = ThreadPoolExecutor(
            CONNECTIONS, "phoenix_sessions-database", initializer=setattr, initargs=(of.thread, "lot", self)
        )
        self._end = end
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> Any:
        """Return an idle connection, None if there is none."""
        with self._lock:
            return self.idle.pop() if self.idle else None

    def put_back(self, connection: Any) -> None:
        """Keep a connection for whoever comes next; close it, if there is no next."""
        with self._lock:
            if not self._closed:
                self.idle.append(connection)
                return
        self._end(connection)

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self.idle = self.idle, []
        for connection in idle:
            self._end(connection)
        self.threads.shutdown(wait=False)


class Connections:
    """A few connections, lent to one verb at a time.

    Args:
        alias: The alias of DATABASES that they are for.
        engine: What is behind it.

    Attributes:
        engine: What is behind it.
        thread: The thread's own; on a thread of a lot it has the lot.
    """

    def __init__(self, alias: str, engine: Engine) -> None:
        self.engine = engine
        self._alias = alias
        self._inherited: list[Any] = []  # of the parent process: to close them would close the parent's
        self._begin()
        _all.add(self)

    def begin_again(self) -> None:
        """Begin with no connection, as a forked child does."""
        self._lot.close.detach()
        self._inherited += self._open
        self._begin()

    def _begin(self) -> None:
        self.thread = threading.local()
        self._open: set[Any] = set()
        self._end = functools.partial(_end, self._open)
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        self._writing = threading.Lock()
        self._lock = threading.Lock()
        self._lot = _Lot(self, self._end)

    @contextlib.contextmanager
    def work(self) -> Iterator[Work]:
        """Lend a connection.

        Raises:
            BackendUnavailable: There is none, for too long.
        """
        began = time.monotonic()
        places, lot = self._places, getattr(self.thread, "lot", self._lot)
        if not places.acquire(timeout=self.engine.latest):
            raise BackendUnavailable(f"all {CONNECTIONS} connections of this process are busy")
        with contextlib.ExitStack() as stack:
            release = stack.callback(places.release)
            try:
                connection = self._take(lot, began)
            except Late as late:
                stack.pop_all()  # its place is free when nobody tries to open it any more
                late.attempt.add_done_callback(lambda _: release())
                raise BackendUnavailable(f"no connection in {self.engine.latest:g} s") from None
            work = Work(self.engine, connection, self._writing, began)
            try:
                yield work
            except BaseException as error:
                work.usable &= isinstance(error, SessionError)
                raise
            finally:
                if work.usable and connection.connection is not None:
                    lot.put_back(connection)
                else:
                    self._end(connection)

    def submit(self, verb: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function on a thread: there are as many as there are connections.

        Raises:
            BackendUnavailable: The process is about to end.
        """
        with self._lock:
            try:
                return self._lot.threads.submit(verb, *args)
            except RuntimeError as error:
                raise BackendUnavailable(error) from error

    def close(self) -> None:
        """Close all connections, those in use as soon as they are not; with the next verb it all begins again."""
        with self._lock:
            lot, self._lot = self._lot, _Lot(self, self._end)
        lot.close()

    def open(self) -> Any:
        """Return a new connection of Django's, not connected yet, which any thread may use.

        Raises:
            ImproperlyConfigured: It is a database that no other connection sees.
        """
        given = connections.settings[self._alias]
        if given["NAME"] == ":memory:":
            raise ImproperlyConfigured(
                f"the database {self._alias!r} is in the memory of one connection, so sessions cannot be shared by it: "
                f"give it a file, or use the memory backend"
            )
        own = {"OPTIONS": self.engine.settings(given["OPTIONS"]), "ATOMIC_REQUESTS": False, "AUTOCOMMIT": True}
        made = _class(self.engine.bounded, load_backend(given["ENGINE"]).DatabaseWrapper)
        connection: Any = made({**given, **own}, f"phoenix_sessions:{self._alias}")
        connection.inc_thread_sharing()
        connection.queries_log = deque(maxlen=0)  # with DEBUG, it would keep the states of 9000 statements
        return connection

    def _take(self, lot: _Lot, began: float) -> Any:
        while (connection := lot.take()) is not None:
            if not self.engine.is_stale(connection.connection):
                break
            self._end(connection)
        else:
            connection = self._connect(began + self.engine.latest)
        connection.until = began + self.engine.patience
        return connection

    def _connect(self, until: float) -> Any:
        connection = self.open()
        connection.until = until
        self._open.add(connection)
        try:
            self.engine.connect(connection)
        except Late as late:
            late.attempt.add_done_callback(lambda _: self._end(connection))
            raise
        except BaseException as error:
            self._end(connection)
            if isinstance(error, Error):
                raise self.engine.meaning(error, maybe=False) from error
            raise
        return connection


def _end(opened: set[Any], connection: Any) -> None:
    """Close a connection, on any thread: Django's own way refuses to where a loop runs."""
    opened.discard(connection)
    raw, connection.connection = connection.connection, None
    if raw is not None:
        with contextlib.suppress(Exception):  # whatever is wrong with it, it is given up
            raw.close()


@functools.cache
def _class(bounded: Any, djangos: Any) -> type:
    """Return Django's class of a connection with ours before it."""
    return type("BoundedConnection", (bounded, djangos), {})


_all: weakref.WeakSet[Connections] = weakref.WeakSet()


def _after_fork() -> None:
    for lent in list(_all):
        lent.begin_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
