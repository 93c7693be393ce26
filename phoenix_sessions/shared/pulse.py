"""Whether this worker has stood still: paused, or starved, for so long that others may have taken over its sessions.

Rules:
    1. The background loop beats. Who finds the last beat too old knows that nothing has run since, itself included.
    2. Standing still is not being cut off: a worker that runs, and cannot ask the engine, is not meant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..runtime.clock import Clock

BEAT: Final = 1 / 6
"""After which part of a lease (0 to 1) comes the next beat."""
LONGEST: Final = 1 / 2
"""For which part of a lease (0 to 1) a worker may stand still; with the time between renewals, less than all of it."""


class Pulse:
    """The beats of a worker.

    Args:
        clock: The worker's.
        lease: How long a session is its owner's that is heard of no more (seconds).
    """

    def __init__(self, clock: Clock, lease: float) -> None:
        self._clock = clock
        self._longest = lease * LONGEST
        self._beaten = self._woke = -math.inf

    def start(self) -> None:
        """Begin to beat, before there is anything that others could take over."""
        self._beaten = self._clock.monotonic()

    def beat(self) -> None:
        """Note that the worker runs."""
        if self._is_late():
            self.wake()
        else:
            self._beaten = self._clock.monotonic()

    def wake(self) -> None:
        """Note that it has stood still until now."""
        self._woke = self._beaten = self._clock.monotonic()

    def has_stopped_since(self, moment: float) -> bool:
        """Return whether the worker has stood still since a moment (monotonic seconds)."""
        return self._woke > moment or self._is_late()

    def _is_late(self) -> bool:
        return self._clock.monotonic() - self._beaten > self._longest
