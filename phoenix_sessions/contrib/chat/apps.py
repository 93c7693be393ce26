"""The Django app that brings the tables."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import connections

from . import agents  # before anything imports the gateway: they stop before it does
from .conf import get_config


class ChatConfig(AppConfig):
    """``INSTALLED_APPS = [..., "phoenix_sessions", "phoenix_sessions.contrib.chat"]``."""

    name = "phoenix_sessions.contrib.chat"
    label = "phoenix_sessions_chat"
    verbose_name = "Chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and have messages delivered to agents; that starts no thread."""
        checks.register(check_time_zones)
        checks.register(check_database)
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


def check_database(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return an error if the chat cannot be in its database."""
    connection = connections[get_config().database]
    zone = connection.settings_dict["TIME_ZONE"]
    if connection.vendor not in ("postgresql", "sqlite"):
        return [
            checks.Error(
                f"the chat is for PostgreSQL and SQLite, and its database is {connection.display_name}",
                hint="Set PHOENIX_SESSIONS_CHAT['DATABASE'] to the alias of another database.",
                id="phoenix_sessions_chat.E002",
            )
        ]
    if connection.vendor == "sqlite" and zone not in (None, "UTC"):
        return [
            checks.Error(
                f"the chat stores moments in UTC, and its database has the TIME_ZONE {zone!r}",
                hint=f"Take TIME_ZONE out of DATABASES[{connection.alias!r}].",
                id="phoenix_sessions_chat.E003",
            )
        ]
    return []
