"""The Django app: wires settings, login and checks to ``sessions``; starts no thread and no session."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest


class PhoenixSessionsConfig(AppConfig):
    """``INSTALLED_APPS = [..., "phoenix_sessions"]``."""

    name = "phoenix_sessions"
    verbose_name = "Session processes"

    def ready(self) -> None:
        """Build the supervisor and connect what tells us about settings and logins."""
        from .checks import check_all
        from .inspection import serve
        from .manager import sessions

        setting_changed.connect(_reload, dispatch_uid="phoenix_sessions.settings")
        user_logged_in.connect(_rotate, dispatch_uid="phoenix_sessions.login")
        checks.register(check_all)
        sessions.companion = serve
        try:
            sessions.setup()
        except ImproperlyConfigured:
            return  # check phoenix_sessions.E001 says it better, with every other finding


def _reload(*, setting: str, **kwargs: Any) -> None:
    from .conf import NAME, get_config
    from .manager import sessions

    if setting in (NAME, "DEBUG"):
        get_config.cache_clear()
        try:
            sessions.reconfigure()
        except ImproperlyConfigured:
            return  # the first use raises it to whoever can mend it


def _rotate(*, request: HttpRequest | None, **kwargs: Any) -> None:
    from .identity import rotate_id
    from .middleware import attach

    if getattr(request, "session", None) is not None:
        rotate_id(request)
        attach(request)
