"""What is tested is what is shipped: under tox the built wheel, with everything that belongs into it."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import pytest

import phoenix_sessions

SOURCE = Path(__file__).resolve().parents[1] / "phoenix_sessions"


def test_tox_tests_the_built_wheel_and_not_the_source_folder() -> None:
    assert Path(phoenix_sessions.__file__).parent != SOURCE or "PHOENIX_SESSIONS_INSTALLED" not in os.environ


@pytest.mark.parametrize("path", ["py.typed", "static/phoenix_sessions/session.js"])
def test_the_package_ships_what_is_not_python(path: str) -> None:
    assert files(phoenix_sessions).joinpath(path).is_file()


def test_the_public_names_are_sorted() -> None:
    assert phoenix_sessions.__all__ == sorted(phoenix_sessions.__all__)


@pytest.mark.parametrize("name", phoenix_sessions.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert hasattr(phoenix_sessions, name)
