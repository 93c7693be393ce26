"""Two workers and one session, step by step."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from faults import engines
from faults.cluster import Cluster
from faults.hand import Hand
from faults.redis_server import RedisServer

WAYS = ["dispatch", "adispatch"]


@pytest.fixture(scope="module")
def two_workers(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environment = engines.in_redis(redis, timeout=0.5, BACKEND_PATIENCE=0.5)
    with Cluster(tmp_path_factory.mktemp("workers"), environment, count=2) as running:
        yield running


@pytest.fixture
def cluster(two_workers: Cluster) -> Cluster:
    two_workers.mend()
    return two_workers


@pytest.fixture
def hand(cluster: Cluster) -> Hand:
    return Hand(cluster)


@pytest.mark.parametrize("way", WAYS)
def test_both_change_it(hand: Hand, cluster: Cluster, way: str) -> None:
    for worker in cluster.workers * 3:
        assert hand.add(worker, way=way).status == 200
    assert hand.seen() == [[[1, 6]]] * 2


@pytest.mark.parametrize("way", WAYS)
def test_an_engine_that_forgot_is_not_overwritten_by_who_remembers(
    hand: Hand, cluster: Cluster, redis: RedisServer, way: str
) -> None:
    one, other = cluster.workers
    hand.add(one, 5)
    path, size = redis.written()
    hand.add(one, 5)
    one.pause()  # it does not see that Redis was away
    redis.kill()
    os.truncate(path, size)  # 6 to 10 are forgotten
    redis.start()
    redis.wait_ready()
    hand.add(other, 5)  # now the version is again what it was when the worker saw it last
    threading.Timer(0.3, one.go_on).start()
    assert hand.add(one, way=way).status == 200
    assert hand.seen() == [[[1, 5], [11, 16]]] * 2


@pytest.mark.parametrize("way", WAYS)
def test_a_session_that_ended_elsewhere_begins_again(hand: Hand, cluster: Cluster, way: str) -> None:
    one, other = cluster.workers
    hand.add(one)
    hand.add(other)
    one.ask(f"/terminate/{hand.id}")
    assert hand.add(other, way=way).status == 200
    assert hand.seen() == [[[3, 3]]] * 2


@pytest.mark.parametrize("way", WAYS)
def test_an_engine_that_stands_still_is_said_in_time(
    hand: Hand, cluster: Cluster, redis: RedisServer, way: str
) -> None:
    hand.add(cluster.workers[0])
    redis.pause()
    answer = hand.add(cluster.workers[0], way=way)
    redis.go_on()
    assert answer.status == 503
    assert answer.retry_after
    assert answer.seconds < 4
    assert hand.add(cluster.workers[0], way=way).status == 200


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_that_stood_still_goes_on_from_what_others_did(hand: Hand, cluster: Cluster, way: str) -> None:
    one, other = cluster.workers
    hand.add(one, 3)
    one.pause()
    hand.add(other, 3, way)
    one.go_on()
    assert hand.add(one, way=way).status == 200
    assert hand.seen() == [[[1, 7]]] * 2


def test_a_worker_begins_where_another_was_killed(hand: Hand, cluster: Cluster) -> None:
    one, other = cluster.workers
    hand.add(one, 3)
    one.kill()
    start = time.monotonic()
    assert hand.add(other).status == 200
    assert time.monotonic() - start < 1
    assert hand.seen() == [[[1, 4]]]
