"""The Django site that the bench runs in: no limit in the way, no settings file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django
from django.conf import settings


def configure(django_settings: Mapping[str, Any] | None = None, /, **phoenix_sessions: Any) -> None:
    """Set Django up, once in a process.

    Args:
        django_settings: Settings of Django's that the group needs, MIDDLEWARE for instance.
        **phoenix_sessions: Keys of PHOENIX_SESSIONS. By default the package's defaults, but for the two limits that
            would stop a bench: how fast sessions may start, and how many.
    """
    settings.configure(
        **{
            "SECRET_KEY": "bench",
            "DEBUG": False,
            "INSTALLED_APPS": ["phoenix_sessions"],
            "PHOENIX_SESSIONS": {"RATE_LIMIT": None, "MAX_SESSIONS": 10_000_000, **phoenix_sessions},
            **(django_settings or {}),
        }
    )
    django.setup()
