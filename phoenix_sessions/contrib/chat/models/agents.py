"""Where agents are, and what became of what was sent to them."""

from __future__ import annotations

from django.db import models

from ..ids import LENGTH
from ..kinds import AgentAuth, DeliveryStatus, ParticipantStatus
from .conversations import ConversationRow
from .fields import KeyField, word
from .participants import ParticipantRow


class AgentEndpoint(models.Model):
    """An agent's endpoint; its fields are those of ``endpoints.Endpoint``."""

    agent = models.OneToOneField(ParticipantRow, models.CASCADE, primary_key=True, related_name="endpoint")
    url = models.CharField(max_length=2000)
    auth = word(AgentAuth, default=AgentAuth.NONE.value)
    secret = models.CharField(max_length=1000, blank=True)
    headers = models.JSONField(default=dict, blank=True)
    timeout = models.FloatField()
    status = word(ParticipantStatus, default=ParticipantStatus.ACTIVE.value)

    class Meta:
        """The table."""

        db_table = "phoenix_chat_agent"
        verbose_name = "agent endpoint"

    def __str__(self) -> str:
        """Return the agent's id."""
        return str(self.agent_id)


class DeliveryLog(models.Model):
    """One try of a delivery; its fields are those of ``endpoints.Delivery``."""

    agent = models.ForeignKey(ParticipantRow, models.CASCADE, related_name="deliveries", db_index=False)
    conversation = models.ForeignKey(ConversationRow, models.CASCADE, related_name="deliveries", db_index=False)
    webhook_id = KeyField(max_length=LENGTH)
    last_seq = models.BigIntegerField()
    attempt = models.IntegerField()
    status = word(DeliveryStatus)
    http_status = models.IntegerField(null=True, blank=True)
    latency_ms = models.IntegerField(default=0)
    error = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        """The table."""

        db_table = "phoenix_chat_delivery"
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["agent", "-id"], name="phoenix_chat_deliveries"),
            models.Index(fields=["conversation", "-id"], name="phoenix_chat_tries"),
        ]

    def __str__(self) -> str:
        """Return who, and which try."""
        return f"{self.agent_id} {self.webhook_id} {self.attempt}"
