"""What an agent is given: the messages that others have sent since the last time.

Rules:
    1. A delivery begins after what the agent was given last, and ends with the last message that is in it. Its id
       follows from these two, so it is the same on each try, also by another worker after this one has died: the log
       says where it ends.
    2. The reply's client_id follows from the first part of that id, which says where the delivery began: of all that
       begin there, one reply is stored.
    3. The agent's own messages and deleted ones are left out. What is too large for one delivery goes into the next.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Final

import msgspec

from ..types import Conversation, Message

_BEGIN: Final = 16
_REPLY: Final = "webhook-"
_END: Final = 10  # hexadecimal digits of the last message's seq; together with the begin, as long as a ULID


_is_end = re.compile(rf"[0-9a-f]{{{_END}}}").fullmatch


class Turn(msgspec.Struct, frozen=True):
    """What an agent is given, as it is; an endpoint gets it as JSON.

    Attributes:
        webhook_id: The delivery's.
        agent: Who it is for.
        conversation: Where.
        messages: What others have sent, ascending; at least one.
        last_seq: The place of the last message that it has, or has left out.
    """

    webhook_id: str
    agent: str
    conversation: Conversation
    messages: tuple[Message, ...]
    last_seq: int

    @property
    def text(self) -> str:
        """Return the texts of the messages, each in a line of its own."""
        texts = (message.content.get("text") for message in self.messages)
        return "\n".join(text for text in texts if isinstance(text, str))


def make_turn(conversation: Conversation, agent: str, after: int, page: Iterable[Message], most: int) -> Turn:
    """Return what of a page goes into one delivery; there may be no message in it.

    Args:
        conversation: Where.
        agent: Who it is for.
        after: How far it was given the conversation before.
        page: The messages after that, ascending, at least one.
        most: How large they may be together (bytes); the first may be larger.
    """
    messages: list[Message] = []
    last_seq = after
    for message in page:
        if message.sender != agent and message.deleted_at is None:
            most -= len(msgspec.json.encode(message))
            if most < 0 and messages:
                break
            messages.append(message)
        last_seq = message.seq
    return Turn(
        _begin(conversation.id, agent, after) + f"{last_seq:0{_END}x}", agent, conversation, tuple(messages), last_seq
    )


def begins(webhook_id: str, conversation: str, agent: str, after: int) -> bool:
    """Return whether a delivery begins here."""
    return webhook_id.startswith(_begin(conversation, agent, after))


def reply_id(webhook_id: str) -> str:
    """Return the client_id of the reply to a delivery."""
    return _REPLY + webhook_id[:_BEGIN]


def is_reply(message: Message) -> bool:
    """Return whether a message is the reply to a delivery."""
    return message.client_id is not None and message.client_id.startswith(_REPLY)


def answered(page: Iterable[Message], conversation: str, agent: str, after: int) -> int | None:
    """Return up to where a stored reply answers what begins here, None = there is none.

    Whoever stored it has died before it could say so.
    """
    begin = _begin(conversation, agent, after)
    for message in page:
        if message.sender == agent and message.client_id == reply_id(begin):
            end = str(message.metadata.get("webhook_id", ""))[_BEGIN:]
            if _is_end(end) and int(end, 16) > after:  # otherwise the agent has edited it
                return int(end, 16)
    return None


def _begin(conversation: str, agent: str, after: int) -> str:
    digest = hashlib.sha256(f"{conversation} {agent} {after}".encode()).digest()
    return base64.b32hexencode(digest).decode()[:_BEGIN]
