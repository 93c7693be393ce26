"""The site of the http group: its settings, and what a daphne serves of it.

In a process of daphne's, BENCH_PAGES is JSON: the group's ``database`` and ``redis``, and the ``visit`` to be served
(``engine``, ``cache``, ``ours``).
"""

from __future__ import annotations

import json
import os
from typing import Any

from . import servers
from .site import configure

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


def set_up(database: dict[str, Any], redis: bool) -> None:
    """Set Django up with this database and, if it is there, Redis as the cache of that name."""
    caches = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    if redis:
        backend = "django.core.cache.backends.redis.RedisCache"
        caches["redis"] = {"BACKEND": backend, "LOCATION": servers.REDIS, "KEY_PREFIX": servers.PREFIX}
    apps = ("auth", "contenttypes", "sessions", "messages")
    configure(
        {
            "ALLOWED_HOSTS": ["*"],
            "CACHES": caches,
            "DATABASES": {"default": database},
            "INSTALLED_APPS": [*(f"django.contrib.{app}" for app in apps), "phoenix_sessions"],
            "ROOT_URLCONF": "bench.pages",
        },
        SESSION_PROCESS="bench.floors.Shop",
    )


def choose(engine: str, cache: str, ours: bool) -> None:
    """Let handlers that are made from now on have this session engine and stack of middleware."""
    from django.conf import settings

    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_CACHE_ALIAS = cache
    settings.MIDDLEWARE = [*MIDDLEWARE, OURS] if ours else MIDDLEWARE


def _served() -> Any:
    pages = json.loads(os.environ["BENCH_PAGES"])
    set_up(pages["database"], pages["redis"])
    choose(**pages["visit"])
    from django.core.handlers.asgi import ASGIHandler

    return ASGIHandler()


if "BENCH_PAGES" in os.environ:
    application = _served()
