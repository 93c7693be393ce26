"""The chat's bench runs, ends by itself, and loads no other machine by mistake; what it measures is never tested."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rich")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments, **environ):
    command = [sys.executable, "-m", "bench.chat_load", *map(str, arguments)]
    own = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(command, cwd=ROOT, env={**own, **environ}, capture_output=True, text=True, timeout=300)


def test_it_shows_that_nothing_was_lost(tmp_path):
    chart = tmp_path / "chart.svg"
    load = ["--participants", 4, "--conversations", 2, "--rate", 20, "--warm-up", 0, "--seconds", 1]
    result = run(*load, "--database", "sqlite", "--chart", chart)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "p99" in result.stdout
    assert chart.read_text().rstrip().endswith("</svg>")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--url", "http://192.0.2.1/chat/"], "--anywhere"),
        (["--url", "http://127.0.0.1:1/chat/"], "CHAT_LOAD_KEY"),
        (["--seconds", "601"], "at most 600"),
        (["--participants", "3", "--conversations", "2"], "at least two for each"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, reason):
    result = run(*arguments)
    assert result.returncode == 2
    assert reason in result.stderr
