"""The soak finds nothing in a few seconds.

All of its checks but the one of memory, which needs minutes to tell something: see bench/README.md.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_nothing_is_lost_and_nothing_is_left():
    command = [sys.executable, "-W", "error", "-m", "bench.soak", "--seconds", "20", "--seed", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every action was answered" in done.stdout
    assert not done.stderr
