"""Whether this worker lives, and whether it should be sent anything: for load balancers and supervisors.

Rules:
    1. Live: the worker answers; nothing else is asked, so that a database that is away has no worker restarted.
    2. Ready: the database answers, and the worker does not stop. Otherwise it is 503, with what is wrong.
    3. A database that says nothing does not answer either: nobody waits for it longer than ``PATIENCE``, and it is
       asked once for all who ask meanwhile.
    4. Both are open to everybody, and say nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse

from .gateway import gateway
from .readers import Reader
from .storage.connection import reading

logger = logging.getLogger("phoenix_sessions.chat")

PATIENCE: Final = 3.0
"""How long the database may take to answer (seconds)."""
_AGAIN: Final = 1
"""When a worker that is not ready is to be asked again (seconds)."""


async def live(request: HttpRequest) -> HttpResponse:
    """Answer that this worker lives."""
    return _answer({"status": "live"})


async def ready(request: HttpRequest) -> HttpResponse:
    """Answer whether this worker is to be sent anything."""
    database = await _database_answers()
    good = database and not gateway.draining
    status = "ready" if good else "not ready"
    return _answer({"status": status, "database": database, "draining": gateway.draining}, good=good)


async def _database_answers() -> bool:
    try:
        await asyncio.wait_for(asyncio.wrap_future(_database.fresh()), PATIENCE)
    except TimeoutError:
        logger.warning("the database does not answer within %g s", PATIENCE)
    except Exception as error:  # whatever it is: nothing can be stored
        logger.warning("the database does not answer: %s", error.__cause__ or error)
    else:
        return True
    return False


def _ask_database() -> None:
    with reading() as database:
        database.rows("SELECT 1")


_database: Final = Reader(_ask_database)


def _answer(body: dict[str, object], *, good: bool = True) -> HttpResponse:
    response = JsonResponse(body, status=200 if good else 503)
    response["Cache-Control"] = "no-store"
    if not good:
        response["Retry-After"] = str(_AGAIN)
    return response
