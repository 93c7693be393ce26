"""A session that is written behind, whose owner stands still or dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Final

import pytest

from faults import engines
from faults.cluster import Cluster
from faults.hand import Hand
from faults.redis_server import RedisServer

FLUSH_S: Final = 0.3
LEASE_S: Final = 1.5
WAYS: Final = ["dispatch", "adispatch"]


@pytest.fixture(scope="module")
def two_workers(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environment = engines.in_redis(redis, FLUSH_INTERVAL=FLUSH_S, OWNER_LEASE=LEASE_S, BACKEND_PATIENCE=4 * LEASE_S)
    with Cluster(tmp_path_factory.mktemp("workers"), environment, count=2) as running:
        yield running


@pytest.fixture
def cluster(two_workers: Cluster) -> Cluster:
    two_workers.mend()
    return two_workers


@pytest.fixture
def hand(cluster: Cluster) -> Hand:
    return Hand(cluster, "owned")


@pytest.mark.parametrize("way", WAYS)
def test_it_is_handed_over(hand: Hand, cluster: Cluster, way: str) -> None:
    for worker in cluster.workers * 3:
        assert hand.add(worker, way=way).status == 200
    assert hand.seen() == [[[1, 6]]] * 2


@pytest.mark.parametrize("way", WAYS)
def test_an_owner_that_stood_still_overwrites_nothing(hand: Hand, cluster: Cluster, way: str) -> None:
    owner, other = cluster.workers
    hand.add(owner, 3)
    time.sleep(2 * FLUSH_S)
    owner.pause()
    assert hand.add(other, 3, way).status == 200  # once the lease has run out
    threading.Timer(0.3, owner.go_on).start()
    assert hand.add(owner, 2, way).status == 200  # sent while it stands still
    time.sleep(3 * FLUSH_S)
    assert hand.seen() == [[[1, 8]]] * 2


def test_an_owner_that_is_killed_loses_what_it_had_not_written_and_nothing_else(hand: Hand, cluster: Cluster) -> None:
    owner, other = cluster.workers
    hand.add(owner, 3)
    time.sleep(2 * FLUSH_S)
    hand.add(owner, 3)
    owner.kill()
    assert hand.add(other).status == 200
    [seen] = hand.seen()
    assert seen in ([[1, 3], [7, 7]], [[1, 4], [7, 7]], [[1, 5], [7, 7]], [[1, 7]])  # it may just have written


def test_an_owner_that_is_asked_to_end_hands_everything_over(hand: Hand, cluster: Cluster) -> None:
    owner, other = cluster.workers
    hand.add(owner, 3)
    owner.terminate()
    answer = hand.add(other)
    assert answer.status == 200
    assert answer.seconds < LEASE_S
    assert hand.seen() == [[[1, 4]]]
