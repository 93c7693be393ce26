"""What the tests are about: a session, and commits that change it."""

from __future__ import annotations

import os
from typing import Any, Final

from ..base import ACTION_ID_BYTES, COMMIT_ID_BYTES, Commit, Point, Record

ID: Final = "visitor"
EPOCH: Final = 7
START: Final = Point(EPOCH, 0)
NEW_LIFE: Final = Point(EPOCH + 1, 0)
RECORD: Final = Record(at=START, birth=b"birth", state=b"state 0")
BINARY: Final = bytes(range(256)) + b"\xff\xfe\x00"


def name(version: int) -> bytes:
    """Return the name of the commit that leads to a version, unless told otherwise."""
    return b"to %05d" % version if version else b""


def step(version: int, **changes: Any) -> Commit:
    """Return the commit that leads from the version before to this one, unless told otherwise."""
    facts: dict[str, Any] = {
        "at": Point(EPOCH, version - 1),
        "after": name(version - 1),
        "to": Point(EPOCH, version),
        "state": b"state %d" % version,
        "notice": b"",
        "id": name(version),
        "log_limit": 100,
    }
    return Commit(**{**facts, **changes})


def entries(*log: bytes, version: int = 0, **changes: Any) -> Commit:
    """Return a commit that leaves a session at its version, and only adds to its log."""
    at = Point(EPOCH, version)
    facts = {"at": at, "after": name(version), "to": at, "log": log, "id": os.urandom(COMMIT_ID_BYTES)}
    return step(version, **{**facts, **changes})


def onward(record: Record, **changes: Any) -> Commit:
    """Return a commit with a name of its own that leads from a record to the next version, unless told otherwise."""
    version = record.at.version + 1
    facts = {
        "at": record.at,
        "after": record.last,
        "to": record.at._replace(version=version),
        "id": os.urandom(COMMIT_ID_BYTES),
    }
    return step(version, **{**facts, **changes})


def staying(record: Record, **changes: Any) -> Commit:
    """Return a commit with a name of its own that leaves a record where it is, and only adds to its log."""
    return onward(record, to=record.at, state=record.state, **changes)


def action_ids(count: int) -> tuple[bytes, ...]:
    """Return names for some actions."""
    return tuple(os.urandom(ACTION_ID_BYTES) for _ in range(count))
