"""One thread's wait for an answer: what it needs of a ``Future``, at half the price.

Rules:
    1. The names are those of ``concurrent.futures.Future``, so who answers need not know which of them it is.
    2. Who begins, or takes back, is the first to pop the token. Only who has begun answers, once.
    3. The lock is open once there is an answer: the flag comes before, so who sees it need not wait.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import Any


class Waiter:
    """The answer that one thread waits for."""

    __slots__ = ("_cancelled", "_closed", "_done", "_error", "_token", "_value")

    def __init__(self) -> None:
        self._closed = allocate_lock()
        self._closed.acquire()
        self._token = [None]
        self._cancelled = self._done = False
        self._value: Any = None
        self._error: BaseException | None = None

    # -- who waits ---------------------------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the answer, at most ``timeout`` seconds.

        Raises:
            TimeoutError: It has not come.
            BaseException: The answer is this.
        """
        if not self._done:
            if not self._closed.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
                raise TimeoutError
            self._closed.release()
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            self = None  # type: ignore[assignment]  # the traceback keeps this frame

    def exception(self) -> BaseException | None:
        """Return the error that the answer is, if it is one."""
        return self._error

    def done(self) -> bool:
        """Return whether there is an answer, or never will be."""
        return self._done or self._cancelled

    def cancel(self) -> bool:
        """Wait no more; returns False if somebody has begun."""
        self._cancelled = self._cancelled or self._take()
        return self._cancelled

    def cancelled(self) -> bool:
        """Return whether nobody waits any more."""
        return self._cancelled

    # -- who answers -------------------------------------------------------------------------------------------------

    def set_running_or_notify_cancel(self) -> bool:
        """Begin; returns False if nobody waits any more."""
        return self._take()

    def set_result(self, value: Any) -> None:
        """Answer."""
        self._value = value
        self._done = True
        self._closed.release()

    def set_exception(self, error: BaseException) -> None:
        """Answer with an error, which is raised at who waits."""
        self._error = error
        self._done = True
        self._closed.release()

    def _take(self) -> bool:
        try:
            self._token.pop()
        except IndexError:
            return False
        return True
