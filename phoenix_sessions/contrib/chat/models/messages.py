"""Messages."""

from __future__ import annotations

from django.db import models

from ..ids import LENGTH
from ..kinds import MessageKind
from .conversations import ConversationRow
from .fields import KeptJSONField, KeyField, word
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
    content = KeptJSONField()
    metadata = KeptJSONField(default=dict, blank=True)
    client_id = models.CharField(max_length=128, null=True, blank=True)
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    shard_key = models.SmallIntegerField()

    class Meta:
        """The table: the order, the repeats, and what somebody has sent since a mark.

        Each index has a condition that holds of every row it is for, and that only the statements say which are meant
        to use it. All three begin with the conversation, and PostgreSQL, which knows how large conversations are on
        average, would take any of them: in one of a hundred thousand messages, that would be most of them for each.
        """

        db_table = "phoenix_chat_message"
        verbose_name = "message"
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "seq"], condition=models.Q(seq__gt=0), name="phoenix_chat_order"
            ),
            models.UniqueConstraint(
                fields=["conversation", "sender", "client_id"],
                condition=models.Q(client_id__isnull=False),
                name="phoenix_chat_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["conversation", "sender", "seq"], condition=models.Q(sender__gt=""), name="phoenix_chat_sent"
            )
        ]

    def __str__(self) -> str:
        """Return the conversation and the place."""
        return f"{self.conversation_id} {self.seq}"
