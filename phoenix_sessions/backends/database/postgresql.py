"""PostgreSQL: a server, which ends what takes too long; and what we do in case it does not answer at all.

Rules:
    1. A statement has less than half of the verb's time by the server's own clock, so that what is in its way is said
       by the server, and nothing was done.
    2. Whatever the server does, nobody waits beyond the verb's time: a connection that owes an answer then is given up.
    3. To connect takes a thread, since the look-up of a name knows no time limit.
"""

from __future__ import annotations

import math
import selectors
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, wait
from typing import Any, Final

import psycopg

from ...runtime.clock import Clock
from .engines import Bounded, Engine, Late

_GLANCE: Final = 0.1  # how often psycopg looks up, so that Ctrl-C works (seconds)
_MOMENT: Final = 0.01  # it may look up a bit too early (seconds)

Wait = Callable[..., Any]
Steps = Generator[Any, Any, Any]


class _Punctual(Bounded):
    """A connection that waits for answers, but not for ever: all that psycopg waits for goes through its ``wait``."""

    def get_new_connection(self, parameters: Mapping[str, Any]) -> Any:
        """Return a connection to the server."""
        raw = super().get_new_connection(parameters)  # type: ignore[misc]
        wait: Wait = raw.wait
        raw.wait = lambda steps, *_, **__: self._wait(wait, steps)
        return raw

    def _wait(self, wait: Wait, steps: Steps) -> Any:
        left = max(self.left(), 0.001)
        return wait(in_time(steps, self), interval=left / math.ceil(left / _GLANCE))


def in_time(steps: Steps, bounded: Bounded) -> Steps:
    """Do what psycopg does in steps, between which it waits, as long as there is time.

    Raises:
        psycopg.OperationalError: There is no more.
    """
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and bounded.left() < _MOMENT:
                raise psycopg.OperationalError("no answer in time")
            wanted = steps.send(ready)
    except StopIteration as end:
        return end.value


class PostgreSQL(Engine):
    """A server: a commit is one statement with its notice in it.

    It must be the server itself, or a pooler that lends connections for as long as they live: LISTEN and settings of a
    connection mean nothing where every transaction may go to another one.

    Args:
        timeout: How long a verb may take (seconds).
        clock: Whose time is used in place of the server's; None = the server's.
        synchronous_commit: Whether a commit is answered when it is on the disk; False = a bit earlier.
    """

    notifies = True
    at_once = True
    one_writer = False
    begin = "BEGIN"
    bounded = _Punctual
    _words = {
        "lock": "FOR UPDATE",
        "lock_free": "FOR UPDATE SKIP LOCKED",
        "last": "substring(commits from greatest(1, octet_length(commits) - 7))",
        "among": "id = ANY(%(ids)s)",
        "among_sessions": "session = ANY(%(ids)s)",
    }
    _now = "extract(epoch FROM statement_timestamp())::float8"

    def __init__(self, timeout: float, clock: Clock | None, synchronous_commit: bool = True) -> None:
        super().__init__(timeout, clock)
        self.latest = 0.42 * timeout  # and a statement takes no longer than that again
        self._synchronous_commit = synchronous_commit

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return OPTIONS with time limits, prepared statements, and no pool: the backend has its own."""
        milliseconds = max(1, int(self.latest * 1000))
        limits = {
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": max(1, int(self.timeout * 1000)),
        } | ({} if self._synchronous_commit else {"synchronous_commit": "off"})
        flags = [given.get("options", ""), *(f"-c {name}={value}" for name, value in limits.items())]
        return {
            "connect_timeout": max(2, int(self.latest)),  # libpq's least
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "prepare_threshold": 5,
            **{name: value for name, value in given.items() if name not in ("pool", "isolation_level")},
            "server_side_binding": True,
            "options": " ".join(flag for flag in flags if flag),
        }

    def connect(self, connection: Any) -> None:
        """Connect on a thread, and wait no longer than there is time."""
        attempt: Future[None] = Future()
        threading.Thread(target=_try, args=(connection, attempt), name="phoenix_sessions-connect", daemon=True).start()
        if not wait([attempt], connection.left()).done:
            raise Late(attempt)
        attempt.result()

    def is_stale(self, connection: Any) -> bool:
        """Return whether there is something to read, which nobody has asked for: the server's last words."""
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(connection.fileno(), selectors.EVENT_READ)
            except Exception:  # whatever is wrong with it, it is of no use
                return True
            return bool(selector.select(0))

    def is_unanswered(self, error: BaseException) -> bool:
        """Return whether it is anything but the server's word that the statement failed."""
        state: str | None = getattr(error.__cause__, "sqlstate", None)
        return state is None or state.startswith(("57P", "08"))  # somebody stops the server, or the line is cut

    def is_mistake(self, error: BaseException) -> bool:
        """Return False: such errors are no OperationalError here."""
        return False

    def list(self, ids: list[str]) -> Any:
        """Return ids as they are: PostgreSQL has arrays."""
        return ids


def _try(connection: Any, attempt: Future[None]) -> None:
    try:
        connection.ensure_connection()
    except BaseException as error:
        attempt.set_exception(error)
    else:
        attempt.set_result(None)
