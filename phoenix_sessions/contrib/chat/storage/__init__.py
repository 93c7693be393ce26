"""The truth: the only place that asks the database.

Rules:
    1. Functions are sync, run on Django's connection of the calling thread, and raise ``ChatError``.
    2. What changes something is one transaction. What reads needs none: it reads the conversation first, and what
       belongs to it up to there.
    3. Whoever changes a conversation, its members or its messages' order holds the conversation's row.
    4. ``viewer`` is who asks, and must be a member; None = the site itself, which may see everything.
"""

from __future__ import annotations

from .agents import agent_endpoint, register_agent, set_agent_status, update_agent
from .appending import append_batch
from .changing import delete_message, edit_message
from .conversations import (
    archive_conversation,
    close_conversation,
    rename_conversation,
    show_conversation,
)
from .creating import create_conversation
from .deliveries import delivered_seq, list_deliveries, log_delivery, mark_delivered, tries_in
from .following import Following, read_after, read_newest
from .history import find_message, history
from .inbox import inbox, inbox_items, list_conversations
from .marks import mark_read
from .members import add_member, list_members, remove_member
from .participants import (
    create_participant,
    list_participants,
    set_participant_status,
    show_participant,
    update_participant,
)

__all__ = [
    "Following",
    "add_member",
    "agent_endpoint",
    "append_batch",
    "archive_conversation",
    "close_conversation",
    "create_conversation",
    "create_participant",
    "delete_message",
    "delivered_seq",
    "edit_message",
    "find_message",
    "history",
    "inbox",
    "inbox_items",
    "list_conversations",
    "list_deliveries",
    "list_members",
    "list_participants",
    "log_delivery",
    "mark_delivered",
    "mark_read",
    "read_after",
    "read_newest",
    "register_agent",
    "remove_member",
    "rename_conversation",
    "set_agent_status",
    "set_participant_status",
    "show_conversation",
    "show_participant",
    "tries_in",
    "update_agent",
    "update_participant",
]
