"""The Django site that the bench runs in: no limit in the way, no settings file."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings


def configure(**phoenix_sessions: Any) -> None:
    """Set Django up, with these keys of PHOENIX_SESSIONS."""
    settings.configure(
        SECRET_KEY="bench",
        INSTALLED_APPS=["phoenix_sessions"],
        PHOENIX_SESSIONS={"RATE_LIMIT": None, "MAX_SESSIONS": 10_000_000, **phoenix_sessions},
    )
    django.setup()
