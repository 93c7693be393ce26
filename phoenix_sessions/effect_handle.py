"""A handle on the effects that one ``dispatch_async`` has started.

Rules:
    1. It needs nothing of whoever holds it: an effect runs on whether or not somebody looks.
    2. Giving up to wait does not cancel; ``cancel`` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Generator
from concurrent.futures import wait
from typing import Any

from .process import Seconds, seconds
from .runtime.effect import Effect
from .waiting import refuse_on_event_loop


class EffectHandle:
    """What ``dispatch_async`` returns; also awaitable."""

    __slots__ = ("_effects",)

    def __init__(self, effects: list[Effect]) -> None:
        self._effects = effects

    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled() else "done" if self.done() else "running"
        return f"<EffectHandle of {len(self._effects)} effects, {state}>"

    def cancel(self) -> bool:
        """Cancel what is not over; returns whether anything was. Never waits.

        A coroutine is cancelled where it waits. A plain function runs on, but can dispatch no more. A function that
        the effect has returned is called.
        """
        return [effect.cancel() for effect in self._effects].count(True) > 0

    def done(self) -> bool:
        """Return whether everything has returned, raised or been cancelled."""
        return all(effect.future.done() for effect in self._effects)

    def cancelled(self) -> bool:
        """Return whether anything was cancelled."""
        return any(effect.future.cancelled() for effect in self._effects)

    def result(self, timeout: Seconds | None = None) -> Any:
        """Wait, and return what the effect returned; of several mounts, a list in their order; of none, None.

        Args:
            timeout: How long to wait (seconds); None = as long as it takes.

        Raises:
            TimeoutError: It is not over yet; it goes on.
            concurrent.futures.CancelledError: It was cancelled.
            ReentrantCall: It is not over yet, and may wait for the session, which handles what the caller is part of.
            Exception: Whatever it raised.
        """
        refuse_on_event_loop("result", "await the handle instead")
        self._check_reentrant()
        futures = [effect.future for effect in self._effects]
        wait(futures, None if timeout is None else seconds(timeout))
        return _one_or_list([future.result(0) for future in futures])

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        self._check_reentrant()
        loop = asyncio.get_running_loop()
        for effect in self._effects:
            over = asyncio.Event()
            effect.future.add_done_callback(functools.partial(_wake, loop, over))
            await over.wait()
        return _one_or_list([effect.future.result(0) for effect in self._effects])

    def _check_reentrant(self) -> None:
        for effect in self._effects:
            effect.check_reentrant()


def _wake(loop: asyncio.AbstractEventLoop, over: asyncio.Event, _: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits any more
        loop.call_soon_threadsafe(over.set)


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values or None
