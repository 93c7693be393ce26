"""What every handle on a session is: an id, and the manager that knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .core.errors import SessionStopped
from .runtime.departure import is_found_again
from .runtime.session import Session

if TYPE_CHECKING:
    from .manager import SessionManager

Message = Callable[[Session], tuple[Any, ...]]
Work = Callable[..., Any]
Post = Callable[[Session, Callable[[Work], Work]], None]


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

    def _ask(self, message: Message) -> Any:
        """Return what the session answers; as ``_reach``, and written out as it is used most."""
        while True:
            session = self._session()
            try:
                return session.ask(*session.surely(*message(session)))
            except SessionStopped as stopped:
                if not self._goes_on(stopped):
                    raise

    async def _aask(self, message: Message) -> Any:
        """Async twin of ``_ask``."""
        while True:
            session = await self._asession()
            try:
                return await session.aask(*session.surely(*message(session)))
            except SessionStopped as stopped:
                if not self._goes_on(stopped):
                    raise

    def _reach(self, message: Message) -> tuple[Session, Any]:
        """Ask the session, wherever it is: one that leaves this worker just now is found again.

        Args:
            message: Returns what ``Session.ask`` is given.

        Returns the session that has answered, and its answer.
        """
        while True:
            session = self._session()
            try:
                return session, session.ask(*session.surely(*message(session)))
            except SessionStopped as stopped:
                if not self._goes_on(stopped):
                    raise

    async def _areach(self, message: Message) -> tuple[Session, Any]:
        """Async twin of ``_reach``."""
        while True:
            session = await self._asession()
            try:
                return session, await session.aask(*session.surely(*message(session)))
            except SessionStopped as stopped:
                if not self._goes_on(stopped):
                    raise

    def _post(self, post: Post) -> None:
        """Post something to the session, now or once this worker has seen it.

        Args:
            post: Is given the session, and a function for the work: what that returns is posted in its place, so that a
                session that has left when the work's turn comes is found again. It may be called more than once.
        """

        def posted(session: Session) -> None:
            try:
                post(session, lambda work: self._wherever(session, work, posted))
            except SessionStopped as stopped:  # its turn has come already
                if not self._goes_on(stopped):
                    raise
                self._manager.with_session(self.id, posted)

        self._manager.with_session(self.id, posted)

    def _wherever(self, session: Session, work: Work, posted: Callable[[Session], None]) -> Work:
        """Return work that is posted again if the session has left this worker's memory when its turn has come."""
        if session.shared or not session.stored:  # it comes back by itself, or it never leaves
            return work

        def found(*args: Any) -> Any:
            if session.ended is not None and self._goes_on(SessionStopped(self.id, session.ended)):
                return self._manager.with_session_later(self.id, posted)
            return work(*args)

        return found

    def _goes_on(self, stopped: SessionStopped) -> bool:
        """Return whether the session has only left this worker's memory, before it handled the message."""
        return stopped.session_id == self.id and is_found_again(stopped.reason)

    def _session(self) -> Session:
        """Return the session, which the engine may be asked for."""
        return self._manager.session(self.id)

    async def _asession(self) -> Session:
        """Async twin of ``_session``."""
        return await self._manager.asession(self.id)

    def _seen(self) -> Session:
        """Return the session, for what never waits."""
        return self._manager.seen_session(self.id)
