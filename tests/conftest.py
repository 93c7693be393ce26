"""What all tests share: sessions of their own, and what this machine must provide."""

import os
import shutil

import pytest
from asgiref.sync import SyncToAsync
from django.db import connections
from hypothesis import HealthCheck, settings

from phoenix_sessions import conf
from phoenix_sessions.testing import FakeClock, isolated_sessions

# an example may take its time: how long is the machine's business, and a busy one must not fail a property
settings.register_profile("unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def require(condition, reason):
    """Skip the test with the reason on a user's machine; fail in CI, where everything must be there."""
    if not condition:
        if os.environ.get("CI"):
            pytest.fail(f"in CI this must be there: {reason}")
        pytest.skip(reason)


FAULTS = ("tests/faults/", "tests/backends/test_redis_faults")
"""What needs the machine for itself: servers and workers that die, and what is known by when it comes."""

CHAT = "tests/chat/"
"""The chat on both databases: it runs whole on the oldest pair, and on the newest under coverage."""

ELSEWHERE = (
    *FAULTS, CHAT, "tests/backends/test_memory", "tests/backends/test_redis", "tests/core/", "tests/js/",
    "tests/runtime/", "tests/shared/", "tests/test_bench", "tests/test_machine", "tests/test_soak",
)  # fmt: skip
"""What comes out the same with another Django, as of that it uses the settings or nothing; and the chat, see there."""


def pytest_collection_modifyitems(config, items):
    """Leave some tests to some of tox's environments, and to whoever runs the tests otherwise."""
    wanted = os.environ.get("PHOENIX_SESSIONS_TESTS")
    if wanted == "without faults":
        left = [item for item in items if item.nodeid.startswith(FAULTS)]
    elif wanted == "of django":
        left = [item for item in items if item.nodeid.startswith(ELSEWHERE) or item.get_closest_marker("extensive")]
    if wanted:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


@pytest.fixture(scope="session")
def chromium():
    """The paths of Chromium and its driver."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    require(browser and driver, "Chromium and its driver are not installed (Debian: chromium chromium-driver)")
    return browser, driver


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(autouse=True)
def own_sessions(clock):
    """Every test has sessions of its own, on a clock of its own, and the settings as they are."""
    conf.get_config.cache_clear()  # a thread may have asked in the moment when a test gave its own back
    with isolated_sessions(clock) as manager:
        yield manager


@pytest.fixture(autouse=True)
def no_connection_left_behind(request):
    """Async code uses the database on one thread of asgiref's; what a test opens there the next one may not touch."""
    yield
    if request.node.get_closest_marker("django_db") or "db" in request.fixturenames:
        SyncToAsync.single_thread_executor.submit(_disconnect).result()


def _disconnect():
    for wrapper in connections.all(initialized_only=True):
        if wrapper.connection is not None:
            wrapper.connection.close()
            wrapper.connection = None


@pytest.fixture
def file_database(django_db_blocker, tmp_path):
    """The alias of a database in a file, as Django keeps connections to one in memory open."""
    connections.settings["file"] = {**connections.settings["default"], "NAME": tmp_path / "db.sqlite3"}
    with django_db_blocker.unblock():
        yield "file"
    del connections.settings["file"]
