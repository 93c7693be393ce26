"""The pytest plugin: ``isolated_sessions`` and ``session_clock`` as fixtures.

Rules:
    1. Nothing is imported from the app before a test asks for a fixture, so that pytest starts without Django settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .manager import SessionManager
    from .testing import FakeClock

pytest.register_assert_rewrite("phoenix_sessions.backends.conformance")  # its tests show what they compare


@pytest.fixture
def session_clock() -> FakeClock:
    """Return the clock that ``isolated_sessions`` runs on; ``advance(seconds)`` lets time pass."""
    from .testing import FakeClock

    return FakeClock()


@pytest.fixture
def isolated_sessions(session_clock: FakeClock) -> Iterator[SessionManager]:
    """Give the test sessions of its own, on a clock that stands still."""
    from .testing import isolated_sessions

    with isolated_sessions(session_clock) as manager:
        yield manager
