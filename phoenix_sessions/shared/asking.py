"""What a shared session asks its engine for.

Rules:
    1. Every question is asked with patience, so that a short absence of the engine is noticed by nobody.
    2. Who has found the engine away for the whole patience has waited for all that waited behind: they fail without
       asking, or the last of them would wait for as many patiences as there are before it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..backends.base import Commit
from ..core.errors import BackendUnavailable
from ..runtime.flow import Request, Steps
from .turns import Turns


class Asking(Turns):
    """A session, as far as it asks its engine."""

    __slots__ = ()

    def ask_engine(self, verb: str, *args: Any) -> Steps:
        """Ask the engine for what may be asked twice; see ``Engine.ask``."""
        self._check_hope()
        return self.engine.ask(verb, *args, given_up=self.give_up_on_queue)

    def commit(self, commit: Commit, under: str | None = None) -> Generator[Request, Any, tuple[bytes, ...]]:
        """Have the engine commit, once, under this session's id or another; see ``Engine.commit``."""
        self._check_hope()
        return self.engine.commit(self.id if under is None else under, commit, given_up=self.give_up_on_queue)

    def _check_hope(self) -> None:
        if self.gives_up:
            raise BackendUnavailable("it could not be asked for as long as one is patient")
