"""System checks: what is wrong with a site's settings, and the cure. docs/reference/checks.md lists them."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .conf import Config, get_config
from .core.errors import InvalidReducer
from .manager import sessions
from .process import SessionProcess
from .workers import asked

OURS: Final = "phoenix_sessions.middleware.SessionProcessMiddleware"
DJANGOS: Final = "django.contrib.sessions.middleware.SessionMiddleware"
OLDEST_DAPHNE: Final = (4, 2, 2)


def check_all(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return everything that is found."""
    return [*_settings(), *_middleware(), *_channels(), *_daphne(), *_backend()]


def _settings() -> Iterator[checks.CheckMessage]:
    try:
        config = get_config()
        sessions.backend  # noqa: B018  # which looks at OPTIONS, and asks no engine
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


def _backend() -> Iterator[checks.CheckMessage]:
    try:
        config = get_config()
    except ImproperlyConfigured:
        return  # E001
    if config.backend.shared:
        yield from _classes_elsewhere(config)
    else:
        yield from _workers()
        yield from _durability(config)


def _workers() -> Iterator[checks.CheckMessage]:
    workers = asked()
    if workers is not None and workers.number > 1:
        yield checks.Warning(
            f"{workers.source} asks for {workers.number} workers, but sessions are in the memory of one process: a "
            f"visitor whose requests reach different workers has a different session in each.",
            hint="Set BACKEND to a shared backend, or serve the site with one worker, which may have many threads.",
            id="phoenix_sessions.W008",
        )


def _durability(config: Config) -> Iterator[checks.CheckMessage]:
    wanting = [process for process in _processes() if vars(process).get("durability", "memory") != "memory"]
    names = [f"{process.__module__}.{process.__qualname__}" for process in wanting]
    if config.durability != "memory":
        names.append("the DURABILITY setting")
    if names:
        yield checks.Warning(
            f"{', '.join(names)}: a durability other than 'memory', but {config.backend.__qualname__} is in the memory "
            f"of one process, so nothing outlives it.",
            hint="Set BACKEND to a shared backend, or leave the durability away.",
            id="phoenix_sessions.W009",
        )


def _classes_elsewhere(config: Config) -> Iterator[checks.CheckMessage]:
    process = config.process
    if getattr(process, "durability", config.durability) != "memory" and not _is_installed(process):
        yield checks.Error(
            f"The session process {process.__module__}.{process.__qualname__} is in no installed app, so a worker that "
            f"did not start a session of it cannot load it.",
            hint="Move the class into an app of INSTALLED_APPS, or add the package that it is in.",
            id="phoenix_sessions.E010",
        )


def _processes() -> Iterator[type[SessionProcess]]:
    """Return the session processes of installed apps, as far as they have been imported."""
    left = [SessionProcess]
    while left:
        process = left.pop()
        left += process.__subclasses__()
        if _is_installed(process):
            yield process


def _is_installed(process: type[SessionProcess]) -> bool:
    """Return whether other workers may look for the class, as ``shared.processes.find_process`` does."""
    package = process.__module__.partition(".")[0]
    return any(app.module.__name__.partition(".")[0] == package for app in apps.get_app_configs() if app.module)
