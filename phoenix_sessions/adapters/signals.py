"""Telemetry events as Django signals.

Rules:
    1. Each signal is one event. Its sender is the process class; receivers get the metadata as keyword arguments, and
       ``measurements``.
    2. ``attach`` once, for instance in an ``AppConfig.ready``. A signal that nobody receives costs a look-up.
    3. A receiver that raises is reported to the log (by Django), and keeps nobody else from being told.
    4. Receivers run where the event happens, mostly while the session is busy: they must be quick, and of the session
       they may use only what never waits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from django.dispatch import Signal

from ..runtime import telemetry

NAME: Final = "phoenix_sessions.adapters.signals"

session_started = Signal()
session_stopped = Signal()
session_expired = Signal()
session_crashed = Signal()
session_restarted = Signal()
action_dispatched = Signal()
state_committed = Signal()
effect_started = Signal()
effect_stopped = Signal()
effect_cancelled = Signal()
effect_failed = Signal()

SIGNALS: Final[Mapping[str, Signal]] = {
    telemetry.SESSION_START: session_started,
    telemetry.SESSION_STOP: session_stopped,
    telemetry.SESSION_EXPIRE: session_expired,
    telemetry.SESSION_CRASH: session_crashed,
    telemetry.SESSION_RESTART: session_restarted,
    telemetry.DISPATCH: action_dispatched,
    telemetry.COMMIT: state_committed,
    telemetry.EFFECT_START: effect_started,
    telemetry.EFFECT_STOP: effect_stopped,
    telemetry.EFFECT_CANCEL: effect_cancelled,
    telemetry.EFFECT_EXCEPTION: effect_failed,
}
"""The signal of each event."""


def attach() -> None:
    """Send the signals from now on; fine to repeat."""
    detach()
    telemetry.attach_many(NAME, SIGNALS, _send)


def detach() -> None:
    """Send no more; fine to repeat."""
    with contextlib.suppress(LookupError):
        telemetry.detach(NAME)


def _send(event: str, measurements: Mapping[str, Any], metadata: Mapping[str, Any], config: Any) -> None:
    signal = SIGNALS[event]
    if signal.receivers:
        facts = dict(metadata)
        signal.send_robust(facts.pop("process"), measurements=measurements, **facts)
