"""How a commit is done: in one statement where the engine can, and step by step where it cannot, or must not.

Rules:
    1. The two ways lead to the same: what the one statement declines to do, the steps find out why.
    2. The steps hold the session's row from the first to the last.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ...core.errors import BackendError, Conflict, Fenced, SessionNotFound
from ..base import ACTION_ID_BYTES, COMMIT_ID_BYTES, Commit, Point, Record
from . import statements
from .notices import pack
from .work import Work

COMMITS: Final = 16
ACTIONS: Final = 256
_COMMIT_AT_ONCE: Final = statements.COMMIT_AT_ONCE.replace("{log}", "")
_COMMIT_AND_LOG_AT_ONCE: Final = statements.COMMIT_AT_ONCE.replace("{log}", statements.LOG_AT_ONCE)


class Locked(NamedTuple):
    """What decides about a change of a session, while nobody else can change it.

    Attributes:
        at: Its epoch and version.
        idle: How long it was not used (seconds).
        fence: The highest fencing number that came.
        commits: The names of the last commits, packed.
        actions: The names of the last actions, packed.
        logged: How many entries its log ever got (count).
        trimmed: How many of those are no part of the log any more (count).
    """

    at: Point
    idle: float
    fence: int | None
    commits: bytes
    actions: bytes
    logged: int
    trimmed: int

    @property
    def last(self) -> bytes:
        """Return the name of the commit that led to ``at``, if one did."""
        return self.commits[-COMMIT_ID_BYTES:]


def lock(work: Work, id: str) -> Locked:
    """Hold a session until the transaction ends, and return what decides.

    Raises:
        SessionNotFound: There is none.
    """
    rows = work.rows(statements.LOCK, id=id)
    if not rows:
        raise SessionNotFound(id)
    epoch, version, idle, fence, commits, actions, *counts = rows[0]
    return Locked(Point(epoch, version), idle, fence, bytes(commits), bytes(actions), *counts)


def record(work: Work, id: str) -> Record:
    """Return a session.

    Raises:
        SessionNotFound: There is none.
    """
    rows = work.rows(statements.LOAD, id=id)
    if not rows:
        raise SessionNotFound(id)
    return as_record(id, *rows[0][:5])


def as_record(id: str, epoch: Any, version: Any, birth: Any, state: Any, last: Any) -> Record:
    """Return a row as a session.

    Raises:
        BackendError: It is none.
    """
    numbers = type(epoch) is int and type(version) is int
    if not numbers or not all(isinstance(each, bytes | memoryview) for each in (birth, state, last)):
        raise BackendError(f"the database's row of session {id!r} makes no sense; delete it")
    return Record(at=Point(epoch, version), birth=bytes(birth), state=bytes(state), last=bytes(last))


def fits_at_once(commit: Commit) -> bool:
    """Return whether one statement may do: what it checks is what it remembers."""
    return len(commit.actions) <= ACTIONS


def commit_at_once(work: Work, id: str, commit: Commit) -> bool:
    """Commit in one statement, if nothing is unusual, and return whether it was done."""
    log = _kept(commit)
    moves = commit.to != commit.at
    keep = _keep(commit)
    rows, _ = work.answer(
        _COMMIT_AT_ONCE if keep is None else _COMMIT_AND_LOG_AT_ONCE,
        **_common(id, commit),
        fence=commit.fence,
        commit=commit.id,
        remember=commit.id if moves else b"",
        actions=_packed(commit.actions),
        entries=len(log),
        keep=keep,
        payload=pack(id, commit.notice) if commit.notice else "",
        **({} if keep is None else {"log": log}),
    )
    return bool(rows)


def conflict_of(work: Work, id: str, commit: Commit) -> Conflict | None:
    """Return what a commit that was declined has run into, if that can be said without holding anybody up.

    Raises:
        SessionNotFound: There is none.
    """
    rows = work.rows(statements.EXPLAIN, id=id)
    if not rows:
        raise SessionNotFound(id)
    *row, fence, commits = rows[0]
    known = commit.id in _names(bytes(commits), COMMIT_ID_BYTES)
    now = as_record(id, *row)
    if known or (now.at, now.last) == (commit.at, commit.after) or commit.fence not in (None, fence):
        return None
    return Conflict(id, now)


def commit_in_steps(work: Work, id: str, commit: Commit) -> tuple[bytes, ...] | Conflict:
    """Commit, or find out why not; in a transaction.

    Returns the repeated actions, or a Conflict to be raised after the transaction, since a new owner's fencing number
    counts from now on all the same.

    Raises:
        SessionNotFound: There is none.
        Fenced: There is an owner with a higher fencing number.
    """
    held = lock(work, id)
    if commit.id in _names(held.commits, COMMIT_ID_BYTES):
        return ()
    if commit.fence is not None:
        if held.fence is not None and commit.fence < held.fence:
            raise Fenced(id, commit.fence)
        work.write(statements.TAKE_OVER, id=id, fence=commit.fence)
    if (held.at, held.last) != (commit.at, commit.after):
        return Conflict(id, record(work, id))
    known = frozenset(_names(held.actions, ACTION_ID_BYTES))
    if repeated := tuple(action for action in dict.fromkeys(commit.actions) if action in known):
        return repeated
    _apply(work, id, commit, held)
    return ()


def _apply(work: Work, id: str, commit: Commit, held: Locked) -> None:
    log = _kept(commit)
    commits = held.commits + (commit.id if commit.to != commit.at else b"")
    actions = held.actions + _packed(commit.actions)
    logged = held.logged + len(log)
    keep = _keep(commit)
    trimmed = held.trimmed if keep is None else max(held.trimmed, logged - keep)
    changed = work.write(
        statements.CHANGE,
        **_common(id, commit),
        commits=commits[-COMMITS * COMMIT_ID_BYTES :],
        actions=actions[-ACTIONS * ACTION_ID_BYTES :],
        logged=logged,
        trimmed=trimmed,
    )
    if changed != 1:
        raise BackendError(f"the database let somebody else change session {id!r}, which was locked")
    if trimmed > held.trimmed:
        work.write(statements.TRIM_LOG, id=id, trimmed=trimmed)
    for seq, entry in enumerate(log, held.logged + 1):
        work.write(statements.ADD_TO_LOG, id=id, seq=seq, entry=entry)
    tell(work, id, commit.notice)


def tell(work: Work, id: str, notice: bytes) -> None:
    """Send a notice, if there is one, and if the engine carries any."""
    if notice and work.engine.notifies:
        work.answer(statements.NOTIFY, payload=pack(id, notice))


def _common(id: str, commit: Commit) -> dict[str, Any]:
    return {
        "id": id,
        "epoch": commit.at.epoch,
        "version": commit.at.version,
        "after": commit.after,
        "to_epoch": commit.to.epoch,
        "to_version": commit.to.version,
        "state": commit.state if commit.to != commit.at else None,  # what is the same need not be written
        "ttl": commit.ttl,
    }


def _kept(commit: Commit) -> list[bytes]:
    """Return those of the new entries that the log keeps."""
    return list(commit.log[-commit.log_limit :]) if commit.log_limit else []


def _keep(commit: Commit) -> int | None:
    """Return how many entries the log has at most, afterwards: in a new life its own, None = as many as before."""
    if commit.to.epoch != commit.at.epoch:
        return len(_kept(commit))
    return commit.log_limit if commit.log else None


def _packed(names: tuple[bytes, ...]) -> bytes:
    return b"".join(dict.fromkeys(names))


def actions(work: Work, id: str) -> list[bytes]:
    """Return the names of actions that a session remembers, oldest first; none if there is no session."""
    rows = work.rows(statements.ACTIONS, id=id)
    return _names(bytes(rows[0][0]), ACTION_ID_BYTES) if rows else []


def _names(packed: bytes, size: int) -> list[bytes]:
    return [packed[start : start + size] for start in range(0, len(packed), size)]
