"""A browser of one site: it asks for one page again and again, and keeps its session cookie."""

from __future__ import annotations

from time import perf_counter
from typing import Any
from wsgiref.util import setup_testing_defaults

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

MIDDLEWARE = (
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)
"""What ``django-admin startproject`` writes."""
OURS = "phoenix_sessions.middleware.SessionProcessMiddleware"


class Visitor:
    """A contender: Django's WSGI handler, called as a server would call it.

    Args:
        page: The path that it asks for.
        engine: The module in ``django.contrib.sessions.backends``.
        cache: The alias of the cache beneath that, if it uses one.
        ours: Whether our middleware is in the stack, at its end, as in the tutorial.
    """

    def __init__(self, page: str, engine: str, cache: str = "default", *, ours: bool = False) -> None:
        self._engine = f"django.contrib.sessions.backends.{engine}"
        self._cache = cache
        self._apply(ours)
        self._handler = WSGIHandler()
        self._environ: dict[str, Any] = {"PATH_INFO": f"/{page}"}
        setup_testing_defaults(self._environ)

    def __call__(self, count: int) -> float:
        """Ask ``count`` times; returns the seconds."""
        self._apply()
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

    def _apply(self, ours: bool | None = None) -> None:
        settings.SESSION_ENGINE, settings.SESSION_CACHE_ALIAS = self._engine, self._cache
        if ours is not None:
            settings.MIDDLEWARE = [*MIDDLEWARE, OURS] if ours else MIDDLEWARE


def _start_response(status: str, headers: list[tuple[str, str]]) -> None:
    if not status.startswith("200"):
        raise RuntimeError(f"the page answers {status}")
