"""The other ways to have a session: a task with a queue each, or a thread with a queue each.

Both hold the bare session of ``floors`` and answer each request. The task is asked inside its own loop, its best case;
the thread is asked from the main thread, as a sync view would.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from .floors import BareSession

Work = Callable[[BareSession], Any]
loop = asyncio.new_event_loop()


class TaskSession:
    """One asyncio task and one queue; create and use it inside ``loop``."""

    __slots__ = ("bare", "queue", "task")

    def __init__(self) -> None:
        self.bare = BareSession()
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


class ThreadSession:
    """One thread and one queue."""

    __slots__ = ("bare", "queue", "thread")

    def __init__(self) -> None:
        self.bare = BareSession()
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


def ask_task(work: Work, subscribers: int = 0) -> Callable[[int], float]:
    """Return a contender that asks one task."""

    async def sample(count: int) -> float:
        session = TaskSession()
        session.bare.subscribe(subscribers)
        await session.ask(work)
        start = perf_counter()
        for _ in range(count):
            await session.ask(work)
        took = perf_counter() - start
        await end_tasks([session])
        return took

    return lambda count: loop.run_until_complete(sample(count))


def ask_thread(work: Work, subscribers: int = 0) -> Callable[[int], float]:
    """Return a contender that asks one thread."""

    def sample(count: int) -> float:
        session = ThreadSession()
        session.bare.subscribe(subscribers)
        session.ask(work)
        start = perf_counter()
        for _ in range(count):
            session.ask(work)
        took = perf_counter() - start
        session.stop()
        return took

    return sample


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
