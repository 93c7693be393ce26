"""Telling who listens what has happened, on every worker.

Rules:
    1. Tell after the commit: an event is a hint, and the database is the truth. What is lost on its way is found by
       ``seq``, or by the gap that a stream gives.
    2. To tell never waits and never fails: what was committed stays committed.
    3. What is too large for an event is told as where to read it; a conversation, as itself without its members.
    4. An inbox is told at once while it is quiet, and then at most every 250 ms, all at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from phoenix_sessions import EventTooLarge, Stream, StreamEvent, sessions

from .coalescer import Coalescer
from .events import Changed, ChangedLarge, Deleted, Edited, Event, Sent, SentLarge, event_of, name_of, payload_of

logger = logging.getLogger("phoenix_sessions.chat")

_DECODED: Final = 256
_decoded: dict[int, tuple[StreamEvent, Event]] = {}  # while an item is here, no other has its id


def conversation_stream(conversation: str) -> Stream:
    """Return what is told of a conversation."""
    return sessions.stream(f"chat.c.{conversation}")


def inbox_stream(participant: str) -> Stream:
    """Return what is told of somebody's inbox.

    ``changed`` with ``{"conversations": [ids]}``, None = read all again; ``disabled``: its owner may be.
    """
    return sessions.stream(f"chat.i.{inbox_key(participant)}")


def inbox_key(participant: str) -> str:
    """Return what stands for a participant where its id may not stand."""
    return hashlib.sha256(participant.encode()).hexdigest()[:40]


def tell(conversation: str, event: Event) -> None:
    """Tell all who follow a conversation; never waits, never raises."""
    try:
        stream = conversation_stream(conversation)
        try:
            stream.publish_nowait(name_of(event), payload_of(event))
        except EventTooLarge:
            smaller = _smaller(event)
            stream.publish_nowait(name_of(smaller), payload_of(smaller))
    except Exception:
        logger.warning("conversation %s: %s could not be told", conversation, name_of(event), exc_info=True)


def tell_inboxes(conversation: str, participants: Iterable[str]) -> None:
    """Tell inboxes that this conversation has changed for them; never waits, never raises.

    Those who were told within the last 250 ms are told when these are over, all that has changed by then at once.
    """
    _inboxes.tell(conversation, participants)


def tell_disabled(participant: str) -> None:
    """Tell who looks at somebody's inbox that its owner may be disabled; never waits, never raises."""
    _publish(participant, "disabled", None)


def event_in(item: StreamEvent) -> Event | None:
    """Return what a stream has told, None = something that this version does not know.

    Those who are given the same item are given the same event.
    """
    if (known := _decoded.get(id(item))) is not None and known[0] is item:
        return known[1]
    try:
        event = event_of(item.payload)
    except msgspec.ValidationError:
        logger.warning("an event %r is not known", item.name)
        return None
    _decoded[id(item)] = item, event
    if len(_decoded) > _DECODED:
        with contextlib.suppress(KeyError, RuntimeError, StopIteration):  # another thread does it just now
            del _decoded[next(iter(_decoded))]
    return event


def _smaller(event: Event) -> Event:
    """Return what is told instead of an event that is too large."""
    match event:
        case Sent(message):
            return SentLarge(message.conversation, message.seq)
        case Edited(message) | Deleted(message):
            return ChangedLarge(message.conversation, message.id)
        case Changed(conversation):
            return Changed(msgspec.structs.replace(conversation, members=()))
    return event


def _tell_inbox(participant: str, conversations: list[str] | None) -> None:
    _publish(participant, "changed", {"conversations": conversations})


def _publish(participant: str, name: str, payload: Any) -> None:
    try:
        inbox_stream(participant).publish_nowait(name, payload)
    except Exception:
        logger.warning("the inbox of %r could not be told", participant, exc_info=True)


_inboxes = Coalescer(_tell_inbox)


def _tell_rest(seconds: float) -> None:
    _inboxes.flush()


sessions.at_stop(_tell_rest, after=True)  # after the last messages, before the streams end
