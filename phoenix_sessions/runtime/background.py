"""One event loop and a few worker threads per OS process, started when first needed.

Rules:
    1. Nothing is started before it is used: importing, ``AppConfig.ready`` and ``migrate`` start no thread.
    2. The loop runs coroutines and timers and touches no state. User code that may block (``def`` handlers whose sender
       does not wait) runs on the workers.
    3. A forked child starts its own; the parent's are left alone. At exit the loop is stopped and joined.
    4. While the interpreter goes down no pool takes work and no thread can be had: a crew made before does it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor  # here and now: lazily, a fork could find its import under way
from contextvars import Context
from typing import Any, Final

from .crew import Crew

logger = logging.getLogger("phoenix_sessions")

WORKERS: Final = 8
EFFECT_WORKERS: Final = 16
STOP_SECONDS: Final = 5.0


class Background:
    """The background loop and workers of one supervisor.

    Args:
        around_work: Called on the worker before and after each piece of work, for instance to close stale ORM
            connections.
        companion: A coroutine function to run for as long as the loop lives, once it was started for something else.
    """

    def __init__(
        self,
        around_work: Callable[[], None] | None = None,
        companion: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._around_work = around_work or nothing
        self._companion = companion
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._workers: ThreadPoolExecutor | Crew | None = None
        self._effect_workers: ThreadPoolExecutor | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.pending = 0

    @property
    def running(self) -> bool:
        """Whether the loop's thread was started."""
        return self._thread is not None

    def on_loop_thread(self) -> bool:
        """Return whether the caller runs on the loop's thread."""
        return self._thread is not None and self._thread is threading.current_thread()

    def answers(self, timeout: float) -> bool:
        """Return whether the loop's thread does something within ``timeout`` seconds."""
        done = threading.Event()
        self._started().call_soon_threadsafe(done.set)
        return done.wait(timeout)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        """Call back on the loop in ``delay`` seconds, in an empty context: the caller's is no longer the reason."""
        loop = self._started()
        loop.call_soon_threadsafe(loop.call_later, delay, callback, context=Context())

    def launch(
        self,
        context: Context,
        start: Callable[[], Coroutine[Any, Any, Any]],
        done: Callable[[asyncio.Task[Any]], None],
    ) -> None:
        """Run the coroutine that ``start`` makes on the loop, in this context; waits for nothing.

        ``done`` is called there with its task, however that ended.
        """
        loop = self._started()
        self._begin()

        def finished(task: asyncio.Task[Any]) -> None:
            done(task)
            self._finish()

        try:
            loop.call_soon_threadsafe(lambda: self._create(start(), finished), context=context)
        except RuntimeError:  # the loop was stopped meanwhile
            self._finish()
            raise

    def keep_running(self, coroutine_function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine on the loop for as long as that lives; nobody who waits for work to end waits for it."""
        self._started().call_soon_threadsafe(lambda: self._create(coroutine_function(), _report), context=Context())

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        """Call back on the loop."""
        self._started().call_soon_threadsafe(callback, *args, context=Context())

    def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task of the loop, from any thread."""
        self._started().call_soon_threadsafe(task.cancel)

    def submit(self, work: Callable[..., None], *args: Any) -> None:
        """Run work on a worker thread."""
        with self._lock:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(WORKERS, "phoenix_sessions-worker")
            workers = self._workers
        self._submit(workers, work, args)

    def submit_effect(self, work: Callable[..., None], *args: Any) -> None:
        """Run work that may block for long on a thread of its own kind, so that it holds up no handlers."""
        with self._lock:
            if self._effect_workers is None:
                self._effect_workers = ThreadPoolExecutor(EFFECT_WORKERS, "phoenix_sessions-effect")
            workers = self._effect_workers
        self._submit(workers, work, args)

    def retire(self, crew: Crew) -> None:
        """Leave what the workers would have done to a crew; the interpreter is about to go down."""
        with self._lock:
            self._workers = crew

    def _submit(self, workers: ThreadPoolExecutor | Crew, work: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._begin()
        token = [None]  # the pool keeps what it had no thread for, and a later one would do it
        try:
            workers.submit(self._work, token, work, args)
        except RuntimeError:  # no thread to be had, or the interpreter is going down
            if _take(token):
                self._finish()
                raise

    def wait_idle(self, timeout: float) -> bool:
        """Wait until no work and no coroutine is under way; returns whether that came in time (seconds)."""
        with self._idle:
            return self._idle.wait_for(lambda: not self.pending, timeout)

    def _begin(self) -> None:
        with self._lock:
            self.pending += 1

    def _finish(self) -> None:
        with self._idle:
            self.pending -= 1
            if not self.pending:
                self._idle.notify_all()

    def stop(self) -> None:
        """Stop the loop, wait for it a little, then let the workers answer those whom the loop kept waiting."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(loop.stop)
            if thread is not threading.current_thread():
                thread.join(STOP_SECONDS)
        with self._lock:
            workers, effect_workers, self._workers, self._effect_workers = (
                self._workers,
                self._effect_workers,
                None,
                None,
            )
        if workers is not None:
            workers.shutdown(wait=False)
        if effect_workers is not None:
            effect_workers.shutdown(wait=False, cancel_futures=True)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_run_loop, args=(loop,), name="phoenix_sessions-loop", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no thread to be had now; the next who needs the loop may have better luck
                    loop.close()
                    raise
                self._loop, self._thread = loop, thread
                _to_stop.add(self)
                if self._companion is not None:
                    self._loop.call_soon_threadsafe(self._create, self._companion(), _report)
            return self._loop

    def _create(
        self, coroutine: Coroutine[Any, Any, Any], done: Callable[[asyncio.Task[Any]], None]
    ) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(done)
        return task

    def _work(self, token: list[None], work: Callable[..., None], args: tuple[Any, ...]) -> None:
        if not _take(token):
            return
        try:
            self._around_work()
            try:
                work(*args)
            finally:
                self._around_work()
        except Exception:
            logger.exception("background work failed")
        finally:
            self._finish()


def _take(token: list[None]) -> bool:
    """Return whether the caller is the first to take it."""
    try:
        token.pop()
    except IndexError:
        return False
    return True


def nothing() -> None:
    """Do nothing around the work."""


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("what keeps running on the background loop has failed", exc_info=task.exception())


def _interrupted(loop: asyncio.AbstractEventLoop) -> bool:
    """Run the loop until it is stopped; returns whether a coroutine tried to end it, which no coroutine may."""
    try:
        loop.run_forever()
    except (SystemExit, KeyboardInterrupt):
        logger.exception("a coroutine on the background loop wanted to exit; the loop goes on")
        return True
    return False


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        while _interrupted(loop):
            pass
    finally:
        loop.run_until_complete(asyncio.sleep(0))  # what was handed over last becomes a task
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())  # backends close a loop's connections then
        loop.close()


_to_stop: weakref.WeakSet[Background] = weakref.WeakSet()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_to_stop.clear)  # the parent's loops are not the child's to stop


@atexit.register
def _stop_all() -> None:
    for background in list(_to_stop):
        background.stop()
