"""How a change of a shared session is committed.

Rules:
    1. A change is worked out from the cached state and committed by compare-and-set. On a conflict the newer state
       comes with the answer, and the change is worked out again; nobody owns the session.
    2. What changes nothing, or fails, may do so because the cached state is old. So it counts only once the engine has
       said that there is no newer one, or the session is watched over and ``fresh``.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from ..backends.base import Commit, Point
from ..core.action import Action
from ..core.errors import BackendError, Conflict, SessionNotFound, StateTooLarge
from ..core.history import Record as Applied
from ..runtime import telemetry
from ..runtime.flow import Request, Steps
from .contention import Contention
from .engine import new_commit_id
from .log import encode_entry
from .looking import Looking
from .notices import Changed, encode
from .plans import Over, Plan, WorkOut
from .shapes import Pieces, patched


class Committing(Looking):
    """A shared session, as far as it commits changes."""

    __slots__ = ("_contention", "_planned")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._planned: Plan | None = None
        self._contention: Contention | None = None

    def transact(self, work_out: WorkOut, life: int | None = None) -> Steps:
        """Commit what ``work_out`` says, worked out again until nobody was faster; returns the plan.

        Args:
            work_out: Returns the plan (or the flow that does) for the cached state; is given the names of those actions
                that were applied before, once that is known.
            life: The epoch to which the change belongs; None = to whichever there is.

        Raises:
            Over: That life is over.
            Exception: Whatever ``work_out`` raised, on the newest state.
            SessionNotFound: The session has ended.
            BackendUnavailable: The engine cannot be asked.
        """
        conflicts = 0
        repeated: tuple[bytes, ...] = ()
        try:
            while True:
                if life is not None and life != self.epoch:
                    raise Over
                plan: Any = None
                failure: Exception | None = None
                try:
                    plan = work_out(repeated)
                    if type(plan) is not Plan:
                        plan = yield from plan
                except BackendError:
                    raise
                except Exception as error:
                    failure = error
                if failure is not None or not plan.commits:
                    if (yield from self._is_newest(failure)):
                        return plan
                    continue
                if self._contention is not None and not self.gives_up:
                    yield from self._contention.enter()
                commit = self._commit_of(plan)
                try:
                    again = yield from self.commit(commit)
                except Conflict as conflict:
                    conflicts += 1
                    yield from self._give_way(conflict, conflicts)
                    continue
                except SessionNotFound:
                    self.gone_soon()
                    raise
                if not again:
                    self._commit_done(plan, commit)
                    return plan
                repeated += again
        finally:
            if self._contention is not None:
                yield from self._leave_contention(self._contention)

    def _is_newest(self, failure: Exception | None) -> Generator[Request, Any, bool]:
        """Return whether there is no newer state, so that it counts that nothing was changed.

        Raises:
            Exception: The failure, if there is one, since that counts too.
        """
        if (yield from self.refresh()):
            return False
        if failure is not None:
            raise failure
        return True

    def _give_way(self, conflict: Conflict, conflicts: int) -> Steps:
        """Take what somebody else has committed, and let others be first for a moment."""
        self._note_conflict(conflicts)
        yield from self.take_over(conflict.record)
        if self._contention is None:
            self._contention = Contention(self.engine, self.id)
        yield from self._contention.give_way(conflicts)

    def _leave_contention(self, contention: Contention) -> Steps:
        yield from contention.leave(bool(self.queue))
        if contention.over:
            self._contention = None

    def _note_conflict(self, tries: int) -> None:
        if telemetry.CONFLICT in telemetry.attached:
            telemetry.execute(telemetry.CONFLICT, {"count": 1}, self.metadata(tries=tries, version=self.version))

    def _commit_of(self, plan: Plan) -> Commit:
        at, id = self.point, new_commit_id()
        to = Point(at.epoch, at.version + plan.versions)
        state = self.shapes.state(patched(self.pieces, plan.pieces))
        notice = b""
        if plan.versions:
            schema = self.shapes.process.schema_version
            notice = encode(Changed(at.epoch, at.version, self.last, to.version, id, schema, plan.pieces))
        return Commit(
            at=at,
            after=self.last,
            to=to,
            state=state,
            notice=notice,
            id=id,
            actions=plan.actions,
            log=tuple(plan.log),
            log_limit=self.spec.history_limit,
            ttl=self.engine_ttl,
        )

    def _commit_done(self, plan: Plan, commit: Commit) -> None:
        self.engine_touched = self.supervisor.now()
        if plan.versions:
            self._take(plan.changed, patched(self.pieces, plan.pieces), commit.to.version, commit.id)

    def check_size(self, pieces: Pieces) -> None:
        """Check how large a state is.

        Raises:
            StateTooLarge: It is too large.
        """
        most = self.engine.max_state_bytes
        headers = 10  # at most, of a name and its piece; a letter has up to four bytes
        if 64 + sum([headers + 4 * len(name) + len(piece) for name, piece in pieces.items()]) <= most:
            return  # as nearly always, so the exact size need not be known
        if (size := self.shapes.size(pieces)) > most:
            raise StateTooLarge(self.id, size, most)

    def plan(self, action: Action | None, origin: str, changed: Mapping[str, Any], *, shows: int | None = None) -> Plan:
        """Return the plan to commit what changed, as ``Store.change`` would do it.

        Raises:
            NotSerializable: Something in it cannot be kept.
            StateTooLarge: It is too large.
        """
        if not changed and shows is None:
            return Plan()
        pieces: dict[str, bytes | None] = {**dict.fromkeys(changed), **self.shapes.pieces(changed)}
        self.check_size(patched(self.pieces, pieces))
        start, version = self.version, self.version + 1
        log = []
        if self.spec.history_limit:
            before = {name: self.pieces.get(name) for name in changed}
            now = self.supervisor.clock.time()
            applied = Applied(action, origin, now, start, version, {}, version if shows is None else shows)
            log = [encode_entry(applied, before, self.shapes.process.schema_version)]
        return Plan(dict(changed), pieces, 1, log)

    def change(
        self, action: Action | None, origin: str, changed: Mapping[str, Any], *, shows: int | None = None
    ) -> None:
        """Plan a change; see ``with_history``, within which alone it is called."""
        self._planned = self.plan(action, origin, changed, shows=shows)
