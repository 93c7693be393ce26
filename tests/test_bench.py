"""The bench runs and its report has the agreed shape; what it measures is never tested.

One quick run of the core group serves all tests; its baseline is doctored, so that one row must look worse.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ROWS = [
    "dispatch, history off",
    "dispatch, history on",
    "adispatch",
    "dispatch, 100 subscribers on other slices (paths)",
    "dispatch, 100 subscribers on other slices (functions)",
    "dispatch, 100 subscribers told",
    "get_state",
    "select_state",
    "call, a synchronous round trip",
    "start",
    "terminate",
]
PEERS = {"asyncio task", "asyncio task, from a thread", "pykka", "thread and queue"}

JUDGE = """
import sys
from pathlib import Path
from bench import baseline
from bench.report import Report
report, store = Report.load(Path(sys.argv[1])), Path(sys.argv[2])
baseline.save(store, {}, report)
sys.exit(baseline.judge(report, baseline.load(store)))
"""
MARKDOWN = """
import sys
from pathlib import Path
from bench import markdown
from bench.report import Report
print(markdown.render(Report.load(Path(sys.argv[1]))))
"""
COMPARE = """
import sys
from pathlib import Path
from bench import table
from bench.report import Report
report = Report.load(Path(sys.argv[1]))
table.show(report, report)
"""
STATE = """
from bench.site import configure
configure()
from bench.documents import STATE_BYTES, Document
from phoenix_sessions import sessions
print(STATE_BYTES, len(sessions.start_session("one", Document).snapshot()))
"""


def python(*arguments):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def done(folder):
    doctored = folder / "doctored.json"
    doctored.write_text(json.dumps({PYTHON: {"core": {"get_state": {"look-up and function": 0.001}}}}))
    options = ["--quick", "--json", "--baseline", doctored, "--charts", folder / "charts"]
    return python("-m", "bench", "core", *options)


@pytest.fixture(scope="module")
def old(done, folder):
    path = folder / "old.json"
    path.write_text(done.stdout)
    return path


@pytest.fixture(scope="module")
def measured(done):
    return json.loads(done.stdout)["groups"]["core"]


@pytest.fixture(scope="module")
def rows(measured):
    return [each for each in measured if each["kind"] == "row"]


def test_every_kind_of_work_has_a_row(rows):
    assert [row["name"] for row in rows] == ROWS


def test_every_figure_is_about_a_contender_of_the_row(rows):
    assert all(figure["contender"] in row["ratios"] for row in rows for figure in row["figures"])


def test_the_round_trip_is_compared_with_every_peer(rows):
    (row,) = [row for row in rows if row["name"].startswith("call")]
    assert set(row["ratios"]) == PEERS | {"lock and method"}


def test_every_spread_is_a_median_of_at_least_seven_between_min_and_max(rows):
    spreads = [each for row in rows for each in (*row["times"].values(), *row["ratios"].values())]
    assert all(0 < each["min"] <= each["median"] <= each["max"] for each in spreads)
    assert all(row["repeats"] >= 7 for row in rows)


def test_memory_is_told_and_judged(measured):
    facts = {each["name"]: each for each in measured if each["kind"] == "fact"}
    assert facts["idle session, beyond the id and the state"]["at_most"] == 600
    assert facts["entry of a history of 100, beyond the state"]["at_most"] == 150


def test_the_machine_is_described(done):
    machine = json.loads(done.stdout)["machine"]
    assert {"cpu", "system", "python", "phoenix_sessions", "django", "gc"} <= set(machine)


def test_a_ratio_that_is_worse_than_the_baseline_is_said_and_is_an_error(done):
    assert done.returncode == 1, done.stderr
    assert "core: get_state: " in done.stderr
    assert "x look-up and function, was 0.00: more than 30% worse" in done.stderr


def test_a_run_is_not_worse_than_itself(old, folder):
    judged = python("-c", JUDGE, old, folder / "own.json")
    assert judged.returncode == 0, judged.stderr


def test_a_stored_baseline_holds_no_ratio_that_hangs_on_the_scheduling_of_threads(old, folder):
    python("-c", JUDGE, old, folder / "steady.json")
    stored = json.loads((folder / "steady.json").read_text())[PYTHON]["core"]
    assert set(stored["call, a synchronous round trip"]) == {"lock and method", "asyncio task"}


def test_each_ratio_is_shown_beside_that_of_an_older_run(old):
    compared = python("-c", COMPARE, old)
    assert compared.returncode == 0, compared.stderr
    assert " was " in compared.stdout


def test_the_tables_can_be_had_as_markdown(old):
    rendered = python("-c", MARKDOWN, old)
    assert rendered.returncode == 0, rendered.stderr
    assert all(f"| **{row}** | ours |" in rendered.stdout for row in ROWS)
    assert "| idle session, beyond the id and the state |" in rendered.stdout


def test_a_chart_is_written(done, folder):
    chart = (folder / "charts" / "core.svg").read_text()
    assert "call, a synchronous round trip" in chart


def test_an_unknown_group_is_refused():
    refused = python("-m", "bench", "cure")
    assert refused.returncode == 2
    assert "cure" in refused.stderr


def test_a_session_of_the_backends_group_has_the_size_that_its_rows_say():
    done = python("-c", STATE)
    assert done.stdout.split() == ["1024", "1024"], done.stderr
