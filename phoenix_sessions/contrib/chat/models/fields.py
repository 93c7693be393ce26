"""Fields of our own."""

from __future__ import annotations

import enum
import json
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


class KeptJSONField(models.JSONField):
    """JSON that stays as it was given.

    Django's own is ``jsonb`` on PostgreSQL, which gives ``1e308`` back as 309 digits: what was small enough when it was
    sent would be fifty times as large for whoever reads it. As ``json`` it costs the server less, too.
    """

    def db_type(self, connection: Any) -> str:
        """Return the column's type."""
        kind: str = "json" if connection.vendor == "postgresql" else super().db_type(connection)
        return kind

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """Have the database give the text, which ``from_db_value`` reads."""
        return (f"CAST({sql} AS text)" if compiler.connection.vendor == "postgresql" else sql), params

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Return the text that is stored; by way of ``jsonb`` it would be another."""
        if connection.vendor != "postgresql" or hasattr(value, "as_sql"):
            return super().get_db_prep_value(value, connection, prepared)
        return json.dumps(value, cls=self.encoder)


def word(kind: type[enum.StrEnum], **options: Any) -> models.CharField:
    """Return a field for one of an enum's words."""
    choices = [(each.value, each.value.replace("_", " ")) for each in kind]
    return models.CharField(max_length=16, choices=choices, **options)
