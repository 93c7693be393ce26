"""A page that counts in the visitor's session: ours, and Django's session backends doing the same work.

Every contender is one browser with its own session, asked through the whole stack of middleware that ``startproject``
writes, by Django's WSGI handler called directly. A row "over X" has X as SESSION_ENGINE beneath ours too.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.db import connection

from .. import page_site, servers
from ..imports import import_time, optional_imports
from ..measure import Effort, Fact, Figure, LeftOut, Measured, Result, Row, run
from ..remote_visitor import RemoteVisitor
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
        if without_redis is None:
            stack.callback(servers.forget_keys)
        page_site.set_up(database, redis=without_redis is None)
        _create_table()
        name = "SQLite" if without_postgresql else "PostgreSQL"
        yield from _pages(effort, without_redis, name)
        yield from _served_pages(effort, without_redis, name, database)
        connection.close()
    yield Fact("import beyond Django's own", import_time(effort.repeats) * 1e3, "ms", at_most=60)
    yield Fact("optional packages imported", len(optional_imports()), "count", at_most=0)


def _create_table() -> None:
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


def _served_pages(
    effort: Effort, without_redis: str | None, name: str, database: dict[str, Any]
) -> Iterator[Result | LeftOut]:
    """Yield the row of the same pages by a real daphne each.

    A sync view costs a change of threads there, and Django opens a database connection for each request.
    """
    row = f"a page through daphne, over cached_db (Redis, {name})"
    if without_redis is not None:
        yield LeftOut(row, without_redis)
        return
    if find_spec("daphne") is None:
        yield LeftOut(row, "the package daphne is not installed")
        return
    visit = {"engine": "cached_db", "cache": "redis"}
    with contextlib.ExitStack() as stack:
        contenders = {
            "ours": RemoteVisitor("process", database, True, **visit, ours=True),
            "cached_db": RemoteVisitor("session", database, True, **visit, ours=False),
            "no session": RemoteVisitor("untouched", database, True, **visit, ours=False),
        }
        for visitor in contenders.values():
            stack.callback(visitor.stop)
        yield run(Row(row, contenders), effort)


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
