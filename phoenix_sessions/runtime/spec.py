"""What the runtime must know of a process class, resolved once and shared by its sessions.

Rules:
    1. Settings, process class and arguments were merged before; nothing here reads configuration.
    2. ``pure`` flags tell the mailbox which messages any thread may run (see ``mailbox``, rule 3).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..core.action import Action
from ..core.mounts import Mounts, Reduced, Route
from ..core.reducer import Reducer
from ..core.replies import Restart
from ..core.selector import Selector
from ..core.state import State

Middleware = Callable[[Any, Action, Callable[[Action], State]], Any]
UnmatchedHandler = Callable[[Action, Reducer | None, str | None], None]


class Process(Protocol):
    """The part of a session process that the runtime calls; see ``phoenix_sessions.SessionProcess``."""

    def init_state(self, args: Any) -> Any: ...
    def handle_call(self, request: Any, state: Any) -> Any: ...
    def handle_cast(self, request: Any, state: Any) -> Any: ...
    def handle_info(self, message: Any, state: Any) -> Any: ...
    def on_terminate(self, reason: str, state: Any) -> None: ...


class Development(Protocol):
    """The checks of development; see ``phoenix_sessions.development``."""

    def reduce(self, session: Any, state: State, action: Action, route: Route) -> Reduced: ...
    def check_selectors(self, selectors: Mapping[str, Selector], state: State) -> None: ...


class ProcessSpec:
    """A process class as the runtime needs it.

    Attributes:
        process: The class; called with the session to make an instance for each life.
        mounts: Its reducers.
        ttl: Idle time after which a session expires (seconds), None = never.
        restart: Its restart policy.
        keep_alive: Whether a session with subscribers does not expire.
        unmatched: Told about actions that a mount, or (with None, None) every mount, did not know.
        async_call, async_cast, async_info: Whether that handler is a coroutine function.
        own_state: Whether the process may have keys of its own in the state, or something to do when it is made.
        quiet_end: Whether nothing of the user's runs when a life ends.
        middleware: The store middleware, outermost first.
        history_limit: How many entries of history are kept (count).
        max_effects: How many effects of one session run at once (count).
        handle: Makes the user's handle for a session id.
        development: The checks of development, or None.
        durability: Where its sessions live: "memory", "write_behind" or "write_through".
        rate_limited: Whether its starts count for the rate.
        plain: Whether actions go straight to the reducers.
    """

    __slots__ = (
        "async_call", "async_cast", "async_info", "development", "durability", "handle", "history_limit", "keep_alive",
        "max_effects", "middleware", "mounts", "own_state", "plain", "process", "quiet_end", "rate_limited",
        "restart", "ttl", "unmatched",
    )  # fmt: skip

    def __init__(
        self,
        process: Callable[[Any], Process],
        mounts: Mounts,
        *,
        ttl: float | None,
        restart: Restart,
        keep_alive: bool,
        unmatched: UnmatchedHandler,
        quiet_end: bool,
        own_state: bool = True,
        middleware: tuple[Middleware, ...] = (),
        history_limit: int = 0,
        max_effects: int = 1,
        handle: Callable[[str], Any] = str,
        development: Development | None = None,
        durability: str = "memory",
        rate_limited: bool = True,
    ) -> None:
        self.process = process
        self.mounts = mounts
        self.ttl = ttl
        self.rate_limited = rate_limited
        self.restart = restart
        self.keep_alive = keep_alive
        self.unmatched = unmatched
        self.quiet_end = quiet_end
        self.own_state = own_state
        self.middleware = middleware
        self.history_limit = history_limit
        self.max_effects = max_effects
        self.handle = handle
        self.development = development
        self.durability = durability
        self.plain = not (middleware or mounts.paced or development)
        self.async_call = inspect.iscoroutinefunction(getattr(process, "handle_call", None))
        self.async_cast = inspect.iscoroutinefunction(getattr(process, "handle_cast", None))
        self.async_info = inspect.iscoroutinefunction(getattr(process, "handle_info", None))
