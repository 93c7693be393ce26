"""The verbs that read the state.

Rules:
    1. ``state``, ``version``, ``epoch`` and ``look`` never wait: they show the last commit.
    2. ``get_state`` and ``select_state`` come after all that the caller has sent before. While a session is free and
       nothing waits, that is the last commit, too; the two cases that are asked for most are written out for speed.
"""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple, TypeVar, overload

from .core.errors import SelectorError
from .core.selector import Selector, check_selector
from .core.state import State
from .handle import Handle
from .runtime import shortcuts
from .runtime.shortcuts import UNDONE
from .waiting import refuse_on_event_loop

T = TypeVar("T")


class Look(NamedTuple):
    """What ``ref.look`` saw.

    Attributes:
        state: The state.
        epoch: The life that it belongs to.
        version: Its version; the state may be newer.
    """

    state: State
    epoch: int
    version: int


class Reading(Handle):
    """The part of ``SessionRef`` that reads."""

    __slots__ = ()

    @property
    def state(self) -> State:
        """The state as this worker last saw it, for templates and receivers."""
        return self._seen().state

    @property
    def version(self) -> int:
        """The version as this worker last saw it: how many times the state has changed in this life."""
        return self._seen().version

    @property
    def epoch(self) -> int:
        """The name of the session's current life."""
        return self._seen().epoch

    def look(self) -> Look:
        """Return state, epoch and version as this worker last saw them: to paint a page, and go on from there.

        The state is never older than the version says, so whoever subscribes from there misses nothing.
        """
        session = self._seen()
        epoch, version = session.epoch, session.version
        return Look(session.state, epoch, version)

    @overload
    def get_state(self, selector: None = None) -> State: ...
    @overload
    def get_state(self, selector: Callable[[Any], T]) -> T: ...
    @overload
    def get_state(self, selector: str) -> Any: ...
    def get_state(self, selector: Selector = None) -> Any:
        """Return the state, or what the selector picks, after all that the caller sent before.

        Raises:
            SelectorError: The selector raised, or its path leads nowhere.
        """
        if selector is None and _get_running_loop() is None:
            lookup = self._manager.lookup
            found = lookup(self.id)
            if found is not None and found.turn and found.queue is None and found.ended is None:
                clock = found.supervisor.now
                found.touched = now = clock()
                if now <= found.sure_until:
                    copy, version = found.copy, found.version
                    return found.state if copy is None or copy[1] != version or copy[0] is not found.slices else copy[2]
        return self._read("get_state", selector)

    @overload
    async def aget_state(self, selector: None = None) -> State: ...
    @overload
    async def aget_state(self, selector: Callable[[Any], T]) -> T: ...
    @overload
    async def aget_state(self, selector: str) -> Any: ...
    async def aget_state(self, selector: Selector = None) -> Any:
        """Async twin of ``get_state``."""
        found = self._manager.lookup(self.id)
        if found is not None and (value := shortcuts.read(found, selector)) is not UNDONE:
            return value
        check_selector(selector)
        return await self._aask(lambda session: (True, None, session.read, selector))

    @overload
    def select_state(self, selector: Callable[[Any], T]) -> T: ...
    @overload
    def select_state(self, selector: str) -> Any: ...
    def select_state(self, selector: Any) -> Any:
        """Return what the selector picks out of the state; as ``get_state(selector)``."""
        if type(selector) is FunctionType and _get_running_loop() is None:
            lookup = self._manager.lookup
            found = lookup(self.id)
            if found is not None and found.turn and found.queue is None and found.ended is None:
                clock = found.supervisor.now
                found.touched = now = clock()
                if now <= found.sure_until:
                    copy, version = found.copy, found.version
                    state = (
                        found.state if copy is None or copy[1] != version or copy[0] is not found.slices else copy[2]
                    )
                    try:
                        return selector(state)
                    except Exception as error:
                        raise SelectorError(selector, error) from error
        return self._read("select_state", selector)

    @overload
    async def aselect_state(self, selector: Callable[[Any], T]) -> T: ...
    @overload
    async def aselect_state(self, selector: str) -> Any: ...
    async def aselect_state(self, selector: Any) -> Any:
        """Async twin of ``select_state``."""
        return await self.aget_state(selector)

    def _read(self, verb: str, selector: Selector) -> Any:
        refuse_on_event_loop(verb)
        found = self._manager.lookup(self.id)
        if found is not None and (value := shortcuts.read(found, selector)) is not UNDONE:
            return value
        check_selector(selector)
        return self._ask(lambda session: (True, None, session.read, selector))
