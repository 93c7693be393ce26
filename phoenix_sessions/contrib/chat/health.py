"""Whether this worker lives, and whether it should be sent anything: for load balancers and supervisors.

Rules:
    1. Live: the worker answers; nothing else is asked, so that a database that is away has no worker restarted.
    2. Ready: the database answers, and the worker does not stop. Otherwise it is 503, with what is wrong.
    3. Both are open to everybody, and say nothing else.
"""

from __future__ import annotations

import logging
from typing import Final

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections
from django.http import HttpRequest, HttpResponse, JsonResponse

from .conf import get_config
from .gateway import gateway

logger = logging.getLogger("phoenix_sessions.chat")

_AGAIN: Final = 1
"""When a worker that is not ready is to be asked again (seconds)."""


async def live(request: HttpRequest) -> HttpResponse:
    """Answer that this worker lives."""
    return _answer({"status": "live"})


async def ready(request: HttpRequest) -> HttpResponse:
    """Answer whether this worker is to be sent anything."""
    database = await sync_to_async(_database_answers, thread_sensitive=False)()
    good = database and not gateway.draining
    status = "ready" if good else "not ready"
    return _answer({"status": status, "database": database, "draining": gateway.draining}, good=good)


def _database_answers() -> bool:
    connection = connections[get_config().database]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:  # whatever it is: nothing can be stored
        logger.warning("the database does not answer: %s", error)
        connection.close()
        return False
    finally:
        close_old_connections()
    return True


def _answer(body: dict[str, object], *, good: bool = True) -> HttpResponse:
    response = JsonResponse(body, status=200 if good else 503)
    response["Cache-Control"] = "no-store"
    if not good:
        response["Retry-After"] = str(_AGAIN)
    return response
