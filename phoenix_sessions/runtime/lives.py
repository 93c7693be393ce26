"""The restart budget of one session.

Rules:
    1. At most ``MAX_RESTARTS`` restarts in ``WITHIN`` seconds; one more ends the session.
    2. Each session has a budget of its own, so none can end another.

Source: OTP supervisor ``max_restarts`` and ``max_seconds``. Differs: counted per child.
"""

from __future__ import annotations

from typing import Final

MAX_RESTARTS: Final = 3
WITHIN: Final = 5.0


class Lives:
    """When a session was restarted lately (monotonic seconds)."""

    __slots__ = ("_restarts",)

    def __init__(self) -> None:
        self._restarts: tuple[float, ...] = ()

    def spend(self, now: float) -> bool:
        """Count a restart and return True, or return False if the budget is used up."""
        recent = tuple(time for time in self._restarts if time > now - WITHIN)
        if len(recent) >= MAX_RESTARTS:
            return False
        self._restarts = (*recent, now)
        return True
