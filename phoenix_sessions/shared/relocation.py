"""How an owned session goes on under another id, for instance at login.

Rules:
    1. Its mailbox is busy meanwhile, so nothing changes, and nobody ends it.
    2. The engine has it under the new id before anything is taken away under the old one. What decides is that the old
       one is buried, for which the fence is asked; before that a failure leaves everything as it was, after it the old
       one is deleted sooner or later.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..core.errors import Conflict, Fenced, SessionAlreadyStarted, SessionNotFound, SessionStopped
from ..runtime.departure import Departure
from ..runtime.flow import arun
from .ends import End
from .notices import Moved, encode
from .ownership import await_end, own
from .written import Written

if TYPE_CHECKING:
    from .owned import Owned


async def move(session: Owned, new_id: str) -> None:
    """Move a session to another id.

    Raises:
        SessionAlreadyStarted: One is there.
        SessionStopped: Another worker owns the session by now.
        BackendUnavailable: The engine cannot be asked; the session is where it was.
    """
    engine = session.engine
    if session.supervisor.registry.get(new_id) is not None:
        raise SessionAlreadyStarted(new_id)
    await arun(await_end(engine, new_id))
    ownership = await arun(own(engine, session.background, new_id))
    assert ownership is not None
    old, new = session.written, Written(engine, new_id, session.birth, session.engine_ttl, ownership)
    end = session.end_of(encode(Moved(new_id, *session.point, b"", b"")))  # which an owner that stood still looks after
    try:
        async with old.pen:
            await _begin(session, new)
            await _switch(session, new, end)
    except Fenced:
        session.lose()
        raise SessionStopped(session.id, Departure.FENCED) from None
    await engine.ending.attempt(old.id)
    session.go_on_as(new_id)


async def _begin(session: Owned, new: Written) -> None:
    """Have the engine hold the session under the new id, too.

    Raises:
        Fenced, SessionAlreadyStarted, BackendUnavailable, NotSerializable, StateTooLarge: It does not.
    """
    try:
        point, state = session.encoded()
        with contextlib.suppress(SessionNotFound):  # an engine that has forgotten it
            await arun(session.written.check())
        await arun(new.begin(point, state))
    except Conflict:
        await arun(new.give_back())
        raise SessionAlreadyStarted(new.id) from None
    except BaseException:
        _take_back(session, new)
        raise


async def _switch(session: Owned, new: Written, end: End) -> None:
    """Take the session away under the old id.

    Raises:
        Fenced, SessionAlreadyStarted, BackendUnavailable: It is under the old one still.
    """
    old, registry, hub = session.written, session.supervisor.registry, session.engine.hub
    hub.remove(session)
    try:
        registry.rename(session, new.id)
        try:
            await arun(old.bury(end.grave))
        except SessionNotFound:
            pass
        except BaseException:
            registry.rename(session, old.id)
            old.at = None  # it may have been buried: the next write looks
            raise
    except BaseException:
        _take_back(session, new)
        hub.add(session)
        raise
    session.written = new
    session.engine.ending.add(end)
    hub.add(session)


def _take_back(session: Owned, new: Written) -> None:
    """Have the engine forget what it may have under the new id."""
    session.end_in_engine(session.end_of(b"")._replace(written=new))
