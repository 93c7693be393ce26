"""What a failure of Redis means to whoever asked.

Rules:
    1. What could not be asked is BackendUnavailable, and ``maybe`` is false only if it is certain that nothing was
       done: it was not sent, or the server has refused it.
    2. What was answered and makes no sense is a BackendError that names the session.
"""

from __future__ import annotations

from typing import Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)  # fmt: skip
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import TimeoutError as Overdue

from ...core.errors import BackendError, BackendUnavailable
from .records import malformed

FAILURES: Final = (RedisError, RedisClusterException, OSError)

# What a server says that cannot do it now, or not for us. It says so before the first change.
_REFUSALS: Final = (
    AskError, AuthenticationError, AuthorizationError, BusyLoadingError, ClusterDownError, OutOfMemoryError,
    ReadOnlyError, TryAgainError,
)  # fmt: skip
_REFUSED: Final = frozenset({"BUSY", "LOADING", "MASTERDOWN", "MISCONF", "NOAUTH", "NOREPLICAS", "READONLY", "OOM"})


def translate(failure: BaseException, name: str, *, sent: bool) -> BackendError:
    """Return what is raised for a failure.

    Args:
        failure: What redis-py raised.
        name: The session, or the lease.
        sent: Whether the server may have got it.
    """
    if isinstance(failure, _REFUSALS) or isinstance(failure.__context__, ReadOnlyError):
        return BackendUnavailable(failure)
    if isinstance(failure, NoPermissionError) or "user executing the script" in str(failure):
        # which a script meets in its middle, at PUBLISH
        return BackendUnavailable(failure, maybe=sent)
    if isinstance(failure, ResponseError):
        return _answered(str(failure), failure, name)
    return BackendUnavailable(failure, maybe=sent)


def perhaps_done(failure: BackendUnavailable, *, maybe: bool) -> BackendUnavailable:
    """Return the same failure, with another answer to whether it was done."""
    if failure.maybe is maybe:
        return failure
    return BackendUnavailable(str(failure).partition(": ")[2], maybe=maybe)


def is_lost(failure: BackendUnavailable) -> bool:
    """Return whether a server was not there, rather than refusing."""
    cause = failure.__cause__
    return isinstance(cause, Disconnected | Overdue | OSError) and not isinstance(cause, _REFUSALS)


def is_refusal(failure: BaseException) -> bool:
    """Return whether a server has said that it did nothing, though redis-py takes some such answers for a lost line."""
    return isinstance(failure, _REFUSALS)


def _answered(text: str, failure: ResponseError, name: str) -> BackendError:
    if text.split(" ", 1)[0] in _REFUSED:
        return BackendUnavailable(failure)
    if "WRONGTYPE" in text or "MALFORMED" in text:
        return malformed(name)
    return BackendError(f"Redis has answered, for {name!r}, what makes no sense: {text}")
