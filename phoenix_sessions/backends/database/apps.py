"""The Django app that brings the tables."""

from __future__ import annotations

from django.apps import AppConfig


class DatabaseConfig(AppConfig):
    """``INSTALLED_APPS = [..., "phoenix_sessions", "phoenix_sessions.backends.database"]``."""

    name = "phoenix_sessions.backends.database"
    label = "phoenix_sessions_database"
    verbose_name = "Session processes: database"
    default_auto_field = "django.db.models.BigAutoField"
