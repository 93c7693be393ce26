"""The look for deliveries that a worker has left undone: it has died, or had no room.

Rules:
    1. One worker looks, at its start and every so often; a lease says which. When it dies, another goes on.
    2. So many conversations are looked at in one go, with a pause after each; what is found waits for room.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Final

from phoenix_sessions import BackendError, Fenced, Lease, sessions

from ..conf import get_config
from ..errors import ChatError
from ..storage.undelivered import active_agents, undelivered
from ..twins import twin
from .callables import callees
from .dispatcher import Dispatcher

logger = logging.getLogger("phoenix_sessions.chat")

AT_ONCE: Final = 1000
_PAUSE: Final = 0.2
_LEASE: Final = "chat.agents.look"

_active_agents = twin(active_agents)
_undelivered = twin(undelivered)


async def keep_looking(dispatcher: Dispatcher) -> None:
    """Look again and again, until this is cancelled."""
    lease: Lease | None = None
    try:
        while True:
            every = get_config().agent_look
            try:
                lease = await _keep(lease, 2 * every)
                if lease is not None:
                    await look(dispatcher)
            except (ChatError, BackendError) as error:
                logger.warning("undone deliveries are looked for later: %s", error)
            except Exception:
                logger.exception("undone deliveries cannot be looked for")
            await asyncio.sleep(every * random.uniform(0.5, 1.0))  # noqa: S311  # workers must not come in step
    finally:
        if lease is not None:
            async with lease:
                pass


async def _keep(lease: Lease | None, seconds: float) -> Lease | None:
    """Renew the lease, or claim it if another has let it go."""
    if lease is not None:
        try:
            await lease.arenew(seconds)
            return lease
        except Fenced:
            pass
    return await sessions.aclaim(_LEASE, seconds)


async def look(dispatcher: Dispatcher) -> None:
    """Look once at all agents' conversations.

    Raises:
        ChatError: ``unavailable``.
    """
    for agent in callees():
        await _look_at(agent, dispatcher)
    agents = await _active_agents("", AT_ONCE)
    while agents:
        for agent in agents:
            await _look_at(agent, dispatcher)
        agents = await _active_agents(agents[-1], AT_ONCE)


async def _look_at(agent: str, dispatcher: Dispatcher) -> None:
    after: str | None = ""
    while after is not None:
        found, after = await _undelivered(agent, after, AT_ONCE)
        for conversation in found:
            await dispatcher.put_when_there_is_room(conversation)
        if after is not None:
            await asyncio.sleep(_PAUSE)
