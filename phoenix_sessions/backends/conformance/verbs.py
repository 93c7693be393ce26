"""The verbs of a backend, the way a test calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core.errors import Conflict, Fenced, SessionNotFound
from ..base import Backend
from .loops import LoopThread


class Verbs:
    """The verbs of a backend, the way a test calls them.

    Args:
        backend: The backend.
        loop: The loop on which the async twins are called; None = the verbs themselves are.
    """

    def __init__(self, backend: Backend, loop: LoopThread | None) -> None:
        self.backend = backend
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if self._loop is None:
            verb: Callable[..., Any] = getattr(self.backend, name)
            return verb
        loop, twin = self._loop, getattr(self.backend, f"a{name}")
        return lambda *args, **kwargs: loop.run(twin(*args, **kwargs))


def outcome(verbs: Any, verb: str, args: tuple[Any, ...]) -> Any:
    """Call a verb; return its result, or its error and what that says, so that two of them can be compared."""
    try:
        result = getattr(verbs, verb)(*args)
    except (SessionNotFound, Fenced) as error:
        return type(error)
    except Conflict as error:
        return Conflict, error.record
    if verb == "expire" and result is not None:
        return round(result)
    return set(result) if verb == "commit" else result
