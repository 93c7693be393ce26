"""The tables.

Rules:
    1. Only ``storage`` and the admin use them.
    2. A key that is part of a message's rows has no second index for LIKE, which PostgreSQL would otherwise keep too.
    3. Messages have no foreign keys in the database: an append holds the conversation and has seen the membership, and
       a table without them can be partitioned.
"""

from __future__ import annotations

from .agents import AgentEndpoint, DeliveryLog
from .conversations import ConversationRow, Membership
from .messages import MessageRow
from .participants import ParticipantRow

__all__ = ["AgentEndpoint", "ConversationRow", "DeliveryLog", "Membership", "MessageRow", "ParticipantRow"]
