"""Which conversations are to be delivered, as one worker has them; all of it runs on one event loop.

Rules:
    1. A conversation waits a moment, in which messages are collected, and then has all delivered that is there. What
       comes meanwhile, and what was too much for one delivery, has it wait once more.
    2. At most so many conversations wait; those that find no place, that another worker keeps, or whose database does
       not answer for some time, are left to the look for what is undone.
    3. Conversations that are no agent's are remembered, so that their messages cost nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Final

from phoenix_sessions import BackendError

from ..conf import Config
from ..errors import ChatError
from ..twins import twin
from .answers import Lost
from .courier import Courier
from .slots import Slots
from .work import agents_in

logger = logging.getLogger("phoenix_sessions.chat")

_REMEMBERED: Final = 20_000
_TRIES: Final = 7
_PAUSE: Final = 0.05

_agents_in = twin(agents_in)


class Dispatcher:
    """The conversations that wait, and those whose agents are at it.

    Args:
        courier: Delivers.
        config: The settings.
    """

    def __init__(self, courier: Courier, config: Config) -> None:
        self._courier = courier
        self._config = config
        self._slots = Slots(config.agent_concurrency)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._once_more: set[str] = set()
        self._others: dict[str, None] = {}
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    def __len__(self) -> int:
        """Return how many conversations wait, or are being delivered (count)."""
        return len(self._tasks)

    def knows_no_agent_in(self, conversation: str) -> bool:
        """Return whether a conversation is known to be no agent's; may be asked on any thread."""
        return conversation in self._others

    def put(self, conversation: str) -> bool:
        """Have a conversation delivered soon, and return whether there was room for it."""
        if self._closed:
            return False
        if conversation in self._tasks:
            self._once_more.add(conversation)
            return True
        if not self._room.is_set():
            return False
        task = asyncio.get_running_loop().create_task(self._serve(conversation))
        self._tasks[conversation] = task
        task.add_done_callback(lambda _: self._done(conversation))
        if len(self._tasks) >= self._config.agent_queue:
            self._room.clear()
        return True

    async def put_when_there_is_room(self, conversation: str) -> None:
        """Have a conversation delivered, but let those of new messages go first."""
        while not self._closed and not self.put(conversation):
            await self._room.wait()

    async def finish(self, seconds: float) -> bool:
        """Take no more, wait so long for what is under way, leave the rest; return whether all was done."""
        self._closed = True
        self._room.set()
        tasks = list(self._tasks.values())
        if not tasks:
            return True
        _, left = await asyncio.wait(tasks, timeout=seconds)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return not left

    async def _serve(self, conversation: str) -> None:
        try:
            agents = await _agents_in(conversation)
        except Exception as error:
            logger.warning("conversation %s is delivered later: %s", conversation, error)
            return
        if not agents:
            self._remember(conversation)
            return
        pause, tried = self._config.agent_debounce, 0
        while tried < _TRIES:
            await asyncio.sleep(pause)
            self._once_more.discard(conversation)
            async with self._slots.taken(agents):
                more = await self._deliver(conversation)
            if more is None:
                tried += 1
                pause = _PAUSE * 2**tried * random.uniform(0.5, 1.5)  # noqa: S311  # workers must not come in step
            elif more or conversation in self._once_more:
                pause, tried = self._config.agent_debounce, 0
            else:
                return

    async def _deliver(self, conversation: str) -> bool | None:
        """Make a delivery, and return whether there is another to be made; None = this one was not."""
        try:
            return await self._courier.deliver(conversation)
        except Lost:
            pass
        except (ChatError, BackendError) as error:
            logger.warning("conversation %s is delivered later: %s", conversation, error)
        except Exception:
            logger.exception("conversation %s cannot be delivered", conversation)
        return None

    def _done(self, conversation: str) -> None:
        del self._tasks[conversation]
        self._room.set()
        if conversation in self._once_more:
            self._once_more.discard(conversation)
            if conversation not in self._others:
                self.put(conversation)

    def _remember(self, conversation: str) -> None:
        self._others[conversation] = None
        if len(self._others) > _REMEMBERED:
            del self._others[next(iter(self._others))]
