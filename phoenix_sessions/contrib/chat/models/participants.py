"""Who may be in conversations."""

from __future__ import annotations

from django.db import models

from ..kinds import ParticipantKind, ParticipantStatus
from .fields import KeptJSONField, KeyField, word


class ParticipantRow(models.Model):
    """A participant; its fields are those of ``types.Participant``."""

    id = KeyField(max_length=128, primary_key=True)
    kind = word(ParticipantKind)
    display_name = models.CharField(max_length=255, blank=True)
    status = word(ParticipantStatus, default=ParticipantStatus.ACTIVE.value)
    metadata = KeptJSONField(default=dict, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        """The table."""

        db_table = "phoenix_chat_participant"
        verbose_name = "participant"
        indexes = [models.Index(fields=["kind", "status", "id"], name="phoenix_chat_kind_status")]

    def __str__(self) -> str:
        """Return the id."""
        return str(self.id)
