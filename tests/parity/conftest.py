"""The same behaviour on every backend: each test of this folder runs on all of them.

On a shared backend what is due happens in the background, so the clock of these tests waits for it.
"""

import contextlib

import pytest

from phoenix_sessions import ReentrantCall, conf, sessions
from phoenix_sessions.runtime.clock import SystemClock
from phoenix_sessions.runtime.mailbox import take_turn
from phoenix_sessions.testing import FakeClock, isolated_sessions

from . import engines

SHARED = {
    "memory-shared": {"DURABILITY": "write_through"},
    "memory-written-behind": {"DURABILITY": "write_behind"},
}
BACKENDS = ("memory", *SHARED, "redis", "sqlite", "postgresql")

EXTENSIVE = ("sqlite", "postgresql")

DIFFERS = {
    "test_max_sessions_is_exact_under_a_race": "MAX_SESSIONS bounds the memory of a worker, where others make room",
    "test_limits_are_checked_and_counted_in_one_step": "likewise",
    "test_a_start_waits_for_room": "likewise",
    "test_the_messages_that_wait_are_counted": "a shared session has messages of its own, such as notices",
    "test_an_unknown_cast_is_an_error_of_its_sender": "a cast is never handled at once",
}
"""The tests that hold in memory only, and why; docs/explanation/problematic-parts.md tells users."""


REAL_TIME = ("test_of_50_racing_starts_one_wins_and_49_are_told",)
"""What goes by the system's clock: that of these tests lets all patience pass at once, also that of those who wait for
the owner of a session that is written behind."""


class SettlingClock(FakeClock):
    """Lets what became due happen before it returns, wherever that runs.

    Attributes:
        busy: Set by a test that keeps its session busy, for the end of which nobody can wait.
    """

    busy = False

    def advance(self, seconds):
        self._settle()
        end = self._now + seconds
        while (alarm := self._next(end)) is not None:
            self._now = max(self._now, alarm[0])
            alarm[1]()
            self._settle()
        self._now = end
        self._settle()

    def _settle(self):
        if self.busy or sessions.replicas is None or sessions.supervisor.background.on_loop_thread():
            return
        for session in sessions.supervisor.registry.all():
            with contextlib.suppress(ReentrantCall):  # within a handler
                session.ask(True, 60, take_turn)


@pytest.fixture
def clock(request):
    return SystemClock() if request.node.originalname in REAL_TIME else SettlingClock()


def pytest_generate_tests(metafunc):
    if "on_backend" in metafunc.fixturenames:
        fits = metafunc.function.__name__ not in DIFFERS
        names = BACKENDS if fits else ["memory"]
        marks = {name: [pytest.mark.extensive] if name in EXTENSIVE else [] for name in names}
        metafunc.parametrize("on_backend", [pytest.param(name, marks=marks[name]) for name in names], indirect=True)


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory, django_db_blocker):
    name = tmp_path_factory.mktemp("parity") / "sessions.sqlite3"
    options = {"init_command": "PRAGMA synchronous=OFF"}
    with django_db_blocker.unblock(), engines.tables("parity", NAME=str(name), OPTIONS=options) as settings:
        yield settings


@pytest.fixture(scope="session")
def postgresql(django_db_blocker):
    with (
        django_db_blocker.unblock(),
        engines.postgresql_server() as server,
        engines.tables("parity_postgresql", **server) as settings,
    ):
        yield settings


@pytest.fixture
def redis():
    with engines.redis_place() as settings:
        yield settings


@pytest.fixture
def on_backend(request, monkeypatch):
    """The defaults of the settings, so that a test's own settings go over them."""
    name = request.param
    if name != "memory":
        given = SHARED[name] if name in SHARED else request.getfixturevalue(name)
        monkeypatch.setattr(conf, "DEFAULTS", {**conf.DEFAULTS, **given, "PASSIVATE_AFTER": 86_400})
    conf.get_config.cache_clear()
    yield name
    conf.get_config.cache_clear()
    if name in ("sqlite", "postgresql"):
        with request.getfixturevalue("django_db_blocker").unblock():
            engines.empty_tables(given["OPTIONS"]["alias"])


@pytest.fixture(autouse=True)
def own_sessions(on_backend, clock):
    with isolated_sessions(clock) as manager:
        yield manager
