"""Telemetry events as lines in the log.

Rules:
    1. Attach it once, for instance in an ``AppConfig.ready``; attaching again replaces the levels.
    2. A line begins with the event's name without the package, and tells measurements and metadata as key=value.
    3. What fails is a WARNING or an ERROR, what comes and goes is INFO, what happens for every message is DEBUG.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final

from ..runtime import telemetry

NAME: Final = "phoenix_sessions.adapters.logging"

LEVELS: Final[Mapping[str, int]] = {
    telemetry.SESSION_START: logging.INFO,
    telemetry.SESSION_STOP: logging.INFO,
    telemetry.SESSION_START_ERROR: logging.WARNING,
    telemetry.SESSION_EXPIRE: logging.INFO,
    telemetry.SESSION_RESTART: logging.WARNING,
    telemetry.SESSION_CRASH: logging.ERROR,
    telemetry.RATE_LIMIT_EXCEEDED: logging.WARNING,
    telemetry.UNAVAILABLE: logging.WARNING,
    telemetry.CONFLICT: logging.DEBUG,
    telemetry.COMMUNICATION_ERROR: logging.ERROR,
    telemetry.CLEANUP_ERROR: logging.ERROR,
    telemetry.EFFECT_EXCEPTION: logging.ERROR,
    telemetry.EFFECT_CANCEL: logging.DEBUG,
    telemetry.EFFECT_START: logging.DEBUG,
    telemetry.EFFECT_STOP: logging.DEBUG,
    telemetry.DISPATCH: logging.DEBUG,
    telemetry.CALL: logging.DEBUG,
    telemetry.CAST: logging.DEBUG,
}
"""The events that are logged if nothing else is asked for, with their levels."""


def attach(levels: Mapping[str, int] = LEVELS, logger: logging.Logger | None = None) -> None:
    """Log these events.

    Args:
        levels: The level of each event.
        logger: Where to; default: the logger "phoenix_sessions.telemetry".
    """
    detach()
    target = logger or logging.getLogger("phoenix_sessions.telemetry")
    telemetry.attach_many(NAME, levels, _log, (dict(levels), target))


def detach() -> None:
    """Log no more; fine to repeat."""
    with contextlib.suppress(LookupError):
        telemetry.detach(NAME)


def _log(event: str, measurements: Mapping[str, Any], metadata: Mapping[str, Any], config: Any) -> None:
    levels, logger = config
    if logger.isEnabledFor(levels[event]):
        facts = {**metadata, **measurements}
        text = " ".join(f"{key}={_text(value)}" for key, value in facts.items() if value is not None)
        logger.log(levels[event], "%s %s", event.removeprefix("phoenix_sessions."), text)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, type):
        return value.__qualname__
    if isinstance(value, str):
        return value if value.isprintable() else repr(value)  # a line stays one line, whatever an action is called
    return str(value) if isinstance(value, int) else repr(value)
