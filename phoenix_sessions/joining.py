"""How a live page joins the session that it shows, over a socket or a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .core.errors import ShuttingDown
from .core.selector import Selector
from .manager import sessions
from .outbox import Outbox
from .ref import SessionRef
from .resume import Point
from .subscription import Subscription


class Joined(NamedTuple):
    """A session, and what it tells a page through."""

    ref: SessionRef
    outbox: Outbox
    subscription: Subscription


async def join(id: str, auto_start: bool | None, subscriptions: Mapping[str, Selector], since: Point | None) -> Joined:
    """Subscribe a new outbox to the session.

    Args:
        id: The session's id.
        auto_start: Whether to start one that does not run. None: the AUTO_START setting.
        subscriptions: The selector behind each event name.
        since: What the page has already.

    Raises:
        SessionNotFound, SessionStopped, SessionLimitReached, RateLimitExceeded, ShuttingDown: It does not run.
        MailboxFull, SelectorError: It runs, but nothing was subscribed.
    """
    if sessions.stopping:  # it would serve a request still, but no page
        raise ShuttingDown
    start = sessions.config.auto_start if auto_start is None else auto_start
    ref = await (sessions.aget_or_start(id) if start else sessions.afind_session(id))
    outbox = Outbox()
    sessions.pages.add(outbox)  # until nobody has it any more, or its connection says that it is over
    if sessions.stopping:  # since it asked: the pages may have been sent away before this one was among them
        raise ShuttingDown
    subscription, known = await ref.asubscribe_all(subscriptions, outbox, since)
    outbox.resume = "new" if since is None else "recovered" if known else "not_found"
    return Joined(ref, outbox, subscription)
