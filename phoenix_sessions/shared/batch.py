"""Actions that are committed together: those that wait in one worker for the same session cost one round trip.

Rules:
    1. Each action is reduced on what the ones before it made of the state, and has a version of its own.
    2. One that fails changes nothing and fails alone; the others are committed.
    3. An action with an ``id`` in its meta is applied once, however often it comes; after that it changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..core.action import Action
from ..core.errors import BackendUnavailable, SessionError
from ..core.history import Record as Applied
from ..core.mounts import Route
from ..core.once import name_of
from ..runtime import telemetry
from ..runtime.draft import Draft
from ..runtime.message import Answer, answer
from .log import encode_entry
from .paces import PIECE
from .plans import Plan
from .shapes import Pieces, patched

if TYPE_CHECKING:
    from .acting import Acting

MOST: Final = 256
"""How many actions are committed together at most (count)."""


class Dispatched:
    """An action on its way.

    Attributes:
        action: The action.
        route: Where it goes.
        origin: See ``HistoryEntry``.
        future: Who waits for it in the mailbox; None = its own caller does, or nobody.
        unasked: Whether nobody gets its failure.
        id: Its name, if it must be applied once.
        epoch: The life in which its turn has come.
        draft: What it does, once that is known.
        version: The version after it.
        error: What it failed with.
    """

    __slots__ = ("action", "draft", "epoch", "error", "future", "id", "origin", "route", "unasked", "version")

    def __init__(
        self, action: Action, route: Route, origin: str, future: Answer | None = None, *, unasked: bool
    ) -> None:
        self.action = action
        self.route = route
        self.origin = origin
        self.future = future
        self.unasked = unasked
        self.id = name_of(action, origin)
        self.epoch = 0
        self.draft: Draft | None = None
        self.version = 0
        self.error: SessionError | None = None

    def fail(self, error: SessionError) -> None:
        """Note that it changes nothing."""
        self.error, self.draft = error, None


def reduce_all(session: Acting, batch: Sequence[Dispatched], repeated: tuple[bytes, ...]) -> Plan:
    """Return the plan to commit the actions, worked out from the cached state."""
    state, version, pieces = session.state, session.version, session.pieces
    plan = Plan()
    names = set(repeated)
    paced = session.spec.mounts.paced
    if paced:
        session.pacing.read()
    for each in batch:
        each.error = each.draft = None
        each.version = version
        if each.id is not None and each.id in names:
            continue
        if each.origin == "debounce" and each.epoch != session.epoch:  # it ended with its life
            continue
        draft = Draft(session, each.action, each.route, state)
        try:
            draft.run(session.spec.middleware if each.origin != "debounce" else ())
            changed = session.shapes.pieces(draft.changed)
            if paced and (times := session.pacing.note(draft)) is not None:
                changed[PIECE] = times
            after = patched(pieces, changed) if changed else pieces
            session.check_size(after)
            log, later = _entries(session, each, draft, version, pieces)
        except SessionError as error:
            each.fail(error)
            continue
        state, pieces, version = draft.state, after, later
        each.draft, each.version = draft, version
        plan.changed |= draft.changed
        plan.pieces |= changed
        plan.log += log
        if each.id is not None:
            names.add(each.id)
            plan.actions += (each.id,)
    plan.versions = version - session.version
    if plan.pieces and not plan.versions:  # paces that nothing else changed are a version too
        plan.versions = 1
        for each in batch:
            each.version += 1
    return plan


def _entries(session: Acting, each: Dispatched, draft: Draft, start: int, pieces: Pieces) -> tuple[list[bytes], int]:
    """Return what the log gets of an action, and the version after it."""
    version = start + bool(draft.changed)
    if not session.spec.history_limit:
        return [], version
    now, schema = session.supervisor.clock.time(), session.shapes.process.schema_version
    log = []
    for action, before in draft.applied:
        applied = Applied(action, each.origin, now, start, version, {}, version)
        log.append(encode_entry(applied, {name: pieces.get(name) for name in before}, schema))
        start = version
    return log, version


def settle(session: Acting, batch: Sequence[Dispatched]) -> None:
    """Do what follows a commit: paces, those who are told of unknown actions, telemetry, answers."""
    for each in batch:
        if (draft := each.draft) is not None:
            session.handled += len(draft.applied)
            try:
                draft.settle_paces()
            except RuntimeError as error:  # no thread to be had for a timer: those who wait get their answers
                session.report(error, "timer")
            for unmatched in draft.unmatched:
                session.tell_unmatched(*unmatched)
        if telemetry.DISPATCH in telemetry.attached:
            duration = session.supervisor.now() - session.touched
            facts = session.metadata(
                action=each.action.type, origin=each.origin, version=each.version, error=each.error
            )
            telemetry.execute(telemetry.DISPATCH, {"duration": duration}, facts)
        if each.unasked and each.error is not None:
            session.report(each.error, "action", action=each.action.type)
        answer(each.future, each.version, error=each.error)


def fail_all(session: Acting, batch: Sequence[Dispatched], error: BaseException) -> None:
    """Tell everybody but the caller that nothing was committed, or that nobody knows."""
    if not isinstance(error, Exception):  # an interrupt, which is for the caller alone
        error = BackendUnavailable("whoever committed for several was interrupted", maybe=True)
    for each in batch:
        if each.future is not None:
            answer(each.future, error=error)
        elif each.unasked and isinstance(error, Exception):
            session.report(error, "action", action=each.action.type)
