"""Two tabs of one visitor, on two workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from demo.tab import Tab
from js.browser import browse
from selenium import webdriver

from faults import engines
from faults.cluster import Cluster
from faults.redis_server import RedisServer

LIVE: Final = "document.body.dataset.connection === 'open'"


@pytest.fixture(scope="module")
def two_workers(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("workers"), engines.in_redis(redis), count=2) as running:
        yield running


@pytest.fixture
def cluster(two_workers: Cluster) -> Cluster:
    two_workers.mend()
    return two_workers


@pytest.fixture
def browser(chromium: tuple[str, str], tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with browse(chromium, tmp_path / "profile") as driver:
        yield driver


def tabs_on_two_workers(browser: webdriver.Chrome, cluster: Cluster) -> list[Tab]:
    tabs = []
    for index in range(2):
        cluster.balancer.send_to(index)
        tab = Tab(browser, f"{cluster.balancer.url}page/", LIVE)
        tab.run("globalThis.name = arguments[0]", f"tab{index}-")
        tabs.append(tab)
    assert subscribers(cluster) == [1, 1]
    return tabs


def subscribers(cluster: Cluster) -> list[int]:
    return [worker.ask("/subscribers")["subscribers"] for worker in cluster.live]


def test_a_click_in_one_tab_changes_the_other_in_under_a_second(browser: webdriver.Chrome, cluster: Cluster) -> None:
    one, other = tabs_on_two_workers(browser, cluster)
    other.run("""new MutationObserver(() => (globalThis.changed = Date.now()))
        .observe(document.querySelector("output"), { childList: true, characterData: true });""")
    one.run("addEventListener('click', () => (globalThis.clicked = Date.now()), { capture: true });")
    one.click("button")
    other.until_live("notes", "tab0-1")
    assert other.run("return changed") - one.run("return clicked") < 1000


def test_both_tabs_go_on_when_a_worker_dies(browser: webdriver.Chrome, cluster: Cluster) -> None:
    one, other = tabs_on_two_workers(browser, cluster)
    one.click("button")
    other.until_live("notes", "tab0-1")
    cluster.workers[0].kill()
    other.click("button")
    one.until_live("notes", "tab0-1 tab1-1")
    one.until(LIVE)
    one.click("button")
    for tab in (one, other):
        tab.until_live("notes", "tab0-1 tab1-1 tab0-2")
    assert subscribers(cluster) == [2]
