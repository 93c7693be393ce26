"""A shared session that goes on under another id, for instance at login.

Rules:
    1. The engine has the session under the new id before it is deleted under the old one; what others commit to the old
       one meanwhile goes along, and so do the history and the names of the actions that were applied.
    2. It is never lost: while nobody knows whether it was deleted under the old id, it stays under the new one.
    3. What a try that failed has left under the new id, the next one goes on with; else it expires.
    4. Two workers may move it to the same id at the same time: both have put a mark on what is there. What has
       another's mark may be all that is left of the session, also for who finds that it has gone under the old id.
    5. Other workers learn of it by a notice: what they have of the session goes on there, too, under the new id.
"""

from __future__ import annotations

import contextlib

import msgspec

from ..backends.base import Commit, Point, Record
from ..core.errors import BackendUnavailable, Conflict, SessionAlreadyStarted, SessionError, SessionNotFound
from ..runtime.flow import Flow, Steps
from .engine import new_commit_id
from .leaving import Leaving
from .log import version_of
from .notices import Moved, encode


class Copy(msgspec.Struct):
    """What the engine has of a session under its new id.

    Attributes:
        id: That id.
        at: What it is a copy of.
        last: The commit that led there, under that id.
        logged: The version of the newest entry of its log, or -1.
        actions: The names of applied actions that it knows.
        mark: The name of this move, which it knows as if it was an action's.
        alone: Whether it may be all that is left of the session.
    """

    id: str
    at: Point
    last: bytes = b""
    logged: int = -1
    actions: set[bytes] = set()
    mark: bytes = msgspec.field(default_factory=new_commit_id)
    alone: bool = False


class Moving(Leaving):
    """A shared session, as far as it can move."""

    __slots__ = ()

    def move(self, new_id: str) -> Flow:  # type: ignore[override]
        """Go on under another id.

        Raises:
            SessionAlreadyStarted: There is another session under that id.
            SessionNotFound: It has ended meanwhile.
            BackendUnavailable: The engine cannot be asked. If ``.maybe``, the session may have moved; else it has not.
        """
        return Flow(self._move(new_id))

    def _move(self, new_id: str) -> Steps:
        self.enter()
        if new_id == self.id:
            raise SessionAlreadyStarted(new_id)
        yield from self.look()
        copy = Copy(new_id, self.point)
        try:
            yield from self._begin_copy(copy)
            yield from self._bring_along(copy)
            while not (yield from self._leave_old_id(copy)):
                yield from self._bring_along(copy)
        except SessionAlreadyStarted:
            raise
        except BackendUnavailable as error:
            if error.maybe and not copy.alone:
                raise BackendUnavailable(f"session {self.id!r} has not moved: {error}") from error
            raise
        except SessionError:
            with contextlib.suppress(SessionError):
                yield from self._forget(copy)
            raise
        self.last = copy.last
        self._go_on_as(new_id)

    def _begin_copy(self, copy: Copy) -> Steps:
        """Have the engine have the session under the new id, too."""
        try:
            yield from self.ask_engine("create", copy.id, self._record(), self.engine_ttl)
        except Conflict as conflict:
            there: Record = conflict.record
            at = Point(*there.at)
            if (at.epoch, there.birth, there.last) != (self.epoch, self.birth, b"") or at.version > self.version:
                raise SessionAlreadyStarted(copy.id) from None
            copy.at = at
            if self.spec.history_limit and (log := (yield from self.ask_engine("log", copy.id))):
                copy.logged = version_of(log[-1])

    def _bring_along(self, copy: Copy) -> Steps:
        """Commit under the new id what the session has more: a state, history, and names of actions."""
        log: list[bytes] = []
        logged = copy.logged if copy.at.epoch == self.epoch else -1
        if self.spec.history_limit:
            entries = yield from self.ask_engine("log", self.id)
            log = [entry for entry in entries if version_of(entry) > logged]
        names = yield from self.ask_engine("actions", self.id)
        actions = [name for name in (copy.mark, *names) if name not in copy.actions]
        while log or actions or copy.at != self.point:
            commit = Commit(
                at=copy.at,
                after=copy.last,
                to=self.point,
                state=self.shapes.state(self.pieces),
                notice=b"",
                id=new_commit_id(),  # of its own: another's move must not be taken for this one
                actions=tuple(actions),
                log=tuple(log),
                log_limit=self.spec.history_limit,
                ttl=self.engine_ttl,
            )
            try:
                repeated = yield from self.commit(commit, copy.id)
            except Conflict:
                raise SessionAlreadyStarted(copy.id) from None
            except SessionNotFound:
                raise BackendUnavailable(f"it has lost what it had under {copy.id!r}") from None
            copy.actions.update(repeated or actions)
            if not repeated:
                copy.last = commit.id if copy.at != self.point else copy.last
                copy.at, copy.logged = self.point, version_of(log[-1]) if log else logged
                return
            actions = [name for name in actions if name not in copy.actions]

    def _leave_old_id(self, copy: Copy) -> Steps:
        """Delete the session under its old id; returns False if it was changed there meanwhile."""
        notice = Moved(copy.id, self.epoch, self.version, self.last, copy.last)
        try:
            yield from self.ask_engine("delete", self.id, self.point, encode(notice), self.last)
        except Conflict as conflict:
            yield from self.take_over(conflict.record)
            return False
        except SessionNotFound:
            self.gone_soon()
            raise
        except BackendUnavailable as error:
            copy.alone = error.maybe
            raise
        return True

    def _forget(self, copy: Copy) -> Steps:
        """Delete what is under the new id, unless somebody else has moved the session there, or uses it."""
        names = set((yield from self.ask_engine("actions", copy.id)))
        if copy.mark in names and names <= copy.actions:
            yield from self.ask_engine("delete", copy.id, copy.at, b"", copy.last)

    def go(self, to: str) -> None:
        """Take it that the session goes on under another id, which another worker has seen to."""
        if self.may_leave():
            self._leave_memory()
        else:
            self._go_on_as(to)
            self.post_always(True, self.look_again)

    def _go_on_as(self, new_id: str) -> None:
        registry, hub = self.supervisor.registry, self.engine.hub
        watched = self in hub
        hub.remove(self)
        try:
            if registry.get(self.id) is self:
                registry.rename(self, new_id)
        except SessionAlreadyStarted:  # somebody here has loaded it under that id already: then it is here twice
            registry.remove(self)
        self.id = new_id
        if watched:  # also for what it has going here
            self.watch()
        if self.subscriptions is not None:
            for subscriber in tuple(self.subscriptions.subscribers):
                if subscriber.active:
                    self._guarded("receiver", subscriber.receiver.moved, new_id)

    def _record(self) -> Record:
        return Record(self.point, self.birth, self.shapes.state(self.pieces))
