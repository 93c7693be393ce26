"""The harness sees what it is there to see."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from faults import engines, scenarios, troubles
from faults.cluster import Cluster
from faults.door import Door
from faults.load import Load, Outcome, Trouble, under_load
from faults.redis_server import Power, RedisServer
from faults.site import numbers
from faults.verdict import Verdict

LOAD = Load(increments=200, sessions=10, writers=4)


@given(st.lists(st.integers(1, 30)))
def test_ranges_are_a_set_of_numbers(added: list[int]) -> None:
    ranges: list[list[int]] = []
    for number in added:
        assert numbers.holds(ranges, number) == (number in numbers.members(ranges))
        ranges = numbers.with_number(ranges, number)
    assert numbers.members(ranges) == set(added)
    assert all(one[1] + 1 < next[0] for one, next in itertools.pairwise(ranges))


@pytest.fixture
def one_worker(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, engines.in_memory(), count=1) as cluster:
        yield cluster


def test_without_trouble_every_increment_is_applied_once(one_worker: Cluster) -> None:
    outcome = under_load(one_worker, LOAD, troubles.nothing)
    assert not outcome.verdict.wrong
    assert not outcome.verdict.lost
    assert outcome.verdict.sent == outcome.verdict.acknowledged == outcome.verdict.applied == 200
    assert not outcome.verdict.errors


def test_what_is_lost_is_seen(one_worker: Cluster) -> None:
    def dies_once(trouble: Trouble) -> None:
        assert trouble.rest(0.1)
        worker = one_worker.workers[0]
        worker.kill()
        worker.start()
        worker.wait_ready()
        trouble.ends.append(time.monotonic())

    outcome = under_load(one_worker, replace(LOAD, insists=True), dies_once)
    assert outcome.verdict.lost
    assert outcome.verdict.acknowledged == outcome.verdict.sent
    assert outcome.verdict.errors
    assert outcome.recovery is not None


@pytest.mark.parametrize(
    ("sent", "findings"),
    [
        (97.9, ["1 are lost that were on the disk"]),
        (98.1, []),
        (100.4, []),
        (101.0, ["1 are lost that were on the disk"]),
        (199.0, []),
        (200.6, ["1 are lost that were sent when Redis was back"]),
    ],
)
def test_an_engine_may_forget_the_last_moment_before_each_of_its_ends(sent: float, findings: list[str]) -> None:
    verdict = Verdict(lost={("w0", ("session-0", 1)): sent})
    trouble = Trouble(cuts=[100.0, 200.0], ends=[100.5, 200.5])
    outcome = Outcome(verdict, (0, 0), 0, None, 300.0, trouble, [])
    assert scenarios.losses(outcome, 1.0) == findings


def test_who_watches_has_the_last_count_in_the_end(one_worker: Cluster) -> None:
    outcome = under_load(one_worker, replace(LOAD, watchers=5), troubles.nothing)
    assert outcome.watched == (5, 5)
    assert not outcome.watchers_back


def test_a_balancer_passes_over_dead_workers(tmp_path: Path) -> None:
    with Cluster(tmp_path, engines.in_memory(), count=2) as cluster:
        cluster.workers[0].kill()
        doors = [Door(cluster.balancer.port, 10) for _ in range(4)]
        assert {door.post("/alive", None).status for door in doors} == {200}
        cluster.workers[1].kill()
        assert doors[0].post("/alive", None).silent
        assert doors[0].post("/alive", None).error
        for door in doors:
            door.close()


def test_redis_forgets_what_was_not_on_the_disk(redis: RedisServer) -> None:
    with Power(redis, forgets=0.3) as power, Redis.from_url(redis.url) as client:
        client.set("early", 1)
        time.sleep(0.6)
        client.set("late", 1)
        power.cut()
        redis.start()
        redis.wait_ready()
        assert client.keys() == [b"early"]
