"""Conversations, and who is in them."""

from __future__ import annotations

from django.db import models

from ..ids import LENGTH
from ..kinds import ConversationKind, ConversationStatus, Role
from .fields import KeptJSONField, KeyField, word
from .participants import ParticipantRow


class ConversationRow(models.Model):
    """A conversation; its fields are those of ``types.Conversation``, and two more.

    Attributes:
        shard_key: 0 to 1023, from the id.
        pair_key: The two of a DM that is the pair's own, None = it is not.
    """

    id = KeyField(max_length=LENGTH, primary_key=True)
    kind = word(ConversationKind)
    status = word(ConversationStatus, default=ConversationStatus.OPEN.value)
    title = models.CharField(max_length=255, blank=True)
    metadata = KeptJSONField(default=dict, blank=True)
    last_seq = models.BigIntegerField(default=0)
    last_message_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    shard_key = models.SmallIntegerField()
    pair_key: models.CharField = KeyField(max_length=257, null=True, blank=True, unique=True)

    class Meta:
        """The table."""

        db_table = "phoenix_chat_conversation"
        verbose_name = "conversation"

    def __str__(self) -> str:
        """Return the id."""
        return str(self.id)


class Membership(models.Model):
    """That somebody is in a conversation.

    Attributes:
        conversation: Where.
        participant: Who.
        role: What it may do.
        last_read_seq: How far it has read.
        delivered_seq: How far an agent has been given what others sent.
        joined_at: Since when.
    """

    conversation = models.ForeignKey(ConversationRow, models.CASCADE, related_name="memberships", db_index=False)
    participant = models.ForeignKey(ParticipantRow, models.PROTECT, related_name="memberships", db_index=False)
    role = word(Role, default=Role.MEMBER.value)
    last_read_seq = models.BigIntegerField(default=0)
    delivered_seq = models.BigIntegerField(default=0)
    joined_at = models.DateTimeField()

    class Meta:
        """The table: found by the conversation, and by the participant."""

        db_table = "phoenix_chat_membership"
        constraints = [models.UniqueConstraint(fields=["conversation", "participant"], name="phoenix_chat_member")]
        indexes = [models.Index(fields=["participant", "conversation"], name="phoenix_chat_inbox")]

    def __str__(self) -> str:
        """Return who is where."""
        return f"{self.participant_id} in {self.conversation_id}"
