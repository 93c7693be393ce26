"""Short versions of ``python -m bench.faults``, which says what each of them is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from conftest import require

from faults import scenarios
from faults.load import Load
from faults.redis_server import redis_server
from faults.scenarios import Size

SHORT: Final = Size(
    Load(increments=500, sessions=50, writers=8, watchers=5), workers=2, every=0.5, pause=2.5, timeout=0.6, patience=0.5
)
LONGER: Final = replace(SHORT, load=replace(SHORT.load, increments=3000, sessions=200), workers=4, every=2.0)


def check(name: str, folder: Path, size: Size) -> None:
    report = scenarios.ALL[name](folder, size)
    assert not report.failed, f"{report.findings}\n{report.outcome.verdict}\n{report.outcome.trouble.notes}"


@pytest.mark.parametrize(
    "name",
    [
        "workers-die-unasked",
        "paused-worker",
        "redis-dies",
        "redis-pauses",
        "deploy",
    ],
)
def test_what_was_acknowledged_is_applied_once(name: str, tmp_path: Path) -> None:
    require(redis_server(), "redis-server is not installed (Debian: redis-server)")
    check(name, tmp_path, SHORT)


@pytest.mark.parametrize("name", ["redis-dies-everysec", "power-fails"])
def test_of_what_was_acknowledged_only_what_was_not_on_the_disk_may_be_lost(name: str, tmp_path: Path) -> None:
    require(redis_server(), "redis-server is not installed (Debian: redis-server)")
    check(name, tmp_path, SHORT)


def test_four_workers_die_and_what_is_sent_again_is_applied_once(tmp_path: Path) -> None:
    require(redis_server(), "redis-server is not installed (Debian: redis-server)")
    check("workers-die", tmp_path, LONGER)


def test_workers_take_owned_sessions_from_each_other(tmp_path: Path) -> None:
    require(redis_server(), "redis-server is not installed (Debian: redis-server)")
    check("owners-change", tmp_path, replace(SHORT, load=replace(SHORT.load, increments=200, writers=6)))


def test_workers_die_over_sqlite(tmp_path: Path) -> None:
    check("workers-die", tmp_path, replace(SHORT, engine="sqlite"))
