"""The stored sessions of a worker: how they are started, ended and counted.

Rules:
    1. A session is started once, wherever: the engine decides who was first. ``init_state`` may have run elsewhere,
       too, for nothing.
    2. RATE_LIMIT counts what this worker starts. A worker that stops starts nothing.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator
from typing import Any

from ..core.errors import Conflict, InvalidSnapshot, SessionAlreadyStarted, SessionNotFound
from ..process import SessionProcess
from ..runtime import telemetry
from ..runtime.flow import Request
from ..runtime.session import Session
from ..snapshot import restore
from .birth import decode_birth, encode_birth
from .holding import Found, Holding
from .notices import Ended, encode
from .owned import Owned
from .ownership import await_end
from .processes import known_process
from .replica import Replica


class Replicas(Holding):
    """The stored sessions of one worker."""

    def start(
        self, id: str, process: type[SessionProcess], args: Any, ttl: float | None, snapshot: bytes | None
    ) -> Found:
        """Start a session and return it.

        Raises:
            SessionAlreadyStarted: It exists.
            RateLimitExceeded, SessionLimitReached, ShuttingDown: This worker may not start it.
            InvalidSnapshot, NotSerializable, StateTooLarge: It cannot be kept, or begun with.
            BackendUnavailable: The engine cannot be asked.
            Exception: Whatever ``init_state`` raised.
        """
        try:
            yield from self.find_newest(id)
        except SessionNotFound:
            yield from await_end(self.engine, id)
        else:
            raise SessionAlreadyStarted(id)
        try:
            begun = self._beginning(id, process, args, ttl, snapshot)
            self._find_room()
            owns = self._spec(process).durability == "write_behind"
            session: Session = yield from (self._start_owned if owns else self._start_replica)(id, begun)
        except SessionAlreadyStarted:
            raise  # nothing failed: somebody else was first
        except Conflict:
            raise SessionAlreadyStarted(id) from None
        except Exception as error:
            facts = {"session_id": id, "process": process, "error": error}
            telemetry.execute(telemetry.SESSION_START_ERROR, {"count": 1}, facts)
            raise
        if telemetry.SESSION_START in telemetry.attached:
            telemetry.execute(telemetry.SESSION_START, {"count": 1}, session.metadata())
        return session

    def _beginning(
        self, id: str, process: type[SessionProcess], args: Any, ttl: float | None, snapshot: bytes | None
    ) -> tuple[Any, ...]:
        """Return what a session is made with."""
        spec, supervisor = self._spec(process), self._supervisor()
        restored = None if snapshot is None else restore(process, spec.mounts, snapshot)
        birth = encode_birth(process, args, ttl, snapshot, supervisor.clock.time())
        return id, spec, args, ttl, supervisor, restored, self.engine, self._shapes(process, spec), birth

    def _start_replica(self, id: str, begun: tuple[Any, ...]) -> Found:
        session = Replica(*begun)
        session.take()  # what ``init_state`` has it hear of must not look for it before it is there
        supervisor = session.supervisor
        try:
            supervisor.count_start(session, supervisor.registry.count_start)
            yield from self.engine.ask("create", id, session.first_record(), session.engine_ttl)
        except BaseException:
            session.never_began()
            raise
        session.release()
        return self._keep(session)

    def _start_owned(self, id: str, begun: tuple[Any, ...]) -> Found:
        """Start a session that this worker owns.

        Nobody finds it before the engine has it: while this worker waited for the lease others may have started it.
        """
        ownership = yield from self._own(id)
        if ownership is None:  # somebody else here was faster
            raise SessionAlreadyStarted(id)
        session = Owned(*begun, ownership=ownership)
        supervisor = session.supervisor
        try:
            supervisor.count_start(session, supervisor.registry.count_start)
            session.begin()
            yield from session.begin_writing()
            session.release()
            self._keep_owned(session)
        except BaseException as error:
            if not session.never_began(isinstance(error, Conflict)):
                yield from self._disown(ownership, error)
            raise
        return session

    def get_or_start(
        self, id: str, process: type[SessionProcess], args: Any, ttl: float | None, snapshot: bytes | None
    ) -> Found:
        """Return the session under the id, or start it; raises as both."""
        while True:
            try:
                return (yield from self.find_newest(id))
            except SessionNotFound:
                try:
                    return (yield from self.start(id, process, args, ttl, snapshot))
                except SessionAlreadyStarted:
                    continue

    def delete(self, id: str, reason: str) -> Generator[Request, Any, None]:
        """End a session that nobody here can read.

        Raises:
            SessionNotFound: There is none.
        """
        record = yield from self.engine.ask("load", id)
        notice = encode(Ended("terminated", reason, record.at.epoch))  # by which its owner knows that it is meant
        yield from self.engine.ask("delete", id, None, notice)

    # -- all of them -------------------------------------------------------------------------------------------------

    def ids_of(self, process: type[SessionProcess]) -> Generator[Request, Any, list[str]]:
        """Return the ids of all sessions of this process class or a subclass, each once."""
        births = yield from self._births()
        if process is SessionProcess:
            return list(births)
        kinds = {birth: issubclass(kind, process) for birth in set(births.values()) if (kind := known_process(birth))}
        return [id for id, birth in births.items() if kinds.get(birth)]

    def count_by_process(self) -> Generator[Request, Any, Counter[str]]:
        """Return how many sessions there are, by the dotted path of their process class."""
        births = yield from self._births()
        return Counter(births.values())

    def _births(self) -> Generator[Request, Any, dict[str, str]]:
        """Return the name of the process class of each session, by id."""
        births: dict[str, str] = {}
        cursor: str | None = None
        while True:
            page = yield from self.engine.ask("scan", cursor)
            for id, birth in page.sessions:
                if id in self.engine.ending:
                    continue
                with contextlib.suppress(InvalidSnapshot):
                    births[id] = decode_birth(birth).process
            if (cursor := page.cursor) is None:
                return births
