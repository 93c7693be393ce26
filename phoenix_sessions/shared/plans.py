"""What a change of a session will commit, before it is committed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import msgspec

from ..runtime.flow import Request


class Plan(msgspec.Struct):
    """A change that was worked out from the cached state.

    Attributes:
        changed: The changed keys of the state, with their values or GONE.
        pieces: The same, encoded; None = it has gone.
        versions: How many versions it makes (count).
        log: What the log gets.
        actions: Names of actions that must be applied once.
    """

    changed: dict[str, Any] = {}
    pieces: dict[str, bytes | None] = {}
    versions: int = 0
    log: list[bytes] = []
    actions: tuple[bytes, ...] = ()

    @property
    def commits(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.versions or self.log or self.actions)


WorkOut = Callable[[tuple[bytes, ...]], Plan | Generator[Request, Any, Plan]]
"""Returns the plan for the cached state; is given the names of actions that were applied before."""


class Over(Exception):  # it ends a flow, and nobody is told
    """The life is over that a change belongs to."""
