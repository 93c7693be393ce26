"""What SQLite and PostgreSQL do differently: this is what each of them says.

Rules:
    1. An engine is words for ``statements``, a class and settings for connections, and what its errors mean.
    2. The time is the engine's: PostgreSQL's server has one, SQLite's is that of the machine that all workers share.
    3. A verb ends in time because no statement begins too late (``latest``), and because none waits for longer than the
       verb has (``Bounded``).
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, ClassVar

from django.db import InterfaceError, InternalError, OperationalError
from django.db.utils import Error

from ...core.errors import BackendError, BackendUnavailable
from ...runtime.clock import Clock


class Bounded:
    """What comes before Django's own class of a connection, so that the connection waits no longer than it may.

    Attributes:
        until: When all that it does must be over (seconds of ``time.monotonic``).
    """

    until: float = math.inf

    def left(self) -> float:
        """Return how long it may still wait (seconds, 0 or more)."""
        return max(0.0, self.until - time.monotonic())


class Late(Exception):
    """A connection is not there in time.

    Attributes:
        attempt: Is done when nobody tries to connect any more, with a connection or without.
    """

    def __init__(self, attempt: Future[None]) -> None:
        super().__init__(attempt)
        self.attempt = attempt


class Engine(ABC):
    """A kind of database.

    Args:
        timeout: How long a verb may take (seconds).
        clock: Whose time is used in place of the engine's; None = the engine's.

    Attributes:
        notifies: Whether notices go through the database.
        at_once: Whether a commit can be one statement.
        one_writer: Whether writers of one process had better wait for each other here, rather than in the engine.
        begin: How a transaction that writes begins.
        bounded: What comes before Django's own class of a connection.
        timeout: How long a verb may take (seconds).
        patience: How long it waits for the engine, which is a bit less (seconds): a coroutine that waits for the verb's
            thread, ``timeout`` and no longer, then hears what the matter is.
        latest: How late in a verb a statement may begin (seconds).
    """

    notifies: ClassVar[bool]
    at_once: ClassVar[bool]
    one_writer: ClassVar[bool]
    begin: ClassVar[str]
    bounded: ClassVar[Any]  # a subclass of Bounded
    _words: ClassVar[Mapping[str, str]]
    _now: ClassVar[str]

    def __init__(self, timeout: float, clock: Clock | None) -> None:
        self.timeout = timeout
        self.patience = self.latest = 0.9 * timeout
        self._clock = clock
        self._worded: dict[str, str] = {}

    @abstractmethod
    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the OPTIONS of an alias of DATABASES as our own connections need them."""

    @abstractmethod
    def connect(self, connection: Any) -> None:
        """Open a connection, until ``connection.until`` at the latest.

        Raises:
            Error: Django's, for whatever is in the way.
            Late: It takes longer.
        """

    @abstractmethod
    def is_stale(self, connection: Any) -> bool:
        """Return whether the server has given up a connection that lay idle."""

    @abstractmethod
    def is_unanswered(self, error: BaseException) -> bool:
        """Return whether the statement that failed may have been done for all that."""

    @abstractmethod
    def is_mistake(self, error: BaseException) -> bool:
        """Return whether the engine was there, and did not understand: not even trying again would help."""

    @abstractmethod
    def list(self, ids: list[str]) -> Any:
        """Return ids as ``{among}`` takes them."""

    def word(self, statement: str) -> str:
        """Return a statement in this engine's words."""
        worded = self._worded.get(statement)
        if worded is None:
            now = "%(now)s" if self._clock else self._now
            worded = self._worded[statement] = statement.format_map({**self._words, "now": now})
        return worded

    def times(self) -> dict[str, float]:
        """Return the time (seconds since 1970) as a value for statements; nothing, if the server has its own."""
        return {"now": self._clock.time()} if self._clock else {}

    def hurry(self, cursor: Any, seconds: float) -> None:
        """Let what writes next wait no longer than this; for engines whose statements have no limit yet."""
        return

    def meaning(self, error: Error, *, maybe: bool) -> BackendError:
        """Return what an error of Django's means to who asked; ``maybe``: whether an answer would have been the end."""
        unreachable = isinstance(error, OperationalError | InterfaceError | InternalError)
        if not unreachable or self.is_mistake(error):
            return BackendError(f"the database refuses what the backend asks of it (was migrate run?): {error}")
        return BackendUnavailable(error, maybe=maybe and self.is_unanswered(error))
