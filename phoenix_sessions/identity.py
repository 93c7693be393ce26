"""Which session a visitor has: an id in the visitor's Django session, never one that the client names.

Rules:
    1. The id is minted when first needed: a request that never asks for it sets no cookie.
    2. At login the id is replaced and the running session moves along, so that an id planted before login is dead.
    3. When the Django session is flushed (logout, or login as somebody else), the session ends.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from .core.errors import CallTimeout, SessionNotFound, SessionStopped
from .manager import sessions

KEY: Final = "_phoenix_session_id"
LOGOUT: Final = "logout"


def mint_id() -> str:
    """Return a new id: 32 URL-safe characters, 192 bits."""
    return secrets.token_urlsafe(24)


def get_id(session: SessionBase) -> str:
    """Return the visitor's session id, minting one if there is none."""
    id = session.get(KEY)
    if id is None:
        id = session[KEY] = mint_id()
    return str(id)


async def aget_id(session: SessionBase) -> str:
    """Async twin of ``get_id``."""
    id = await session.aget(KEY)
    if id is None:
        id = mint_id()
        await session.aset(KEY, id)
    return str(id)


def rotate_id(request: HttpRequest) -> None:
    """Give the visitor another id, and move the running session to it."""
    old = request.session.get(KEY)
    if old is None:
        return
    new = request.session[KEY] = mint_id()
    with contextlib.suppress(SessionNotFound, SessionStopped):  # none runs, or it is ending: nothing moves
        sessions.move(old, new)


def end_on_flush(session: Any) -> None:
    """See that flushing this request's Django session ends the session process too.

    It is in a circle with itself then, as every request is with its lazy user: gc frees both together.
    """
    before = session.__dict__.get("flush")
    if before is None:
        session.flush, session.aflush = partial(_flush, session), partial(_aflush, session)
    elif getattr(before, "func", None) is not _flush:  # somebody else's, which goes on doing what it does
        session.flush, session.aflush = partial(_flush, session, before), partial(_aflush, session, session.aflush)


def _flush(session: Any, flush: Callable[[], None] | None = None) -> None:
    id = session.get(KEY)
    if flush is None:
        session.__class__.flush(session)
    else:
        flush()
    if id is not None:
        with contextlib.suppress(SessionNotFound, CallTimeout):  # it does not run, or ends in a moment
            sessions.terminate(id, LOGOUT)


async def _aflush(session: Any, aflush: Callable[[], Awaitable[None]] | None = None) -> None:
    id = await session.aget(KEY)
    await (session.__class__.aflush(session) if aflush is None else aflush())
    if id is not None:
        with contextlib.suppress(SessionNotFound, CallTimeout):
            await sessions.aterminate(id, LOGOUT)
