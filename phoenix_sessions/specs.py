"""Process classes merged with the settings: what the runtime needs of each, resolved once.

Rules:
    1. The settings are the defaults; what a process class declares overrides them.
    2. Changed settings are taken over by the sessions that are started from then on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .conf import Config, get_config
from .core.errors import InvalidReducer
from .core.mounts import Mounts
from .development import DevelopmentChecks
from .process import SessionProcess, seconds
from .runtime.clock import Clock
from .runtime.spec import Middleware, ProcessSpec


class ProcessSpecs:
    """The specs of the process classes that were used so far.

    Args:
        handle: Makes the user's handle for a session id.
        clock: Returns the clock by which development times reducers.
    """

    def __init__(self, handle: Callable[[str], Any], clock: Callable[[], Clock]) -> None:
        self._handle = handle
        self._clock = clock
        self._specs: dict[type[SessionProcess], ProcessSpec] = {}

    def get(self, process: type[SessionProcess]) -> ProcessSpec:
        """Return a process class as the runtime needs it.

        Raises:
            InvalidReducer: It is no SessionProcess, or its mounts or middleware are wrong.
        """
        spec = self._specs.get(process)
        if spec is None:
            spec = self._specs[process] = make_spec(process, get_config(), self._handle, self._clock())
        return spec

    def clear(self) -> None:
        """Forget all, because the settings have changed."""
        self._specs.clear()


def make_spec(process: type[SessionProcess], config: Config, handle: Callable[[str], Any], clock: Clock) -> ProcessSpec:
    """Merge a process class with the settings.

    Raises:
        InvalidReducer: It is no SessionProcess, or its mounts or middleware are wrong.
    """
    if not isinstance(process, type) or not issubclass(process, SessionProcess):
        raise InvalidReducer(f"{process!r} is no session process: it must be a subclass of SessionProcess")
    reducers = process.combined_reducers()
    ttl = getattr(process, "ttl", config.ttl)
    return ProcessSpec(
        process,
        Mounts(config.reducers if reducers is None else reducers),
        ttl=None if ttl is None else seconds(ttl),
        restart=process.restart,
        keep_alive=getattr(process, "keep_alive_while_subscribed", config.keep_alive),
        unmatched=config.unmatched,
        quiet_end=process.on_terminate is SessionProcess.on_terminate,
        own_state=(process.init_state, process.__init__) != (SessionProcess.init_state, SessionProcess.__init__),
        middleware=_middleware(process),
        history_limit=getattr(process, "history_limit", config.history_limit),
        max_effects=getattr(process, "max_effects", config.max_effects),
        handle=handle,
        development=DevelopmentChecks(clock) if config.debug else None,
        durability=getattr(process, "durability", config.durability),
        rate_limited=process.rate_limited,
    )


def _middleware(process: type[SessionProcess]) -> tuple[Middleware, ...]:
    middleware = tuple(process.store_middleware)
    for each in middleware:
        if not callable(each) or inspect.iscoroutinefunction(each):
            raise InvalidReducer(
                f"store_middleware of {process.__qualname__} has {each!r}: it must hold plain functions of "
                f"(ref, action, next)"
            )
    return middleware
