"""The stored sessions in a worker's memory: how they are found, loaded, and kept within bounds.

Rules:
    1. A session that is not in memory is loaded when it is asked for; which process class it has, the engine knows.
    2. MAX_SESSIONS bounds what is in this worker's memory. Sessions that nobody here uses make room.
    3. A worker that stops takes over no session that it would have to write down.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any

from ..backends.base import Record
from ..core.errors import (
    Conflict,
    SessionAlreadyStarted,
    SessionLimitReached,
    SessionNotFound,
    SessionStopped,
    ShuttingDown,
)
from ..process import SessionProcess
from ..runtime.flow import Request
from ..runtime.session import Session
from ..runtime.spec import ProcessSpec
from ..runtime.supervisor import Supervisor
from ..snapshot import restore
from .birth import decode_args, decode_birth
from .engine import Engine
from .flusher import Flusher
from .owned import Owned
from .ownership import Ownership, disown, disown_later, own
from .processes import find_process, note_process
from .replica import Replica
from .shapes import Shapes
from .written import NOTHING

Found = Generator[Request, Any, Session]


class Holding:
    """The stored sessions of one worker, as far as they are in its memory.

    Args:
        engine: Where their truth is.
        flusher: Writes down what is written behind.
        supervisor: Returns the supervisor of this OS process.
        spec: Returns a process class as the runtime needs it.
    """

    def __init__(
        self,
        engine: Engine,
        flusher: Flusher,
        supervisor: Callable[[], Supervisor],
        spec: Callable[[type[SessionProcess]], ProcessSpec],
    ) -> None:
        self.engine = engine
        self.flusher = flusher
        self._supervisor = supervisor
        self._spec = spec

    def find(self, id: str) -> Found:
        """Return the session under the id, loaded if need be.

        Raises:
            SessionNotFound: There is none.
            InvalidSnapshot: What the engine has cannot be a session here.
            SessionLimitReached: Too many are in use in this worker's memory.
            ShuttingDown: This worker stops, and would have to own it.
            BackendUnavailable: The engine cannot be asked.
        """
        session = self._here(id)
        if session is None:
            return (yield from self._hold(id, (yield from self._load(id))))
        if isinstance(session, Owned) and not (yield from self._is_owner(session)):
            return (yield from self.find(id))
        return session

    def see(self, id: str) -> Generator[Request, Any, None]:
        """Look whether there is a session under the id; one that another worker owns stays where it is.

        Raises:
            SessionNotFound: There is none.
            InvalidSnapshot, SessionLimitReached, BackendUnavailable: As ``find``.
        """
        session = self._here(id)
        if isinstance(session, Owned):
            if (yield from self._is_owner(session)):
                return
        elif session is not None:
            yield from self.find_newest(id)
            return
        record = yield from self._load(id)
        if self._spec(find_process(decode_birth(record.birth).process)).durability != "write_behind":
            yield from self._hold(id, record)

    def find_newest(self, id: str) -> Found:
        """Return the session under the id, after a look whether it exists still; raises as ``find``."""
        session = self._here(id)
        if not isinstance(session, Replica):
            return (yield from self.find(id))
        if not session.fresh:
            try:
                yield Request(session.ask, session.aask, (True, None, session.checked))
            except SessionStopped:
                raise SessionNotFound(id) from None
        return session

    def _is_owner(self, session: Owned) -> Generator[Request, Any, bool]:
        """Return whether a session is this worker's still, which the engine is asked if that is in doubt."""
        if session.in_doubt:
            yield from self.flusher.resolve(session)
        return session.ended is None

    def _here(self, id: str) -> Session | None:
        """Return the session under the id that lives here, if one does."""
        session = self._supervisor().registry.get(id)
        return session if session is not None and session.alive else None

    def _load(self, id: str, fence: int | None = None) -> Generator[Request, Any, Record]:
        """Return what the engine has, if that is a session."""
        if id in self.engine.ending:
            raise SessionNotFound(id)
        while True:
            record: Record = yield from self.engine.ask("load", id, None, fence)
            if record.state != NOTHING:
                return record
            with contextlib.suppress(Conflict):  # it is somebody's again
                yield from self.engine.ask("delete", id, record.at, b"", record.last)
                raise SessionNotFound(id)

    # -- memory ------------------------------------------------------------------------------------------------------

    def _hold(self, id: str, record: Record) -> Found:
        birth = decode_birth(record.birth)
        process = find_process(birth.process)
        spec = self._spec(process)
        restored = None if birth.restored is None else restore(process, spec.mounts, birth.restored)
        begun = id, spec, decode_args(birth), birth.ttl, self._supervisor(), restored
        written = self.engine, self._shapes(process, spec), record.birth
        if spec.durability == "write_behind":
            self._find_room()
            return (yield from self._hold_owned(id, (*begun, *written)))
        session = Replica(*begun, *written)
        session.hold(record)
        self._find_room()
        return self._keep(session)

    def _keep(self, session: Replica) -> Session:
        """Put a session into memory and return it, or the one that is there already."""
        registry = self._supervisor().registry
        while (there := registry.get(session.id)) is None or not there.alive:
            if (there := registry.keep(session)) is session:
                session.file()
                break
        return there

    def _hold_owned(self, id: str, begun: tuple[Any, ...]) -> Found:
        """Return a session that this worker owns from now on; raises as ``find``."""
        ownership = yield from self._own(id)
        if ownership is None:  # somebody else here was faster
            return (yield from self.find(id))
        try:
            record = yield from self._load(id, ownership.fence)
            if record.birth == begun[-1]:
                session = Owned(*begun, ownership=ownership)
                session.hold(record)
                self._keep_owned(session)
                return session
        except SessionAlreadyStarted:
            pass  # in this worker's memory only
        except BaseException as error:
            yield from self._disown(ownership, error)
            raise
        yield from disown(self.engine, ownership)
        return (yield from self.find(id))  # another session has begun since under the same id

    def _own(self, id: str) -> Generator[Request, Any, Ownership | None]:
        """Take the lease of a session; None = somebody here has it by now.

        Raises:
            ShuttingDown: This worker stops.
            BackendUnavailable: Another worker keeps it, or the engine cannot be asked.
        """
        supervisor = self._supervisor()
        if supervisor.registry.closed:
            raise ShuttingDown
        self.flusher.start()
        return (yield from own(self.engine, supervisor.background, id, lambda: self._here(id) is not None))

    def _disown(self, ownership: Ownership, error: BaseException) -> Generator[Request, Any, None]:
        """Give a lease back after an error; who was interrupted waits for nothing any more."""
        if isinstance(error, Exception):
            yield from disown(self.engine, ownership)
        else:
            disown_later(self.engine, self._supervisor().background, ownership)

    def _keep_owned(self, session: Owned) -> None:
        """Put a session into memory, and have it kept.

        Raises:
            ShuttingDown: This worker has begun to stop.
            SessionAlreadyStarted: One is there.
        """
        self.engine.hub.add(session)
        try:
            session.supervisor.registry.take_over(session)
        except BaseException:
            self.engine.hub.remove(session)
            raise
        session.supervisor.expiry.file(session)

    def _find_room(self) -> None:
        """Make room if the memory is full.

        Raises:
            SessionLimitReached: There is none.
        """
        registry = self._supervisor().registry
        if len(registry) >= registry.max_sessions and not self.make_room():
            raise SessionLimitReached(registry.max_sessions)

    def make_room(self) -> bool:
        """Have a session leave memory that nobody here uses; returns whether one does, or soon can."""
        sessions = self._supervisor().registry.all()
        idle = [each for each in sessions if isinstance(each, Replica) and each.may_leave()]
        owned = (each for each in sessions if isinstance(each, Owned))
        if any(each.leave_for_another() for each in idle) or any(each.leave_for_another() for each in owned):
            return True
        return bool(idle)  # who is busy now can leave soon

    def _shapes(self, process: type[SessionProcess], spec: ProcessSpec) -> Shapes:
        note_process(process)
        return Shapes(process, spec.mounts)
