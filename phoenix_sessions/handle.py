"""What every handle on a session is: an id, and the manager that knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .runtime.session import Session

if TYPE_CHECKING:
    from .manager import SessionManager


class Handle:
    """The base of ``SessionRef``: cheap, hashable, equal to other handles on the same id."""

    __slots__ = ("_manager", "id")

    def __init__(self, id: str, manager: SessionManager) -> None:
        self.id = id
        self._manager = manager

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other.id == self.id and other._manager is self._manager

    def __hash__(self) -> int:
        return hash(self.id)

    def _session(self) -> Session:
        return self._manager.supervisor.find(self.id)
