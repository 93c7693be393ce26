"""Telemetry for users of the app: see ``runtime/telemetry.py`` for the rules and the names of the events."""

from __future__ import annotations

from .runtime.telemetry import attach, attach_many, detach, execute, span

__all__ = ["attach", "attach_many", "detach", "execute", "span"]
