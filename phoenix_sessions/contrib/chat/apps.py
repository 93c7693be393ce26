"""The Django app that brings the tables."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from . import agents  # before anything imports the gateway: they stop before it does


class ChatConfig(AppConfig):
    """``INSTALLED_APPS = [..., "phoenix_sessions", "phoenix_sessions.contrib.chat"]``."""

    name = "phoenix_sessions.contrib.chat"
    label = "phoenix_sessions_chat"
    verbose_name = "Chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the check, and have messages delivered to agents; that starts no thread."""
        checks.register(check_time_zones)
        agents.install()


def check_time_zones(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return an error if moments have no time zone on this site."""
    if settings.USE_TZ:
        return []
    return [
        checks.Error(
            "the chat stores moments with their time zone, and USE_TZ is False",
            hint="Set USE_TZ = True.",
            id="phoenix_sessions_chat.E001",
        )
    ]
