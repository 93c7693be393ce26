"""SQLite: one file, which the processes of one machine share.

Rules:
    1. The file is in WAL mode, so that readers wait for nobody.
    2. A lock of somebody else's is waited for, until the verb's time is over. SQLite does so by itself, but not when
       several connections change to WAL mode at once: that is tried again.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Mapping
from typing import Any, Final

from .engines import Bounded, Engine

_PLAIN_ERROR: Final = 1  # SQLITE_ERROR: the statement is wrong, or its table is missing
_BUSY: Final = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED
_PAUSES: Final = (0.001, 0.05)  # between two tries: the first and the longest (seconds)


class _Patient(Bounded):
    """A connection that waits for others from its first command on."""

    def get_new_connection(self, parameters: Mapping[str, Any]) -> Any:
        """Return an open file; what Django would run first is run here, as Django closes nothing when that fails."""
        own: Any = self
        commands, own.init_commands = [*own.init_commands, "PRAGMA journal_mode=WAL"], []
        raw = super().get_new_connection({**parameters, "timeout": self.left()})  # type: ignore[misc]
        try:
            for command in commands:
                self._insist(raw, command)
        except BaseException:
            raw.close()
            raise
        return raw

    def _insist(self, raw: Any, command: str) -> None:
        pause, longest = _PAUSES
        while True:
            try:
                raw.execute(command).fetchall()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _BUSY or not self.left():
                    raise
            time.sleep(min(pause, self.left()))
            pause = min(2 * pause, longest)


class SQLite(Engine):
    """One file, which processes of one machine share."""

    notifies = False
    at_once = False
    one_writer = True
    begin = "BEGIN IMMEDIATE"
    bounded = _Patient
    _words = {
        "lock": "",
        "lock_free": "",
        "last": "coalesce(substr(commits, -8), x'')",  # a part of an empty blob is NULL
        "among": "id IN (SELECT value FROM json_each(%(ids)s))",
        "among_sessions": "session IN (SELECT value FROM json_each(%(ids)s))",
    }
    _now = "%(now)s"

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return OPTIONS without how transactions begin: ours do in our own words."""
        return {name: value for name, value in given.items() if name != "transaction_mode"}

    def connect(self, connection: Any) -> None:
        """Open the file."""
        connection.ensure_connection()

    def is_stale(self, connection: Any) -> bool:
        """Return False: a file does not hang up."""
        return False

    def is_unanswered(self, error: BaseException) -> bool:
        """Return whether it is anything but a lock that somebody else held for too long."""
        return _code(error) not in _BUSY

    def is_mistake(self, error: BaseException) -> bool:
        """Return whether the statement was refused as such."""
        return _code(error) == _PLAIN_ERROR

    def list(self, ids: list[str]) -> Any:
        """Return ids as JSON; they need no escapes."""
        return '["' + '","'.join(ids) + '"]' if ids else "[]"

    def times(self) -> dict[str, float]:
        """Return the machine's time, unless a clock was given."""
        return super().times() or {"now": time.time()}

    def hurry(self, cursor: Any, seconds: float) -> None:
        """Wait no longer than this for other processes' locks."""
        cursor.execute(f"PRAGMA busy_timeout = {max(1, math.floor(seconds * 1000))}")


def _code(error: BaseException) -> int | None:
    code: int | None = getattr(error.__cause__, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
