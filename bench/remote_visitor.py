"""A browser of a site that a real daphne serves, over one connection that is kept open."""

from __future__ import annotations

import http.client
import json
from functools import partial
from typing import Any

from .measure import timed
from .served import Daphne


class RemoteVisitor:
    """A contender: it asks for one page again and again, and keeps its session cookie.

    Args:
        page: The path that it asks for.
        database: See ``page_site``.
        redis: See ``page_site``.
        visit: See ``page_site``.
    """

    def __init__(self, page: str, database: dict[str, Any], redis: bool, **visit: Any) -> None:
        pages = json.dumps({"database": database, "redis": redis, "visit": visit}, default=str)
        self._daphne = Daphne("bench.page_site:application", BENCH_PAGES=pages)
        self._connection = http.client.HTTPConnection("127.0.0.1", self._daphne.port, timeout=60)
        self._path = f"/{page}"
        self._headers: dict[str, str] = {}

    def __call__(self, count: int) -> float:
        """Ask ``count`` times; returns the seconds."""
        return timed(partial(self.ask), count)

    def ask(self) -> bytes:
        """Ask once; returns what the page says."""
        self._connection.request("GET", self._path, headers=self._headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"the page answers {response.status}")
        if cookie := response.headers["Set-Cookie"]:
            self._headers["Cookie"] = cookie.partition(";")[0]
        return body

    def stop(self) -> None:
        """End the server."""
        self._connection.close()
        self._daphne.stop()
