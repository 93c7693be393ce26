"""How long other work has to wait: an event loop on a thread of its own, as a server has, that ticks every millisecond.

A pause is what a tick comes late by. It contains what the machine itself adds, so it is to be read beside a quiet one.
"""

from __future__ import annotations

import asyncio
import threading
from time import perf_counter
from types import TracebackType

TICK = 0.001


class Pauses:
    """Ticks for the time of a ``with`` block.

    Attributes:
        longest: The longest pause (seconds).
        ticks: How many ticks there were (count).
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.ticks = 0
        self._over = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._tick()))

    def __enter__(self) -> Pauses:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._thread.join()

    async def _tick(self) -> None:
        while not self._over:
            start = perf_counter()
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, perf_counter() - start - TICK)
            self.ticks += 1
