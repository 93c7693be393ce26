"""An event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, Final

DEADLOCK: Final = 60.0


class LoopThread:
    """An event loop on a thread of its own, as a test's other half."""

    def __init__(self) -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._serve, args=(started,), name="conformance loop")
        self._thread.start()
        self._loop = started.result(DEADLOCK)

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[LoopThread]:
        """Begin one, and end it."""
        loop = cls()
        try:
            yield loop
        finally:
            loop.stop()

    @staticmethod
    def _serve(started: Future[asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            started.set_result(loop)
            loop.run_forever()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLOCK)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function on the loop, and return its result."""

        async def on_the_loop() -> Any:
            return function(*args)

        return self.run(on_the_loop())

    def stop(self) -> None:
        """End the loop, and everything that runs on it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLOCK)
