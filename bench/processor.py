"""How much processor time other processes have used: the figure that other programs disturb least."""

from __future__ import annotations

import time


def used(pid: int) -> float:
    """Return the processor time of a process with all its threads (seconds); not a number if there is no telling."""
    clock = (~pid << 3) | 2  # what clock_getcpuclockid(3) returns on Linux: CPUCLOCK_SCHED of a whole process
    try:
        return time.clock_gettime(clock)
    except OSError:
        return float("nan")
