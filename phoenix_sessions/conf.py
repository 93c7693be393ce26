"""The settings: one dict, ``PHOENIX_SESSIONS``, with its defaults in one place.

Rules:
    1. Read when first needed, kept, and read anew when Django's ``setting_changed`` says so.
    2. An unknown key or a value of the wrong kind is ImproperlyConfigured, with the nearest right key or the rule.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .backends.base import Backend
from .core.action import Action
from .core.limits import Rate, parse_rate
from .core.reducer import Reducer
from .process import DURABILITIES, SessionProcess, idle_time
from .runtime.clock import Clock, SystemClock
from .runtime.spec import UnmatchedHandler

logger = logging.getLogger("phoenix_sessions")

NAME: Final = "PHOENIX_SESSIONS"

DEFAULTS: Final[Mapping[str, Any]] = {
    "SESSION_PROCESS": "phoenix_sessions.SessionProcess",
    "REDUCERS": [],
    "SESSION_TTL": 3600,
    "MAX_SESSIONS": 10_000,
    "RATE_LIMIT": "100/m",
    "UNMATCHED_ACTION_HANDLER": "log",
    "HISTORY_LIMIT": 100,
    "MAX_EFFECTS": 10,
    "CALL_TIMEOUT": 5,
    "KEEP_ALIVE_WHILE_SUBSCRIBED": True,
    "AUTO_START": True,
    "BACKEND": "phoenix_sessions.backends.memory.MemoryBackend",
    "OPTIONS": {},
    "DURABILITY": None,
    "MAX_STATE_BYTES": 1024 * 1024,
    "PASSIVATE_AFTER": 60,
    "FLUSH_INTERVAL": 1,
    "OWNER_LEASE": 10,
    "BACKEND_PATIENCE": 5,
    "STOP_TIMEOUT": 10,
}


@dataclass(frozen=True)
class Config:
    """The settings, checked and converted.

    Attributes:
        process: The class of sessions that are started without one.
        reducers: What the default process mounts.
        ttl: Idle time after which a session expires (seconds), None = never.
        max_sessions: How many may run at once (count).
        rate: How fast new ones may start, None = no limit.
        unmatched: Told about actions that nothing matched.
        history_limit: How many entries of history a session keeps (count), 0 = none.
        max_effects: How many effects of one session run at once (count).
        debug: Whether sessions get the checks of development.
        call_timeout: How long calls wait (seconds).
        keep_alive: Whether sessions with subscribers do not expire.
        auto_start: Whether the first use of ``request.session_process`` starts a session.
        backend: The class of where sessions live.
        options: What the backend is given.
        durability: Where sessions live whose process class does not say.
        max_state_bytes: How large (bytes) the state of a session in a shared backend may be.
        passivate_after: How long (seconds) such a session stays in the memory of a worker that does not use it.
        flush_interval: How often (seconds) what was written behind is written.
        owner_lease: How long (seconds) a session that is written behind stays its owner's that is heard of no more.
        backend_patience: How long (seconds) an engine is asked again that cannot be asked.
        stop_timeout: How long (seconds) a stop may take.
    """

    process: type[SessionProcess]
    reducers: list[Any]
    ttl: float | None
    max_sessions: int
    rate: Rate | None
    unmatched: UnmatchedHandler
    history_limit: int
    max_effects: int
    debug: bool
    call_timeout: float
    keep_alive: bool
    auto_start: bool
    backend: type[Backend]
    options: Mapping[str, Any]
    durability: str
    max_state_bytes: int
    passivate_after: float
    flush_interval: float
    owner_lease: float
    backend_patience: float
    stop_timeout: float


@functools.cache
def get_config() -> Config:
    """Return the settings.

    Raises:
        ImproperlyConfigured: A key or a value is wrong.
    """
    values = {**DEFAULTS, **_given()}
    backend = _backend(values["BACKEND"])
    return Config(
        process=_process(values["SESSION_PROCESS"]),
        reducers=[_mount(entry) for entry in _typed(values, "REDUCERS", list | tuple, "a list")],
        ttl=None if values["SESSION_TTL"] is None else _duration(values, "SESSION_TTL"),
        max_sessions=_count(values, "MAX_SESSIONS"),
        rate=_rate(values["RATE_LIMIT"]),
        unmatched=_unmatched(values["UNMATCHED_ACTION_HANDLER"]),
        history_limit=_count(values, "HISTORY_LIMIT", least=0),
        max_effects=_count(values, "MAX_EFFECTS"),
        debug=settings.DEBUG,
        call_timeout=_duration(values, "CALL_TIMEOUT"),
        keep_alive=_typed(values, "KEEP_ALIVE_WHILE_SUBSCRIBED", bool, "True or False"),
        auto_start=_typed(values, "AUTO_START", bool, "True or False"),
        backend=backend,
        options=_typed(values, "OPTIONS", Mapping, "a dict"),
        durability=_durability(values["DURABILITY"], backend),
        max_state_bytes=_count(values, "MAX_STATE_BYTES"),
        passivate_after=_duration(values, "PASSIVATE_AFTER"),
        flush_interval=_duration(values, "FLUSH_INTERVAL"),
        owner_lease=_duration(values, "OWNER_LEASE"),
        backend_patience=_duration(values, "BACKEND_PATIENCE"),
        stop_timeout=_duration(values, "STOP_TIMEOUT"),
    )


def make_backend(config: Config, clock: Clock) -> Backend:
    """Return the backend of the settings.

    Args:
        config: The settings.
        clock: The worker's; one that is not the system's is the backend's too, in place of the engine's.

    Raises:
        ImproperlyConfigured: OPTIONS is not for it.
    """
    try:
        return config.backend(config.options, None if isinstance(clock, SystemClock) else clock)
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f'{NAME}["OPTIONS"] is not for {config.backend.__qualname__}: {error}') from error


def _given() -> Mapping[str, Any]:
    given = getattr(settings, NAME, {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"{NAME} is {given!r}: it must be a dict")
    for key in given:
        if key not in DEFAULTS:
            near = difflib.get_close_matches(str(key).upper(), DEFAULTS, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(DEFAULTS)}"
            raise ImproperlyConfigured(f"{NAME} has the unknown key {key!r}: {hint}")
    return given


def _wrong(key: str, value: object, rule: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f'{NAME}["{key}"] is {value!r}: it must be {rule}')


def _typed(values: Mapping[str, Any], key: str, kind: Any, rule: str) -> Any:
    if not isinstance(values[key], kind):
        raise _wrong(key, values[key], rule)
    return values[key]


def _duration(values: Mapping[str, Any], key: str) -> float:
    with contextlib.suppress(ValueError):
        if (duration := idle_time(values[key])) is not None:
            return duration
    raise _wrong(key, values[key], "a positive number of seconds or a timedelta")


def _count(values: Mapping[str, Any], key: str, least: int = 1) -> int:
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _wrong(key, value, "a positive whole number" if least else "a whole number, 0 or more")
    return value


def _rate(value: object) -> Rate | None:
    if value is None:
        return None
    try:
        return parse_rate(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise _wrong("RATE_LIMIT", value, "a count and a unit such as '100/m' (s, m or h), or None") from None


def _import(key: str, path: object) -> Any:
    try:
        return import_string(path)
    except (ImportError, AttributeError, TypeError) as error:
        raise ImproperlyConfigured(f'{NAME}["{key}"] names {path!r}, which cannot be imported: {error}') from error


def _process(path: object) -> type[SessionProcess]:
    process = _import("SESSION_PROCESS", path) if isinstance(path, str) else path
    if not isinstance(process, type) or not issubclass(process, SessionProcess):
        raise _wrong("SESSION_PROCESS", path, "the dotted path of a subclass of phoenix_sessions.SessionProcess")
    return process


def _backend(path: object) -> type[Backend]:
    backend = _import("BACKEND", path) if isinstance(path, str) else path
    if not isinstance(backend, type) or not issubclass(backend, Backend):
        raise _wrong("BACKEND", path, "the dotted path of a subclass of phoenix_sessions.backends.base.Backend")
    return backend


def _durability(value: object, backend: type[Backend]) -> str:
    if value is None:
        return "write_through" if backend.shared else "memory"
    if value not in DURABILITIES:
        raise _wrong("DURABILITY", value, f"one of {', '.join(DURABILITIES)}, or None for what goes with the backend")
    return str(value)


def _mount(entry: Any) -> Any:
    """Return an entry of REDUCERS with its dotted path imported: a path, or (name, path[, prefix])."""
    if isinstance(entry, str):
        return _reducer(entry)
    if isinstance(entry, tuple | list) and len(entry) in (2, 3) and isinstance(entry[1], str):
        return (entry[0], _reducer(entry[1]), *entry[2:])
    raise _wrong("REDUCERS", entry, "a list of dotted paths, (name, path) or (name, path, prefix)")


def _reducer(path: str) -> type[Reducer]:
    reducer = _import("REDUCERS", path)
    if not isinstance(reducer, type) or not issubclass(reducer, Reducer):
        raise _wrong("REDUCERS", path, "a list of paths of subclasses of phoenix_sessions.Reducer")
    return reducer


def _unmatched(value: object) -> UnmatchedHandler:
    if value == "silent":
        return _ignore
    if value in ("log", "warn"):
        return functools.partial(_log, logging.DEBUG if value == "log" else logging.WARNING)
    handler: Callable[..., None] = _import("UNMATCHED_ACTION_HANDLER", value) if isinstance(value, str) else value  # type: ignore[assignment]
    if not callable(handler):
        raise _wrong("UNMATCHED_ACTION_HANDLER", value, "'log', 'warn', 'silent' or the dotted path of a function")
    return handler


def _ignore(action: Action, reducer: Reducer | None, name: str | None) -> None:
    """Say nothing."""


def _log(level: int, action: Action, reducer: Reducer | None, name: str | None) -> None:
    if reducer is None:
        logger.log(level, "action %r was sent to no reducer: no mount has its prefix", action.type)
    else:
        logger.log(level, "reducer %r does not know action %r", name, action.type)
