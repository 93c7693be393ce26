"""The sessions of the soak: everything that a session can do or suffer, in small.

Rules:
    1. What fails on purpose raises ``AsAskedError``, so that any other error in the log is a finding.
    2. Nothing blocks for longer than 50 ms but the effect "hang", which only a cancel or the end of the life ends.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from phoenix_sessions import NoReply, Reducer, Reply, Restart, SessionProcess, Stop, debounce, effect, on, throttle


class AsAskedError(Exception):
    """What everything here raises that is asked to fail."""


class Count(Reducer):
    name = "count"

    def init_state(self) -> dict[str, Any]:
        return {"n": 0, "typed": None, "failed": 0}

    @on("add")
    def add(self, action: Any, state: Any) -> Any:
        return {**state, "n": state["n"] + 1}

    @on("fail")
    def fail(self, action: Any, state: Any) -> Any:
        raise AsAskedError

    @on("typed")
    @debounce("30ms")
    def typed(self, action: Any, state: Any) -> Any:
        return {**state, "typed": action.payload}

    @on("refresh")
    @throttle("30ms")
    def refresh(self, action: Any, state: Any) -> Any:
        return {**state, "n": state["n"] + 1}

    @effect("load")
    async def load(self, action: Any, dispatch: Any, state: Any) -> str:
        await asyncio.sleep(action.payload)
        await dispatch(".add")
        return "loaded"

    @effect("report")
    def report(self, action: Any, dispatch: Any, state: Any) -> str:
        time.sleep(action.payload)
        dispatch(".add")
        return "reported"

    @effect("search")
    @debounce("20ms")
    async def search(self, action: Any, dispatch: Any, state: Any) -> str:
        await dispatch(".add")
        return "found"

    @effect("poll")
    @throttle("20ms")
    def poll(self, action: Any, dispatch: Any, state: Any) -> str:
        dispatch(".add")
        return "polled"

    @effect("hang")
    async def hang(self, action: Any, dispatch: Any, state: Any) -> None:
        await asyncio.sleep(3600)

    @effect("watch")
    def watch(self, action: Any, dispatch: Any, state: Any) -> Any:
        return action.payload.stopped

    @effect("break")
    async def broken(self, action: Any, dispatch: Any, state: Any) -> None:
        raise AsAskedError

    @on("break.failed")
    def failed(self, action: Any, state: Any) -> Any:
        return {**state, "failed": state["failed"] + 1}


def answer(request: Any, state: Any) -> Any:
    """Do what a call asks for."""
    match request:
        case "crash":
            raise AsAskedError
        case "stop":
            return Stop("normal", state, "stopped")
    return Reply(state["count"]["n"])


class Plain(SessionProcess):
    """Answers at once; expires even while somebody is subscribed."""

    reducers = [Count]
    ttl = 0.2
    keep_alive_while_subscribed = False

    def handle_call(self, request: Any, state: Any) -> Any:
        return answer(request, state)

    def handle_cast(self, request: Any, state: Any) -> Any:
        match request:
            case ("later", delay):
                self.send_after(delay, "tick")
                return NoReply()
            case "crash":
                raise AsAskedError
        return super().handle_cast(request, state)

    def handle_info(self, message: Any, state: Any) -> Any:
        return NoReply({**state, "ticks": state.get("ticks", 0) + 1})


def gatekeeper(ref: Any, action: Any, next: Any) -> Any:
    """Stop some actions, fail on others, and let the rest pass."""
    match action.payload:
        case "stop":
            return None
        case "refuse":
            raise AsAskedError
    return next(action)


class Guarded(Plain):
    """Has a middleware, comes back after every end of a life, and stays while somebody is subscribed."""

    store_middleware = [gatekeeper]
    restart = Restart.PERMANENT
    ttl = 1.0
    keep_alive_while_subscribed = True
    max_effects = 2
    history_limit = 5


class Waiting(Plain):
    """Its handlers are coroutines."""

    restart = Restart.TEMPORARY
    history_limit = 0

    async def handle_call(self, request: Any, state: Any) -> Any:
        await asyncio.sleep(0.002)
        return answer(request, state)

    async def handle_cast(self, request: Any, state: Any) -> Any:
        await asyncio.sleep(0.002)
        return super().handle_cast(request, state)


class Ledger(SessionProcess):
    """Lives through a whole phase, and nobody takes back what was added."""

    reducers = [Count]
    ttl = None
