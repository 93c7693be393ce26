"""Pacing: an action that runs at most so often, or only once its senders have paused.

Rules:
    1. ``throttle``: the first action runs, the others of the interval are dropped.
    2. ``debounce``: the last action of a burst runs, once none has come for the interval.
    3. Both are declared on an ``@on`` or ``@effect`` method, and count for one mount and local type of one session.
    4. An interval is a number of seconds, a timedelta, or text such as "500ms", "3s", "5m", "1h".

Source: the Elixir library's ``@throttle`` and ``@debounce``. Differs: they match the local type, and a debounced action
reaches its reducer with that type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar

from .errors import InvalidReducer

Interval = str | float | int | timedelta
F = TypeVar("F", bound=Callable[..., Any])

_PACE: Final = "_phoenix_sessions_pace"
_TEXT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Pace(NamedTuple):
    """How often an action may run.

    Attributes:
        seconds: The interval.
        trailing: Whether the last of a burst runs (debounce) instead of the first (throttle).
    """

    seconds: float
    trailing: bool


def throttle(interval: Interval) -> Callable[[F], F]:
    """Let the method run for the first action, and drop those that come within the interval after it.

    Raises:
        InvalidReducer: The interval is none, or the method has a pace already.
    """
    return _marker(Pace(parse_interval(interval), trailing=False))


def debounce(interval: Interval) -> Callable[[F], F]:
    """Let the method run for the last action of a burst, once none has come for the interval.

    Raises:
        InvalidReducer: The interval is none, or the method has a pace already.
    """
    return _marker(Pace(parse_interval(interval), trailing=True))


def pace_of(method: object) -> Pace | None:
    """Return the pace that was declared on a method."""
    return getattr(method, _PACE, None)


def parse_interval(interval: object) -> float:
    """Return an interval in seconds.

    Raises:
        InvalidReducer: It is no positive number, timedelta or text with a unit.
    """
    seconds = -1.0
    if isinstance(interval, timedelta):
        seconds = interval.total_seconds()
    elif isinstance(interval, str) and (match := _TEXT.fullmatch(interval)):
        seconds = float(match[1]) * _UNITS[match[2]]
    elif isinstance(interval, int | float) and not isinstance(interval, bool):
        seconds = float(interval)
    if not 0 < seconds < float("inf"):
        raise InvalidReducer(
            f"the interval is {interval!r}: it must be a positive number of seconds, a timedelta, or text such as "
            f"'500ms', '3s', '5m', '1h'"
        )
    return seconds


def _marker(pace: Pace) -> Callable[[F], F]:
    def mark(method: F) -> F:
        if pace_of(method) is not None:
            raise InvalidReducer(f"{method.__qualname__} has two paces: keep one throttle or debounce")
        setattr(method, _PACE, pace)
        return method

    return mark
