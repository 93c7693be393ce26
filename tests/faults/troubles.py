"""What can go wrong. Each trouble leaves everything whole when it returns."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from .cluster import Cluster
from .load import Trouble
from .redis_server import Power, RedisServer

Cause = Callable[[Trouble], None]


def nothing(trouble: Trouble) -> None:
    """Let everything work."""


def workers_die(cluster: Cluster, seed: int, every: float) -> Cause:
    """Kill a random worker again and again, and start it again when it is dead.

    Args:
        cluster: Whose workers.
        seed: For the choices.
        every: From one that is back to the next that dies (seconds).
    """
    chance = random.Random(f"{seed} workers die")

    def cause(trouble: Trouble) -> None:
        deaths = 0
        while trouble.rest(every * (0.5 + chance.random())):
            worker = chance.choice(cluster.workers)
            worker.kill()
            deaths += 1
            worker.start()
            worker.wait_ready()
        trouble.notes["workers killed"] = deaths

    return cause


def worker_pauses(cluster: Cluster, after: float, seconds: float) -> Cause:
    """Let the first worker stand still once."""

    def cause(trouble: Trouble) -> None:
        time.sleep(after)
        trouble.cuts.append(time.monotonic())
        cluster.workers[0].pause()
        time.sleep(seconds)
        cluster.workers[0].go_on()
        trouble.ends.append(time.monotonic())
        time.sleep(after)
        trouble.notes["worker paused, s"] = seconds

    return cause


def redis_dies(server: RedisServer, every: float, down: float, times: int) -> Cause:
    """Kill Redis and start it again, so many times."""

    def cause(trouble: Trouble) -> None:
        for _ in range(times):
            time.sleep(every)
            trouble.cuts.append(time.monotonic())
            server.kill()
            time.sleep(down)
            _back(server, trouble)
        time.sleep(every)
        trouble.notes["Redis killed"] = times

    return cause


def redis_pauses(server: RedisServer, after: float, seconds: float) -> Cause:
    """Let Redis stand still once."""

    def cause(trouble: Trouble) -> None:
        time.sleep(after)
        server.pause()
        time.sleep(seconds)
        server.go_on()
        trouble.ends.append(time.monotonic())
        time.sleep(after)
        trouble.notes["Redis paused, s"] = seconds

    return cause


def power_fails(server: RedisServer, after: float, forgets: float) -> Cause:
    """Cut the machine of Redis from its power once: what was not on the disk is gone."""

    def cause(trouble: Trouble) -> None:
        with Power(server, forgets) as power:
            time.sleep(after)
            trouble.cuts.append(time.monotonic())
            trouble.notes["forgotten, bytes"] = power.cut()
            _back(server, trouble)
            time.sleep(after)

    return cause


def deploy(cluster: Cluster, after: float) -> Cause:
    """Replace one worker after the other: ask it to end, wait for that, start the next."""

    def cause(trouble: Trouble) -> None:
        took = []
        for worker in cluster.workers:
            time.sleep(after)
            took.append(worker.terminate())
            worker.start()
            worker.wait_ready()
        time.sleep(after)
        trouble.notes["workers replaced"] = len(took)
        trouble.notes["longest stop, s"] = round(max(took), 2)

    return cause


def _back(server: RedisServer, trouble: Trouble) -> None:
    server.start()
    server.wait_ready()
    trouble.ends.append(time.monotonic())
