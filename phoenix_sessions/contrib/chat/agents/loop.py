"""The thread that agents are served on, with an event loop of its own: the site's loops have nothing to do with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Final

from ..conf import Config
from .courier import Courier
from .dispatcher import Dispatcher
from .look import keep_looking
from .slots import most_of_one
from .threads import Threads
from .transport import CheckedTransport

logger = logging.getLogger("phoenix_sessions.chat")

_LEAVE: Final = 1.0
_LOOK_UPS: Final = 4
"""How many look-ups of one name may run at once (count)."""


class AgentLoop(threading.Thread):
    """Delivers to agents, from its start until it is stopped.

    Args:
        config: The settings.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(name="phoenix_chat-agents", daemon=True)
        self._config = config
        self._lock = threading.Lock()
        self._new: dict[str, None] = {}
        self._loop = asyncio.new_event_loop()
        self._dispatcher: Dispatcher | None = None
        self._end = asyncio.Event()
        self._patience = 0.0
        self._complete = False

    def put(self, conversation: str) -> None:
        """Hand a conversation over; on any thread, never waits."""
        dispatcher = self._dispatcher
        if dispatcher is not None and dispatcher.knows_no_agent_in(conversation):
            return
        with self._lock:
            first = not self._new
            if len(self._new) < self._config.agent_queue:
                self._new[conversation] = None
        if first:
            self._call(self._take)

    def stop(self, seconds: float) -> bool:
        """End, and return whether nothing was left undone.

        Args:
            seconds: How long those who are at it may go on.
        """
        self._patience = seconds
        self._call(self._end.set)
        self.join(seconds + _LEAVE)
        return self._complete

    def close(self) -> None:
        """Give back what one that was never started has."""
        self._loop.close()

    def run(self) -> None:
        """Run the loop."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                self._complete = runner.run(self._main())
        except Exception:
            logger.exception("the agents' thread has ended")

    async def _main(self) -> bool:
        most = self._config.agent_concurrency
        calls = Threads("phoenix_chat-agent", most_of_one(most))
        async with CheckedTransport(most, Threads("phoenix_chat-name", _LOOK_UPS)) as transport:
            self._dispatcher = dispatcher = Dispatcher(Courier(transport, calls), self._config)
            looking = asyncio.create_task(keep_looking(dispatcher))
            self._take()
            await self._end.wait()
            looking.cancel()
            complete = await dispatcher.finish(self._patience)
            await asyncio.gather(looking, return_exceptions=True)
            return complete

    def _take(self) -> None:
        if self._dispatcher is not None:
            with self._lock:
                new, self._new = self._new, {}
            for conversation in new:
                self._dispatcher.put(conversation)

    def _call(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
            self._loop.call_soon_threadsafe(function)
