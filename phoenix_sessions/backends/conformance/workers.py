"""What workers do to a session."""

from __future__ import annotations

from collections.abc import Callable

from ...core.errors import Conflict
from ..base import Commit, Record
from .examples import ID, onward
from .verbs import Verbs


def led(record: Record, commit: Commit) -> Record:
    """Return what a session is after a commit."""
    if commit.to == commit.at:
        return record
    return Record(commit.to, record.birth, commit.state, commit.id)


def insist(verbs: Verbs, record: Record, change: Callable[[Record], Commit]) -> Record:
    """Change ``ID`` as a worker does: from what it knows, and after a conflict from what it is told; return it."""
    while True:
        commit = change(record)
        try:
            verbs.commit(ID, commit)
        except Conflict as conflict:
            record = conflict.record
        else:
            return led(record, commit)


def increment(verbs: Verbs, times: int) -> None:
    """Change ``ID`` some times; notice and log entry are the version."""

    def counted(record: Record) -> Commit:
        version = b"%d" % (record.at.version + 1)
        return onward(record, notice=version, log=(version,))

    record = verbs.load(ID)
    for _ in range(times):
        record = insist(verbs, record, counted)
