"""The words that a participant, a conversation, a message and a delivery are described with."""

from __future__ import annotations

import enum
from typing import Final


class ParticipantKind(enum.StrEnum):
    """Who somebody is."""

    USER = "user"
    AGENT = "agent"
    SYSTEM = "system"


class ParticipantStatus(enum.StrEnum):
    """Whether somebody may send."""

    ACTIVE = "active"
    DISABLED = "disabled"


class ConversationKind(enum.StrEnum):
    """Who talks: two people, somebody and an agent, or any number."""

    HUMAN_DM = "human_dm"
    AGENT_DM = "agent_dm"
    GROUP = "group"


class ConversationStatus(enum.StrEnum):
    """How far a conversation is; it never goes back."""

    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"


class Role(enum.StrEnum):
    """What a member may do: owners of a group rename and close it, and say who is in it."""

    OWNER = "owner"
    MEMBER = "member"


class MessageKind(enum.StrEnum):
    """What a message is."""

    TEXT = "text"
    SYSTEM = "system"
    TOOL_CALL = "tool_call"
    ASSISTANT = "assistant"


_COMMON: Final = frozenset((MessageKind.TEXT, MessageKind.TOOL_CALL))
MAY_SEND: Final = {
    ParticipantKind.USER: _COMMON,
    ParticipantKind.AGENT: _COMMON | {MessageKind.ASSISTANT},
    ParticipantKind.SYSTEM: frozenset(MessageKind),
}
"""Which kinds of messages somebody may send, by who it is."""


class AgentAuth(enum.StrEnum):
    """How an agent's endpoint knows that it is us."""

    NONE = "none"
    BEARER = "bearer"
    HMAC = "hmac"


class DeliveryStatus(enum.StrEnum):
    """How one try of a delivery ended; ``pending``: it has not, or its worker has died over it."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    TIMEOUT = "timeout"
