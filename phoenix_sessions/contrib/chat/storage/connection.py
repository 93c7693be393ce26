"""Django's connection of this thread, with the chat's errors.

Rules:
    1. A database that does not answer is ``unavailable``; what a statement does wrong stays Django's error.
    2. A connection that is lost is closed, and one that the server has hung up on is not tried: the next use opens
       another, so a server that was away costs no thread a failure after it is back.
    3. Which errors may be due to what a statement was given, rather than to the database's state, ``is_of_statement``
       knows: those are worth no second try with the same.
    4. A transaction that writes takes SQLite's lock at its beginning: one that has read first may not wait for it.
"""

from __future__ import annotations

import contextlib
import datetime
import selectors
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import InterfaceError, OperationalError, connections
from django.db.transaction import atomic

from ..conf import get_config
from ..errors import ChatError, unavailable

_CLASSES_OF_STATEMENTS: Final = ("22", "42", "54")
_CANCELED: Final = "57014"
"""By ``statement_timeout``, for instance."""

_Selector: Final = getattr(selectors, "PollSelector", selectors.DefaultSelector)  # needs no descriptor of its own

_TAKE_LOCK: Final = "UPDATE phoenix_chat_participant SET status = status WHERE 0"


class Database:
    """A connection, as storage uses it.

    Attributes:
        alias: Of which entry of DATABASES.
        engine: Which it is: ``"postgresql"``, ``"sqlite"``.
        locks: Whether rows can be locked; otherwise a transaction that writes is alone.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._connection = connections[alias]
        self.engine: str = self._connection.vendor
        self.locks: bool = self._connection.features.has_select_for_update

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return what a statement finds."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            found: list[Any] = cursor.fetchall()
            return found

    def write(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Change something, and return how many rows were (count)."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            count: int = cursor.rowcount
            return count

    def moment(self, moment: datetime.datetime) -> Any:
        """Return a moment as a value of a statement."""
        return self._connection.ops.adapt_datetimefield_value(moment)


@contextlib.contextmanager
def reading(using: str | None = None) -> Iterator[Database]:
    """Give the database to statements that change nothing.

    Args:
        using: The alias; None = that of the settings.

    Raises:
        ChatError: ``unavailable``.
    """
    database = Database(using or get_config().database)
    with _own_errors(database.alias):
        yield database


@contextlib.contextmanager
def transaction(using: str | None = None) -> Iterator[Database]:
    """Give the database to statements of which all are done, or none if anything is raised.

    Args:
        using: The alias; None = that of the settings.

    Raises:
        ChatError: ``unavailable``; whether it was done is not known.
    """
    database = Database(using or get_config().database)
    with _own_errors(database.alias), atomic(using=database.alias):
        if not database.locks:
            database.write(_TAKE_LOCK)
        yield database


@contextlib.contextmanager
def _own_errors(alias: str) -> Iterator[None]:
    connection = connections[alias]
    if not connection.in_atomic_block and _is_stale(connection):
        connection.close()
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if not connection.in_atomic_block and getattr(connection.connection, "closed", False):
            connection.close()
        raise unavailable() from error


def is_of_statement(error: ChatError) -> bool:
    """Return whether the database is there and has refused just this: it was too much, too long, or made no sense."""
    cause = getattr(error.__cause__, "__cause__", None)
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)  # psycopg 3, psycopg 2
    if code is not None:
        return code[:2] in _CLASSES_OF_STATEMENTS or code == _CANCELED
    return getattr(cause, "sqlite_errorname", None) == "SQLITE_ERROR"


def _is_stale(connection: Any) -> bool:
    """Return whether there is something to read, which nobody has asked for: the server's last words."""
    raw = connection.connection
    if raw is None or connection.vendor != "postgresql":
        return False
    with _Selector() as selector:
        try:
            selector.register(raw.fileno(), selectors.EVENT_READ)
        except Exception:  # whatever is wrong with it, it is of no use
            return True
        return bool(selector.select(0))


def now() -> datetime.datetime:
    """Return this moment."""
    return datetime.datetime.now(datetime.UTC)
