"""Messages."""

from __future__ import annotations

from django.db import models

from ..ids import LENGTH
from ..kinds import MessageKind
from .conversations import ConversationRow
from .fields import KeyField, word
from .participants import ParticipantRow


class MessageRow(models.Model):
    """A message; its fields are those of ``types.Message``, and ``shard_key`` is its conversation's."""

    id = KeyField(max_length=LENGTH, primary_key=True)
    conversation = models.ForeignKey(
        ConversationRow, models.CASCADE, related_name="messages", db_index=False, db_constraint=False
    )
    seq = models.BigIntegerField()
    sender = models.ForeignKey(
        ParticipantRow, models.PROTECT, related_name="messages", db_index=False, db_constraint=False
    )
    kind = word(MessageKind)
    content = models.JSONField()
    metadata = models.JSONField(default=dict, blank=True)
    client_id = models.CharField(max_length=128, null=True, blank=True)
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    shard_key = models.SmallIntegerField()

    class Meta:
        """The table: the order, the repeats, and what somebody has sent since a mark."""

        db_table = "phoenix_chat_message"
        verbose_name = "message"
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="phoenix_chat_order"),
            models.UniqueConstraint(fields=["conversation", "sender", "client_id"], name="phoenix_chat_once"),
        ]
        indexes = [models.Index(fields=["conversation", "sender", "seq"], name="phoenix_chat_sent")]

    def __str__(self) -> str:
        """Return the conversation and the place."""
        return f"{self.conversation_id} {self.seq}"
