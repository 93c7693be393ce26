"""The other ways to have a session: an asyncio task, a thread or a pykka actor for each.

All hold a bare session of ``floors``, do what they are asked, and answer. Who asks waits for each answer, as
``dispatch`` and ``call`` do. The task is asked inside its own loop, its best case, and from another thread, as a sync
view would; the thread and the actor are asked from the main thread.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

import pykka

from .floors import BareSession
from .measure import Contender, timed

Work = Callable[[Any], Any]
Make = Callable[[], BareSession]

loop = asyncio.new_event_loop()
"""Runs while somebody waits for it, in the thread that waits."""


class TaskSession:
    """One asyncio task and one queue; create and use it inside a loop."""

    __slots__ = ("bare", "queue", "task")

    def __init__(self, make: Make = BareSession) -> None:
        self.bare = make()
        self.queue: asyncio.Queue[tuple[Work, asyncio.Future[Any]]] = asyncio.Queue()
        self.task = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            work, answer = await self.queue.get()
            answer.set_result(work(self.bare))

    async def ask(self, work: Work) -> Any:
        """Have the work done by the task and return its answer."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((work, answer))
        return await answer


class Asked(Protocol):
    """What is asked from another thread."""

    def ask(self, message: Any, /) -> Any: ...

    def stop(self) -> Any: ...


class ThreadSession:
    """One thread and one queue."""

    __slots__ = ("bare", "queue", "thread")

    def __init__(self, make: Make = BareSession) -> None:
        self.bare = make()
        self.queue: queue.SimpleQueue[tuple[Work, queue.SimpleQueue[Any]] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while (message := self.queue.get()) is not None:
            work, answer = message
            answer.put(work(self.bare))

    def ask(self, work: Work) -> Any:
        """Have the work done by the thread and return its answer."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.queue.put((work, answer))
        return answer.get()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self.queue.put(None)
        self.thread.join()


class PykkaSession(pykka.ThreadingActor):
    """One actor of pykka's, whose message is the work; ``started`` returns what is asked."""

    use_daemon_thread = True

    def __init__(self, make: Make = BareSession) -> None:
        super().__init__()
        self.bare = make()

    @classmethod
    def started(cls, make: Make = BareSession) -> Asked:
        """Start one."""
        return cls.start(make)

    def on_receive(self, message: Work) -> Any:
        """Do the work."""
        return message(self.bare)


class TaskElsewhere:
    """One asyncio task, in a loop that runs in a thread of its own."""

    def __init__(self, make: Make = BareSession) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._session = asyncio.run_coroutine_threadsafe(self._start(make), self._loop).result()

    async def _start(self, make: Make) -> TaskSession:
        return TaskSession(make)

    def ask(self, work: Work) -> Any:
        """Have the work done by the task and return its answer."""
        return asyncio.run_coroutine_threadsafe(self._session.ask(work), self._loop).result()

    def stop(self) -> None:
        """End the task, its loop and its thread."""
        asyncio.run_coroutine_threadsafe(end_tasks([self._session]), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def ask_task(work: Work, make: Make = BareSession) -> Contender:
    """Return a contender that asks one task inside its own loop."""

    async def sample(count: int) -> float:
        session = TaskSession(make)
        await session.ask(work)
        start = perf_counter()
        for _ in range(count):
            await session.ask(work)
        took = perf_counter() - start
        await end_tasks([session])
        return took

    return lambda count: loop.run_until_complete(sample(count))


def ask_other(start: Callable[[Make], Asked], work: Work, make: Make = BareSession) -> Contender:
    """Return a contender that asks one thread, actor, or task of another thread."""

    def sample(count: int) -> float:
        session = start(make)
        session.ask(work)
        try:
            return timed(lambda: session.ask(work), count)
        finally:
            session.stop()

    return sample


def askers(work: Work, make: Make = BareSession) -> dict[str, Contender]:
    """Return all of them."""
    return {
        "asyncio task": ask_task(work, make),
        "asyncio task, from a thread": ask_other(TaskElsewhere, work, make),
        "pykka": ask_other(PykkaSession.started, work, make),
        "thread and queue": ask_other(ThreadSession, work, make),
    }


THREADED = ("asyncio task, from a thread", "pykka", "thread and queue")
"""Those whose time depends on how the system schedules threads."""


async def start_tasks(count: int) -> list[TaskSession]:
    """Start as many, and let each reach its queue."""
    started = [TaskSession() for _ in range(count)]
    await asyncio.sleep(0)
    return started


async def end_tasks(sessions: list[TaskSession]) -> None:
    """Cancel them and wait for it."""
    for session in sessions:
        session.task.cancel()
    await asyncio.gather(*(session.task for session in sessions), return_exceptions=True)
