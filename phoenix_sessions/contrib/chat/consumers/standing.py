"""Whether who came by the site's session is still logged in.

Rules:
    1. The session is read anew: a logout, another password, or a user that is inactive ends it.
    2. A user that the site's own middleware found, without a Django session, is left to that middleware.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY


async def scope_now(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a socket's scope with the user that its session has now."""
    key = await database_sync_to_async(_key)(scope.get("session"))
    if key is None:
        return scope
    fresh = {**scope, "session": import_module(settings.SESSION_ENGINE).SessionStore(key)}
    return {**fresh, "user": await get_user(fresh)}


def _key(session: Any) -> str | None:
    """Return the key of a session that somebody is logged in to."""
    return session.session_key if session is not None and SESSION_KEY in session else None
