"""A page that counts in the visitor's session: ours, and Django's session backends doing the same work.

Every contender is one browser with its own session, asked through the whole stack of middleware that ``startproject``
writes, by Django's WSGI handler called directly. A row "over X" has X as SESSION_ENGINE beneath ours too.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.db import connection

from .. import servers
from ..imports import import_time, optional_imports
from ..measure import Effort, Fact, Figure, LeftOut, Measured, Result, Row, run
from ..site import configure
from ..visitor import Visitor

FINER = 6
"""How many times the rounds of other rows (multiple) it takes to see a difference of a few per cent."""


def measure(effort: Effort) -> Iterator[Measured]:
    """Measure pages, then the import of the package."""
    without_redis, without_postgresql = servers.why_no_redis(), servers.why_no_postgresql()
    with contextlib.ExitStack() as stack:
        if without_postgresql is None:
            database = stack.enter_context(servers.database())
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            database = {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(folder, "db.sqlite3")}
            yield LeftOut("sessions in PostgreSQL", f"{without_postgresql}; SQLite in its place")
        _configure(database, redis=without_redis is None)
        yield from _pages(effort, without_redis, "SQLite" if without_postgresql else "PostgreSQL")
        connection.close()
    yield Fact("import beyond Django's own", import_time(effort.repeats) * 1e3, "ms", at_most=60)
    yield Fact("optional packages imported", len(optional_imports()), "count", at_most=0)


def _configure(database: dict[str, Any], redis: bool) -> None:
    caches = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    if redis:
        backend = "django.core.cache.backends.redis.RedisCache"
        caches["redis"] = {"BACKEND": backend, "LOCATION": servers.REDIS, "KEY_PREFIX": "phoenix-sessions-bench"}
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
    from django.contrib.sessions.models import Session

    with connection.schema_editor() as editor:
        editor.create_model(Session)


def _pages(effort: Effort, without_redis: str | None, database: str) -> Iterator[Result | LeftOut]:
    yield run(_over("signed_cookies", at_least=1.2), effort)
    yield run(_over("cache", beneath="locmem"), effort)
    yield run(_over("db", beneath=database), effort)
    if without_redis is None:
        yield run(_over("cache", "redis", beneath="Redis"), effort)
        yield run(_over("cached_db", "redis", beneath=f"Redis, {database}", at_least=5), effort)
    else:
        yield LeftOut("a page, over cache (Redis) and over cached_db (Redis)", without_redis)
    yield run(_untouched(), replace(effort, repeats=effort.repeats * FINER))


def _untouched() -> Row:
    contenders = {
        "ours": Visitor("untouched", "signed_cookies", ours=True),
        "without": Visitor("untouched", "signed_cookies"),
    }
    return Row("a page that touches no session", contenders, (Figure("without", at_most=1.03),))


def _over(engine: str, cache: str = "default", *, beneath: str = "", at_least: float | None = None) -> Row:
    """Return the row of a page that counts, with this session engine beneath ours and alone."""
    contenders = {"ours": Visitor("process", engine, cache, ours=True), engine: Visitor("session", engine, cache)}
    figures = () if at_least is None else (Figure(engine, at_least=at_least),)
    return Row(f"a page, over {engine} ({beneath})" if beneath else f"a page, over {engine}", contenders, figures)
