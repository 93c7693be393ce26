"""A browser of one site: it asks for one page again and again, and keeps its session cookie."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import Any
from wsgiref.util import setup_testing_defaults

from django.core.handlers.wsgi import WSGIHandler

from .page_site import choose


class Visitor:
    """A contender: Django's WSGI handler, called as a server would call it.

    Args:
        page: The path that it asks for.
        engine: The module in ``django.contrib.sessions.backends``.
        cache: The alias of the cache beneath that, if it uses one.
        ours: Whether our middleware is in the stack, at its end, as in the tutorial.
    """

    def __init__(self, page: str, engine: str, cache: str = "default", *, ours: bool = False) -> None:
        self._choose = partial(choose, engine, cache, ours)
        self._choose()
        self._handler = WSGIHandler()
        self._environ: dict[str, Any] = {"PATH_INFO": f"/{page}"}
        setup_testing_defaults(self._environ)

    def __call__(self, count: int) -> float:
        """Ask ``count`` times; returns the seconds."""
        self._choose()
        repeat = range(count)
        start = perf_counter()
        for _ in repeat:
            self.ask()
        return perf_counter() - start

    def ask(self) -> bytes:
        """Ask once; returns what the page says."""
        response = self._handler(self._environ.copy(), _start_response)
        body = b"".join(response)
        response.close()
        if "sessionid" in response.cookies:
            self._environ["HTTP_COOKIE"] = f"sessionid={response.cookies['sessionid'].value}"
        return body


def _start_response(status: str, headers: list[tuple[str, str]]) -> None:
    if not status.startswith("200"):
        raise RuntimeError(f"the page answers {status}")
