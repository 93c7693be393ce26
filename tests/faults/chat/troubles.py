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

ENDED: Final = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"


def workers_die(ground: Ground, seed: int, every: float) -> Cause:
    """Kill a worker that serves, on time, and start it again at once; the others may be starting still.

    Args:
        ground: Whose workers.
        seed: For the choices.
        every: From one death to the next (seconds).
    """
    chance = random.Random(f"{seed} workers die")

    def cause(trouble: Trouble) -> None:
        deaths, due = 0, time.monotonic() + every
        while trouble.rest(max(0.0, due - time.monotonic())):
            serving = [worker for worker in ground.workers if worker.pid is not None and worker.ready()]
            if not serving:
                due = time.monotonic() + 0.1
                continue
            due = max(time.monotonic(), due + every)
            worker = chance.choice(serving)
            worker.kill()
            deaths += 1
            worker.start()
        for worker in ground.workers:
            worker.wait_ready()
        trouble.notes["workers killed"] = deaths

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
