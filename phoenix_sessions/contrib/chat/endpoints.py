"""Agents as they are passed around: where they are, and what became of what was sent to them."""

from __future__ import annotations

import datetime

import msgspec

from .kinds import AgentAuth, DeliveryStatus, ParticipantStatus


class Endpoint(msgspec.Struct, frozen=True):
    """Where an agent is.

    Attributes:
        agent: The participant that it is.
        url: Where messages for it are posted.
        auth: How it knows that it is us.
        headers: What is sent along, by name.
        timeout: How long an answer may take (seconds).
        status: Whether anything is sent to it.
        secret: The bearer token, or the key of signatures; never part of a text of this value.
    """

    agent: str
    url: str
    auth: AgentAuth
    headers: dict[str, str]
    timeout: float
    status: ParticipantStatus
    secret: str = ""

    def __repr__(self) -> str:
        """Return a text without the secret and the headers, which may hold one."""
        return f"Endpoint(agent={self.agent!r}, url={self.url!r}, auth={str(self.auth)!r}, status={str(self.status)!r})"


class Delivery(msgspec.Struct, frozen=True):
    """One try to send an agent its messages.

    Attributes:
        agent: Who.
        conversation: Of which conversation.
        webhook_id: The same on every try of one delivery.
        last_seq: The place of the last message that was in it.
        attempt: Which try: 1, 2, 3, …
        status: How it ended.
        http_status: What the endpoint answered, None = it did not.
        latency_ms: How long that took (milliseconds).
        error: What went wrong, empty = nothing.
        created_at: When; None = now, when it is logged.
        id: Its place in the log, later ones are greater; 0 = not logged yet.
    """

    agent: str
    conversation: str
    webhook_id: str
    last_seq: int
    attempt: int
    status: DeliveryStatus
    http_status: int | None = None
    latency_ms: int = 0
    error: str = ""
    created_at: datetime.datetime | None = None
    id: int = 0


class DeliveryPage(msgspec.Struct, frozen=True):
    """Some tries, the last first.

    Attributes:
        deliveries: The tries.
        cursor: Where the next page begins, None = this is the last.
    """

    deliveries: tuple[Delivery, ...]
    cursor: str | None
