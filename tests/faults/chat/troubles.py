"""What can go wrong with the chat's workers. Each trouble leaves everything whole when it returns."""

from __future__ import annotations

import random
import time
from typing import Final

import psycopg

from faults.load import Trouble
from faults.troubles import deploy, nothing, redis_dies

from .ground import POSTGRESQL, Ground
from .load import Cause

__all__ = ["connections_end", "deploy", "nothing", "redis_dies", "workers_die"]

POLL_S: Final = 0.05
ENDED: Final = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"


def workers_die(ground: Ground, seed: int, every: float) -> Cause:
    """Kill a worker, start it again at once, and kill the next when it is time for it and another one serves.

    Args:
        ground: Whose workers.
        seed: For the choices.
        every: From one death to the next (seconds).
    """
    chance = random.Random(f"{seed} workers die")

    def cause(trouble: Trouble) -> None:
        deaths, start = 0, time.monotonic()
        due = start + every
        while trouble.rest(max(POLL_S, due - time.monotonic())):
            serving = [worker for worker in ground.workers if worker.ready()]
            if len(serving) < 2:
                continue
            due = time.monotonic() + every
            worker = chance.choice(serving)
            worker.kill()
            deaths += 1
            worker.start()
        trouble.notes["workers killed"] = deaths
        trouble.notes["seconds from one to the next"] = round((time.monotonic() - start) / max(1, deaths), 2)
        ground.mend()

    return cause


def connections_end(ground: Ground, every: float) -> Cause:
    """Have PostgreSQL end all connections of the workers, again and again."""

    def cause(trouble: Trouble) -> None:
        ended = 0
        with psycopg.connect(dbname="postgres", autocommit=True, **POSTGRESQL) as postgres:
            while trouble.rest(every):
                ended += postgres.execute(ENDED, [ground.database]).fetchone()[0]
        trouble.notes["connections ended"] = ended

    return cause
