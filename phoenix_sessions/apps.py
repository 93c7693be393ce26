"""The Django app: wires settings, login and checks to ``sessions``; starts no thread and no session."""

from __future__ import annotations

import logging
from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest

logger = logging.getLogger("phoenix_sessions")


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
        warn_of_several(sessions.config.backend.shared)


def warn_of_several(shared: bool) -> None:
    """Log it if this is one of several workers of a server, which run no checks, and nothing is shared."""
    from .workers import asked, server

    workers = asked()
    if not shared and server() is not None and workers is not None and workers.number > 1:
        logger.warning(
            "%s asks for %d workers, but sessions are in the memory of one process: a visitor whose requests reach "
            "different workers has a different session in each (see check phoenix_sessions.W008)",
            workers.source,
            workers.number,
        )


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
