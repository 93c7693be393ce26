"""Which session a visitor has: an id in the visitor's Django session, never one that the client names.

Rules:
    1. The id is minted when first needed: a request that never asks for it sets no cookie.
    2. At login the id is replaced and the running session moves along, so that an id planted before login is dead.
       If that fails the visitor is logged in all the same, with the new id, and who uses it next has the session moved
       first: nothing is lost, and nobody who knows the old id is let in. A login that failed (5xx) would be worse:
       Django has deleted its session under the old cookie by then, and sends no new one.
    3. When the Django session is flushed (logout, or login as somebody else), the session ends.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from asyncio import _get_running_loop
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from .core.errors import CallTimeout, SessionAlreadyStarted, SessionError, SessionNotFound, SessionStopped
from .manager import sessions

logger = logging.getLogger("phoenix_sessions")

KEY: Final = "_phoenix_session_id"
LEFT: Final = "_phoenix_session_left"
"""Where the Django session has the id that the running session may be under still."""
LOGOUT: Final = "logout"


_NOTHING_MOVES: Final = contextlib.suppress(SessionNotFound, SessionStopped, SessionAlreadyStarted)
"""None runs, or it is ending, or it has moved before."""


def mint_id() -> str:
    """Return a new id: 32 URL-safe characters, 192 bits."""
    return secrets.token_urlsafe(24)


def get_id(session: SessionBase) -> str:
    """Return the visitor's session id, minting one if there is none.

    Raises:
        BackendUnavailable: The session could not move at login, and cannot now.
    """
    id = session.get(KEY)
    if id is None:
        id = session[KEY] = mint_id()
    elif LEFT in session and _get_running_loop() is None:  # a loop is not held up: who awaits moves it
        _move(session, id)
    return str(id)


async def aget_id(session: SessionBase) -> str:
    """Async twin of ``get_id``."""
    id = await afind_id(session)
    if id is None:
        id = mint_id()
        await session.aset(KEY, id)
    return str(id)


async def afind_id(session: SessionBase) -> str | None:
    """Return the visitor's session id, or None if there is none; raises as ``get_id``."""
    id: str | None = await session.aget(KEY)
    left = None if id is None else await session.aget(LEFT)
    if id is not None and left is not None:
        with _NOTHING_MOVES:
            await sessions.amove(left, id)
        await session.apop(LEFT, None)
    return id


def rotate_id(request: HttpRequest) -> None:
    """Give the visitor another id, and move the running session to it, now or before it is used next."""
    session = request.session
    if KEY not in session:
        return
    try:
        if LEFT in session:  # it has the id of the last login, and is where it was before that
            _move(session, session[KEY])
        session[LEFT], session[KEY] = session[KEY], mint_id()
        _move(session, session[KEY])
    except SessionError as error:
        logger.warning("the session of a visitor who logs in will move to another id later: %s", error)


def _move(session: SessionBase, id: str) -> None:
    with _NOTHING_MOVES:
        sessions.move(session[LEFT], id)
    del session[LEFT]


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
    ids = session.get(KEY), session.get(LEFT)
    if flush is None:
        session.__class__.flush(session)
    else:
        flush()
    for id in filter(None, ids):
        with contextlib.suppress(SessionNotFound, CallTimeout):  # it does not run, or ends in a moment
            sessions.terminate(id, LOGOUT)


async def _aflush(session: Any, aflush: Callable[[], Awaitable[None]] | None = None) -> None:
    ids = await session.aget(KEY), await session.aget(LEFT)
    await (session.__class__.aflush(session) if aflush is None else aflush())
    for id in filter(None, ids):
        with contextlib.suppress(SessionNotFound, CallTimeout):
            await sessions.aterminate(id, LOGOUT)
