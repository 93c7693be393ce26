"""What is known about a session, for the page that shows it."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix_sessions import SessionFacts, SessionRef, sessions

from . import selectors


@dataclass(frozen=True)
class Facts:
    """Facts about one session.

    Attributes:
        id: The session id, shortened: whoever knows the whole id is not a visitor of this page.
        kind: The name of its process class.
        epoch: Names the life that it is in.
        version: Counts the changes of its state in this life.
        subscribers: How many pages are open on it.
        expires: When it will end if nothing happens, for people.
        neighbours: How many other sessions this server has.
        sizes: How many times the number of things in a cart was worked out, over all sessions.
        totals: The same of what a cart costs.
    """

    id: str
    kind: str
    epoch: int
    version: int
    subscribers: int
    expires: str
    neighbours: int
    sizes: int
    totals: int


async def facts(ref: SessionRef) -> Facts:
    """Return the facts about the session.

    Raises:
        SessionNotFound: It does not run.
    """
    known = ref.facts
    return Facts(
        id=f"{ref.id[:4]}…{ref.id[-4:]}",
        kind=known.process,
        epoch=known.epoch,
        version=known.version,
        subscribers=known.subscribers,
        expires=_expires(known),
        neighbours=(await sessions.asession_info()).count - 1,
        sizes=selectors.size.recomputations,
        totals=selectors.total.recomputations,
    )


def _expires(known: SessionFacts) -> str:
    if known.ttl is None:
        return "never"
    if known.expires_in is None:
        return f"{_duration(known.ttl)} after the last page is closed"
    return f"in {_duration(known.expires_in)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return " ".join(part for part in (f"{minutes} min" * bool(minutes), f"{rest} s" * bool(rest)) if part) or "0 s"
