"""The conversation process and the inbox process: what is hot, in the memory of each worker that needs it.

Rules:
    1. Their truth is the database; see ``followers`` for how they follow it.
    2. A conversation has its newest 100 messages. What comes twice is counted once, and what comes too early waits, by
       ``seq``.
    3. Who is no member any more is none at once, also if a read from before says otherwise.
    4. An inbox has the 50 conversations with the last activity; of those that have changed no others are read. Which
       have gone is numbered, so that who looks now and then misses none; the last 200 are known.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, ClassVar, Final

import msgspec
from channels.db import database_sync_to_async

from phoenix_sessions import SessionError, SessionRef, StreamEvent, sessions

from . import live, storage
from .conf import get_config
from .errors import ChatError, unauthorized
from .events import Removed, Sent
from .followers import Follower, State, afollower
from .intake import LIMIT
from .readers import HOT, Reader, reader_of, submit
from .storage import Following
from .tails import Tail, with_event, with_message, with_read
from .types import InboxItem, Message

INBOX: Final = 50
"""How many conversations of an inbox are in memory (count)."""
GONE: Final = 200
"""Of how many conversations it is known that they have gone from an inbox (count)."""


class ConversationProcess(Follower):
    """A conversation; its state is ``{"conversation": Conversation, "tail": its newest messages, "last_seq": int}``.

    Messages wait until somebody asks, or many have come: what each costs in between is next to nothing.
    """

    later: ClassVar[frozenset[str]] = frozenset(("message", "typing", "stream_chunk", "presence"))

    def begin(self, found: Following) -> State:
        """Return the first state."""
        self._ahead: dict[int, Message] = {}
        self._removed: set[str] = set()
        self._reader: Reader[Following] = reader_of(self.subject)
        return _state(Tail(found.conversation, found.messages))

    def read(self) -> Future[Following]:
        """Read the newest messages, and who is a member."""
        self._removed = set()
        return self._reader.fresh()

    def told(self, event: StreamEvent, state: State) -> State:
        """Return what an event makes of the state."""
        said = live.event_in(event)
        if said is None:
            return state
        before = _tail(state)
        tail, unsure = with_event(before, said)
        match said:
            case Removed(_, participant):
                self._removed.add(participant)
            case Sent(message) if unsure and len(self._ahead) < LIMIT:
                self._ahead[message.seq] = message
        if unsure:
            self.read_again()
        return state if tail is before else _state(self._with_ahead(tail))

    def found(self, found: Following, state: State) -> State:
        """Return what was read makes of the state."""
        members = tuple(each for each in found.conversation.members if each.participant not in self._removed)
        conversation = msgspec.structs.replace(found.conversation, members=members)
        return _state(self._with_ahead(with_read(_tail(state), Following(conversation, found.messages))))

    def _with_ahead(self, tail: Tail) -> Tail:
        """Return it with those that came too early and fit on now."""
        if self._ahead:
            while (message := self._ahead.pop(tail.last_seq + 1, None)) is not None:
                tail = with_message(tail, message)
            self._ahead = {seq: message for seq, message in self._ahead.items() if seq > tail.last_seq}
        return tail


class InboxProcess(Follower):
    """Somebody's inbox.

    Its state is ``{"items": those with the last activity, newest first, "gone": ids of what has gone, by a number,
    "doubts": how often its owner was said to be disabled}``.
    """

    def begin(self, found: tuple[InboxItem, ...]) -> State:
        """Return the first state."""
        self._wanted: set[str] = set()
        self._all = False
        self._number = 0
        return {"items": found, "gone": {}, "doubts": 0}

    def lost(self) -> None:
        """Have all read again."""
        self._all = True

    def read(self) -> Future[Any]:
        """Read what has changed."""
        wanted, everything = self._wanted, self._all
        self._wanted, self._all = set(), False
        if everything:
            return submit(lambda: (None, _read_inbox(self.subject)))
        return submit(lambda: (wanted, _read_items(self.subject, wanted)))

    def told(self, event: StreamEvent, state: State) -> State:
        """Have read what has changed."""
        if event.name == "disabled":
            return {**state, "doubts": state["doubts"] + 1}
        match event.payload:
            case {"conversations": [*ids]}:
                self._wanted.update(ids)
            case _:
                self._all = True
        self.read_again()
        return state

    def found(self, found: tuple[set[str] | None, tuple[InboxItem, ...]], state: State) -> State:
        """Return the items with those that were read, and without those that have gone."""
        ids, items = found
        if ids is None:
            return self._with_all(items, state)
        gone = ids - ids_of(items)
        if len(state["items"]) >= _room() and gone & ids_of(state["items"]):  # another one has room now
            self.lost()
            self.read_again()
        rest = [item for item in state["items"] if item.conversation.id not in ids]
        newest = tuple(sorted([*rest, *items], key=activity, reverse=True)[: _room()])
        return {**state, "items": newest, "gone": self._with_gone(state["gone"], gone, ids_of(items))}

    def _with_all(self, items: tuple[InboxItem, ...], state: State) -> State:
        """Return all that was read; what is missing has gone, or others have come before it: that is asked."""
        missing = ids_of(state["items"]) - ids_of(items)
        unsure = missing if len(items) >= _room() else set()
        if unsure:
            self._wanted.update(unsure)
            self.read_again()
        return {**state, "items": items, "gone": self._with_gone(state["gone"], missing - unsure, ids_of(items))}

    def _with_gone(self, known: dict[int, str], gone: set[str], there: set[str]) -> dict[int, str]:
        if not gone and there.isdisjoint(known.values()):
            return known
        kept = {number: id for number, id in known.items() if id not in gone | there}
        for id in sorted(gone):
            self._number += 1
            kept[self._number] = id
        return dict(list(kept.items())[-GONE:])


def activity(item: InboxItem) -> tuple[datetime.datetime, str]:
    """Return by what an inbox is sorted, the greatest first."""
    return item.active_at, item.conversation.id


def ids_of(items: Iterable[InboxItem]) -> set[str]:
    """Return which conversations these are of."""
    return {item.conversation.id for item in items}


def conversation(conversation: str) -> SessionRef:
    """Return a handle on a conversation's process, whether it runs in this worker or not."""
    return sessions.ref(f"chat-c-{conversation}")


async def aconversation(conversation: str) -> SessionRef:
    """Return a conversation's process in this worker, started if need be.

    Raises:
        ChatError: ``unauthorized`` if there is no such conversation, ``backpressure`` if this worker starts no more
            sessions now, ``unavailable``.
    """
    return await afollower(
        f"chat-c-{conversation}", ConversationProcess, conversation, live.conversation_stream, _read_conversation
    )


async def members_of(conversation: str) -> tuple[str, ...]:
    """Return who is in a conversation, by id, from its process's memory; from the database if there can be none.

    Raises:
        ChatError: ``unauthorized`` if there is no such conversation, ``unavailable``.
    """
    try:
        ref = await aconversation(conversation)
        members = (await ref.aget_state())["conversation"].members
    except (ChatError, SessionError) as error:
        if isinstance(error, ChatError) and error.code != "backpressure":
            raise
        read = database_sync_to_async(_read_conversation, thread_sensitive=False)
        members = (await read(conversation, 1)).conversation.members
    return tuple(member.participant for member in members)


async def ainbox(participant: str) -> SessionRef:
    """Return the process of somebody's inbox in this worker, started if need be.

    Raises:
        ChatError: ``invalid`` if it can be nobody, ``backpressure``, ``unavailable``.
    """
    return await afollower(
        f"chat-i-{live.inbox_key(participant)}", InboxProcess, participant, live.inbox_stream, _read_inbox
    )


def _read_conversation(conversation: str, count: int = HOT) -> Following:
    try:
        return storage.read_newest(conversation, None, count)
    except ChatError as error:
        if error.code == "not_found":
            raise unauthorized() from error
        raise


def _read_inbox(participant: str) -> tuple[InboxItem, ...]:
    return storage.inbox(participant, limit=_room()).items


def _room() -> int:
    return min(INBOX, get_config().max_page_size)


def _read_items(participant: str, ids: set[str]) -> tuple[InboxItem, ...]:
    return storage.inbox_items(participant, ids) if ids else ()


def _tail(state: State) -> Tail:
    return Tail(state["conversation"], state["tail"])


def _state(tail: Tail) -> State:
    return {"conversation": tail.conversation, "tail": tail.messages, "last_seq": tail.last_seq}
