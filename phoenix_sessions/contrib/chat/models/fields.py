"""Fields of our own."""

from __future__ import annotations

import enum
from typing import Any

from django.db import models


class KeyField(models.CharField):
    """A text that is only compared as a whole.

    Django adds an index for LIKE to a ``varchar`` that is unique on PostgreSQL; this is the same type by its long name,
    and every message is spared the writing of such an index.
    """

    def db_type(self, connection: Any) -> str:
        """Return the column's type."""
        if connection.vendor == "postgresql":
            return f"character varying({self.max_length})"
        kind: str = super().db_type(connection)
        return kind


def word(kind: type[enum.StrEnum], **options: Any) -> models.CharField:
    """Return a field for one of an enum's words."""
    choices = [(each.value, each.value.replace("_", " ")) for each in kind]
    return models.CharField(max_length=16, choices=choices, **options)
