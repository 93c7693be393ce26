"""What one verb does with a connection.

Rules:
    1. A statement begins in time, or not at all; ``Bounded`` sees to it that it ends in time.
    2. Writers of one process wait for each other here, where the engine would only let them wait longer.
    3. A connection is used again if all that went wrong was said by the backend itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.db import Error

from ...core.errors import BackendUnavailable
from .engines import Engine


class Work:
    """What one verb does with a connection.

    Attributes:
        engine: What the connection leads to.
        connection: Django's connection.
        usable: Whether another verb may use it afterwards.
    """

    def __init__(self, engine: Engine, connection: Any, writing: threading.Lock, began: float) -> None:
        self.engine = engine
        self.connection = connection
        self.usable = True
        self._writing = writing
        self._began = began
        self._in_transaction = False
        self._done = False  # whether something was changed for good

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Return what a statement finds."""
        found: list[Any] = self._run(statement, values, final=False)[0]
        return found

    def write(self, statement: str, **values: Any) -> int:
        """Change something, and return how many rows were."""
        count: int = self.answer(statement, **values)[1]
        return count

    def answer(self, statement: str, **values: Any) -> tuple[list[Any], int]:
        """Change something, and return what the statement finds, and how many rows that were."""
        if self._in_transaction:
            return self._run(statement, values, final=False)
        with self._turn():
            answer = self._run(statement, values, final=True)
        self._done |= answer[1] > 0
        return answer

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all that is done in it, or nothing if anything is raised."""
        with self._turn():
            self._run(self.engine.begin, {}, final=False)
            self._in_transaction = True
            try:
                yield
                self._run("COMMIT", {}, final=True)
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._in_transaction = False

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.engine.one_writer:
            yield
            return
        if not self._writing.acquire(timeout=max(0.0, self._left())):
            raise BackendUnavailable("other threads of this process write, for too long")
        try:
            yield
        finally:
            self._writing.release()

    def _left(self) -> float:
        """Return how long there is for a statement to begin (seconds)."""
        return self._began + self.engine.latest - time.monotonic()

    def _run(self, statement: str, values: dict[str, Any], *, final: bool) -> tuple[list[Any], int]:
        """Return the rows, and their count; ``final`` says that what was asked for is done if this is."""
        values |= self.engine.times()
        sent = False
        try:
            with self.connection.cursor() as cursor:
                if (left := self._left()) <= 0:
                    raise BackendUnavailable("it has taken too long already", maybe=self._done)
                if not self._in_transaction:
                    self.engine.hurry(cursor, left)
                sent = True
                cursor.execute(self.engine.word(statement), values or None)
                return (cursor.fetchall() if cursor.description else []), cursor.rowcount
        except Error as error:
            meaning = self.engine.meaning(error, maybe=sent and final)
            if self._done and isinstance(meaning, BackendUnavailable):
                meaning = BackendUnavailable(error, maybe=True)
            self.usable &= not isinstance(meaning, BackendUnavailable)
            raise meaning from error

    def _roll_back(self) -> None:
        if not self.usable:
            return
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
        except Error:
            self.usable = False
