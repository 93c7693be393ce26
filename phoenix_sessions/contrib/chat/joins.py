"""What whoever joins a conversation is given first.

Rules:
    1. Without ``after_seq`` it is the newest page; with it, all that is missing, up to ``LARGEST_GAP``.
    2. Where more is missing, or ``after_seq`` is none of this conversation, it is the newest page, and that is said.
    3. Where some of what is missing was removed as too old, it is what is left, and that is said in the same way.
"""

from __future__ import annotations

import msgspec

from . import storage
from .conf import get_config
from .types import Conversation, Message


class Joined(msgspec.Struct, frozen=True):
    """What whoever joins is given first.

    Attributes:
        messages: Ascending.
        last_seq: The place of the last message; what ``next`` gives begins after it.
        truncated: Whether more was missing than is given, so that there is a hole before these: they are the newest.
        conversation: With its members.
        more_before: Whether there are earlier messages than these.
    """

    messages: tuple[Message, ...]
    last_seq: int
    truncated: bool
    conversation: Conversation
    more_before: bool


def read_join(conversation: str, viewer: str, after_seq: int | None) -> Joined:
    """Read what whoever joins is given.

    Args:
        conversation: Which.
        viewer: Who joins.
        after_seq: The place of the last message that it has; None = it has none.

    Raises:
        ChatError: ``unauthorized``, ``unavailable``.
    """
    config = get_config()
    if after_seq is not None:
        found = storage.read_after(conversation, viewer, after_seq - 1, config.largest_gap + 2)
        known = bool(found.messages) and found.messages[0].seq == after_seq  # otherwise it was removed, as all before
        missing = found.messages[known:]
        last_seq = found.conversation.last_seq
        if len(missing) <= config.largest_gap and after_seq <= last_seq:
            hole = bool(missing) and missing[0].seq > after_seq + 1
            return Joined(missing, last_seq, hole, found.conversation, more_before=known)
    found = storage.read_newest(conversation, viewer, config.join_page + 1)
    page = found.messages[-config.join_page :]
    truncated = after_seq is not None
    more_before = len(found.messages) > len(page)
    return Joined(page, found.conversation.last_seq, truncated, found.conversation, more_before)
