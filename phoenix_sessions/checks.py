"""System checks: what is wrong with a site's settings, and the cure. docs/reference/checks.md lists them."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .conf import get_config
from .core.errors import InvalidReducer
from .manager import sessions

OURS: Final = "phoenix_sessions.middleware.SessionProcessMiddleware"
DJANGOS: Final = "django.contrib.sessions.middleware.SessionMiddleware"
OLDEST_DAPHNE: Final = (4, 2, 2)


def check_all(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return everything that is found."""
    return [*_settings(), *_middleware(), *_channels(), *_daphne(), *_workers()]


def _settings() -> Iterator[checks.CheckMessage]:
    try:
        config = get_config()
    except ImproperlyConfigured as error:
        yield checks.Error(str(error), hint="See the settings reference.", id="phoenix_sessions.E001")
        return
    try:
        sessions.specs.get(config.process)
    except InvalidReducer as error:
        yield checks.Error(
            f"The session process {config.process.__qualname__} cannot be used: {error}",
            hint="Correct its reducers, or the REDUCERS setting.",
            id="phoenix_sessions.E002",
        )


def _middleware() -> Iterator[checks.CheckMessage]:
    middleware = list(settings.MIDDLEWARE or ())
    if OURS not in middleware:
        yield checks.Warning(
            "SessionProcessMiddleware is not in MIDDLEWARE, so requests have no session_process.",
            hint=f"Add {OURS!r} after {DJANGOS!r}.",
            id="phoenix_sessions.W003",
        )
    elif DJANGOS not in middleware or middleware.index(OURS) < middleware.index(DJANGOS):
        yield checks.Error(
            "SessionProcessMiddleware does not come after SessionMiddleware, so requests have no session yet.",
            hint=f"Put {OURS!r} after {DJANGOS!r}.",
            id="phoenix_sessions.E004",
        )


def _channels() -> Iterator[checks.CheckMessage]:
    consumers = sys.modules.get("phoenix_sessions.consumers")
    if consumers is None or not consumers.SessionConsumerMixin.__subclasses__():
        return
    path = getattr(settings, "ASGI_APPLICATION", None)
    try:
        application = import_string(path) if path else None
    except ImportError:
        application = None
    if application is None:
        what = f"ASGI_APPLICATION {path!r} cannot be imported" if path else "there is no ASGI_APPLICATION"
        yield checks.Error(
            f"SessionConsumerMixin is used, but {what} to serve WebSockets.",
            hint="Set ASGI_APPLICATION to the dotted path of a channels ProtocolTypeRouter.",
            id="phoenix_sessions.E005",
        )
        return
    if "websocket" not in getattr(application, "application_mapping", {}):
        yield checks.Error(
            f"SessionConsumerMixin is used, but ASGI_APPLICATION {path!r} routes no WebSockets.",
            hint='Make it a channels ProtocolTypeRouter with a "websocket" entry.',
            id="phoenix_sessions.E006",
        )


def _daphne() -> Iterator[checks.CheckMessage]:
    try:
        version = importlib.metadata.version("daphne")
    except importlib.metadata.PackageNotFoundError:
        return
    if tuple(int(part) for part in version.split(".")[:3] if part.isdecimal()) < OLDEST_DAPHNE:
        yield checks.Warning(
            f"daphne {version} is older than {'.'.join(map(str, OLDEST_DAPHNE))}, which mends WebSocket defects.",
            hint="pip install --upgrade daphne",
            id="phoenix_sessions.W007",
        )


def _workers() -> Iterator[checks.CheckMessage]:
    workers = os.environ.get("WEB_CONCURRENCY", "")
    if workers.isdecimal() and int(workers) > 1:
        yield checks.Warning(
            f"WEB_CONCURRENCY asks for {workers} workers, but sessions are in the memory of one process: a visitor "
            f"whose requests reach different workers has a different session in each.",
            hint="Serve the site with one worker (it may have many threads), or route each visitor to one worker.",
            id="phoenix_sessions.W008",
        )
