"""One client's way in: an HTTP connection that is kept open."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What became of one request.

    Attributes:
        status: The HTTP status, None if no answer came.
        body: The JSON of an answer with status 200.
        retry_after: The header, None if it is missing.
        error: What happened in place of an answer, "" if one came.
        reused: Whether the connection had served a request before.
        silent: Whether the connection closed before a byte of the answer came.
        seconds: How long it took.
    """

    status: int | None = None
    body: dict[str, Any] = field(default_factory=dict)
    retry_after: str | None = None
    error: str = ""
    reused: bool = False
    silent: bool = False
    seconds: float = 0.0


class Door:
    """Sends requests one after another, and connects (again) when there is no connection.

    Args:
        port: Of the balancer, or of one worker.
        patience: How long to wait for an answer (seconds).
    """

    def __init__(self, port: int, patience: float) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
        self._served = 0

    def post(self, path: str, body: Any) -> Answer:
        """Send a request and return what becomes of it; never raises for what a network can do."""
        start = time.monotonic()
        reused, silent = self._served > 0, True
        try:
            self._connection.request("POST", path, json.dumps(body))
            response = self._connection.getresponse()
            silent = False
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            silent = silent and not isinstance(error, TimeoutError)
            return Answer(error=type(error).__name__, reused=reused, silent=silent, seconds=time.monotonic() - start)
        self._served = 0 if response.will_close else self._served + 1
        return Answer(
            status=response.status,
            body=json.loads(text) if response.status == 200 else {},
            retry_after=response.headers["Retry-After"],
            reused=reused,
            seconds=time.monotonic() - start,
        )

    def close(self) -> None:
        """Give up the connection; the next request makes another."""
        with contextlib.suppress(OSError):
            self._connection.close()
        self._served = 0
