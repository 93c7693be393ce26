"""Agents that are functions of this site, called in the process of the worker.

Rules:
    1. ``def`` runs on a thread of its own, ``async def`` on the event loop that the worker has for agents, which it
       must not block. What it returns is the reply: a text, a dict as an endpoint would answer it, a ``Reply``; None =
       none.
    2. An async generator's texts are told while it yields them, and stored as one message at the end.
    3. It is called once for a delivery: one that raises, or is not ready in time, is logged and not called again; one
       whose worker has died over it is.
    4. A ``def`` that is not ready in time runs on, on its thread, and nobody waits for it; but of one agent only so
       many run at once.
    5. Under an agent's id there is one function; it goes before an endpoint. Every worker must have it.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.db import connections
from django.utils.module_loading import import_string

from ..conf import get_config
from ..kinds import DeliveryStatus
from .answers import BadAnswer, Lost, Outcome, Tell, reply_of
from .threads import Threads
from .turn import Turn

logger = logging.getLogger("phoenix_sessions.chat")

TIMEOUT: Final = 30.0

Function = TypeVar("Function", bound=Callable[..., Any])


class Callee:
    """An agent that is a function.

    Args:
        function: Called with the turn.
        timeout: How long an answer may take (seconds).
    """

    def __init__(self, function: Callable[[Turn], Any], timeout: float = TIMEOUT) -> None:
        self.function = function
        self.timeout = timeout

    async def ask(self, turn: Turn, tell: Tell, threads: Threads) -> Outcome:
        """Call it, and return what became of that.

        Raises:
            Lost: Another worker may deliver now.
        """
        asking = asyncio.create_task(self._outcome(turn, tell, threads))
        _asking.add(asking)  # it may take no notice of a cancellation
        asking.add_done_callback(_asking.discard)
        try:
            done, _ = await asyncio.wait([asking], timeout=self.timeout)
        finally:
            asking.cancel()
        return asking.result() if done else _too_late(self.timeout)

    async def _outcome(self, turn: Turn, tell: Tell, threads: Threads) -> Outcome:
        try:
            return Outcome(DeliveryStatus.DELIVERED, reply_of(await self._call(turn, tell, threads)))
        except Lost:
            raise
        except BaseException as error:  # also SystemExit, which would end the loop, and with it all other agents
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            logger.exception("the agent %r failed", turn.agent)
            return Outcome(DeliveryStatus.FAILED, error=f"{type(error).__name__}: {error}")

    async def _call(self, turn: Turn, tell: Tell, threads: Threads) -> Any:
        if _is(inspect.isasyncgenfunction, self.function):
            return await self._listen(turn, tell)
        if _is(inspect.iscoroutinefunction, self.function):
            return await self.function(turn)
        return await threads.call(turn.agent, _and_close, self.function, turn)

    async def _listen(self, turn: Turn, tell: Tell) -> str:
        texts: list[str] = []
        left = get_config().agent_answer_bytes
        async with contextlib.aclosing(self.function(turn)) as parts:
            async for text in parts:
                if not isinstance(text, str):
                    raise BadAnswer(f"{text!r} was yielded: it must be a text")
                if (left := left - len(text.encode())) < 0:
                    raise BadAnswer("the answer is too large")
                texts.append(text)
                if text:
                    await tell(text)
                await asyncio.sleep(0)  # one that waits for nothing holds up the others otherwise, and has no end
        return "".join(texts)


_registered: dict[str, Callee] = {}
_asking: set[asyncio.Task[Outcome]] = set()


def agent(id: str, *, timeout: float = TIMEOUT) -> Callable[[Function], Function]:
    """Return a decorator that has a function answer as an agent.

    Args:
        id: The participant's.
        timeout: How long an answer may take (seconds).
    """

    def register(function: Function) -> Function:
        _registered[id] = Callee(function, timeout)
        return function

    return register


def forget(id: str) -> None:
    """Have no function answer as this agent any more."""
    _registered.pop(id, None)


def callee_of(id: str) -> Callee | None:
    """Return the function that answers as an agent, None = there is none.

    Raises:
        ImportError: There is none where the settings say.
    """
    if (found := _registered.get(id)) is not None:
        return found
    path = get_config().agents.get(id)
    return None if path is None else Callee(import_string(path))


def callees() -> list[str]:
    """Return the agents that are functions, by id."""
    return sorted({*_registered, *get_config().agents})


def _is(kind: Callable[[Any], bool], function: Any) -> bool:
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004  # what it is, not whether


def _is_cancelled() -> bool:
    """Return whether it is us who have cancelled this task: a function may raise what it likes."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _too_late(seconds: float) -> Outcome:
    return Outcome(DeliveryStatus.TIMEOUT, error=f"no answer within {seconds:g} s")


def _and_close(function: Callable[[Turn], Any], turn: Turn) -> Any:
    try:
        return function(turn)
    finally:
        connections.close_all()  # the thread ends
