"""Somebody else's backend can be tried by the conformance suite, and what it does wrong is shown."""

import os
import subprocess
import sys

import pytest

FORGETFUL = """
import pytest
from phoenix_sessions.backends.conformance import BackendConformance
from phoenix_sessions.backends.memory import MemoryBackend


class Forgetful(MemoryBackend):
    def load(self, id, known=None, fence=None, last=b""):
        return None


class TestForgetful(BackendConformance):
    @pytest.fixture
    def backend(self, clock):
        return Forgetful({}, clock=clock)
"""

_AT_HOME = {name: value for name, value in os.environ.items() if name != "CI"}  # where pytest says all of it twice


@pytest.mark.parametrize("autoload", ["", "1"], ids=["installed", "named"])
def test_what_a_backend_does_wrong_is_shown_once_for_verbs_and_once_for_their_twins(tmp_path, autoload):
    (tmp_path / "test_forgetful.py").write_text(FORGETFUL)
    plugins = ["-p", "phoenix_sessions.pytest_plugin"] if autoload else ["-p", "no:django"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "test_what_was_created_is_loaded", *plugins],
        cwd=tmp_path,
        env={**_AT_HOME, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": autoload},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.count("assert None == Record(") == 2, run.stdout
    assert "2 failed" in run.stdout
