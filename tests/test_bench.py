"""The bench runs and its report has the agreed shape; what it measures is never tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORK = [
    "dispatch",
    "call",
    "call, floor with a lock",
    "get_state",
    "select_state",
    "start",
    "terminate",
    "dispatch, 1 notified",
    "dispatch, 100 notified",
]


@pytest.fixture(scope="module")
def report():
    command = [sys.executable, "-m", "bench", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_kind_of_work_has_a_row(report):
    assert [row["name"] for row in report["rows"]] == WORK


def test_every_row_has_the_floor_and_both_peers(report):
    assert all(set(row["times"]) == {"ours", "floor", "task", "thread"} for row in report["rows"])
    assert all(set(row["ratios"]) == {"floor", "task", "thread"} for row in report["rows"])


def test_every_spread_is_a_median_of_at_least_seven_between_min_and_max(report):
    spreads = [each for row in report["rows"] for each in (*row["times"].values(), *row["ratios"].values())]
    assert all(0 < each["min"] <= each["median"] <= each["max"] for each in spreads)
    assert all(row["repeats"] >= 7 for row in report["rows"])


def test_memory_is_told_for_each_kind(report):
    assert set(report["memory"]) == {"ours", "floor", "task", "thread"}
    assert all(set(each) == {"count", "rss", "traced"} for each in report["memory"].values())


def test_the_machine_is_described(report):
    assert {"cpu", "system", "python", "phoenix_sessions", "django", "gc"} <= set(report["machine"])
