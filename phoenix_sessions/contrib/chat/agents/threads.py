"""Threads for what may never come back: a site's own functions, and look-ups of names.

Rules:
    1. Each call has a thread of its own, a daemon: the exit of the process waits for none of them.
    2. At most so many run under one name, also of those that nobody waits for any more: what hangs holds up its own
       kind, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Threads:
    """Calls functions, for one event loop.

    Args:
        prefix: What the threads' names begin with.
        each: How many may run at once under one name (count).
    """

    def __init__(self, prefix: str, each: int) -> None:
        self._prefix = prefix
        self._each = each
        self._places: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    async def call(
        self, name: str, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Return what a function returns; who is cancelled waits no more, and it goes on to its end.

        Raises:
            BaseException: What the function raises; RuntimeError if there is no thread to be had.
        """
        place = self._places.setdefault(name, asyncio.Semaphore(self._each))
        await place.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            place.release()
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def run() -> None:
            result, error = _outcome(lambda: function(*args, **kwargs))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, result, error)

        thread = threading.Thread(target=copy_context().run, args=[run], name=f"{self._prefix}_{name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            place.release()
            raise
        return await future


def _outcome(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """Return what a function returns, and what it raises."""
    try:
        return function(), None
    except StopIteration as error:  # a future takes none
        stopped = RuntimeError("the function raised StopIteration")
        stopped.__cause__ = error
        return None, stopped
    except BaseException as error:  # a function may raise SystemExit, too
        return None, error
