"""The tools that users test their own sites with, and the pytest plugin."""

import asyncio
import os
import subprocess
import sys
import threading
from importlib.metadata import entry_points

import pytest
from testsite.consumers import CounterConsumer

from doors.servers import TESTS
from doors.sockets import ID, connected, dispatch
from phoenix_sessions import NoReply, SessionProcess, sessions
from phoenix_sessions.runtime.mailbox import MAILBOX_LIMIT
from phoenix_sessions.testing import FakeClock, asettle, isolated_sessions, receive_change, settle

A_USERS_TESTS = """
import pytest
from phoenix_sessions import sessions


@pytest.mark.parametrize("again", [1, 2])
def test_sessions_of_its_own(isolated_sessions, again):
    assert isolated_sessions is sessions
    assert sessions.list_sessions() == []
    assert sessions.start_session("one").dispatch("counter.add") == 1


def test_time_is_the_tests(isolated_sessions, session_clock):
    sessions.start_session("one", ttl=60)
    session_clock.advance(61)
    assert not sessions.started("one")
"""


class Waiting(SessionProcess):
    """Handles a cast once the test lets it."""

    gate = threading.Event()

    def init_state(self, args):
        return {"handled": 0}

    async def handle_cast(self, request, state):
        await asyncio.to_thread(self.gate.wait, 10)
        return NoReply({**state, "handled": state["handled"] + 1})


@pytest.fixture
def waiting():
    Waiting.gate.clear()
    yield sessions.start_session("one", Waiting)
    Waiting.gate.set()


def test_the_clock_stands_still_until_told_otherwise():
    clock = FakeClock()
    before = clock.monotonic(), clock.time()

    clock.advance(2.5)

    assert (clock.monotonic() - before[0], clock.time() - before[1]) == (2.5, 2.5)


def test_alarms_ring_in_their_order_at_their_time():
    clock, rung = FakeClock(), []
    start = clock.monotonic()
    for delay in (3, 1, 9, 2):
        clock.wake_at(start + delay, lambda delay=delay: rung.append((delay, clock.monotonic() - start)), None)

    clock.advance(5)

    assert rung == [(1, 1), (2, 2), (3, 3)]


def test_an_alarm_set_by_an_alarm_rings_in_the_same_advance():
    clock, rung = FakeClock(), []
    start = clock.monotonic()
    clock.wake_at(start + 1, lambda: clock.wake_at(start + 2, lambda: rung.append("second"), None), None)

    clock.advance(5)

    assert rung == ["second"]


def test_isolated_sessions_leave_nothing_behind():
    outside = sessions.start_session("outside")

    with isolated_sessions() as inside:
        assert inside is sessions
        assert sessions.list_sessions() == []
        ref = sessions.start_session("inside")

    assert sessions.list_sessions() == [outside]
    assert not ref.started()


def test_isolated_sessions_end_also_when_the_test_fails():
    @isolated_sessions()
    def fail():
        sessions.start_session("inside")
        raise LookupError

    with pytest.raises(LookupError):
        fail()

    assert sessions.list_sessions() == []


def test_settle_waits_for_what_is_under_way(waiting):
    waiting.cast("go")
    Waiting.gate.set()

    settle()

    assert waiting.state["handled"] == 1


def test_settle_gives_up_in_the_end(waiting):
    waiting.cast("go")

    with pytest.raises(TimeoutError):
        settle(0.01)


def test_settle_waits_for_a_session_with_a_full_mailbox(waiting):
    waiting.cast("go")
    for _ in range(MAILBOX_LIMIT):
        waiting.dispatch_nowait("counter.add")
    with pytest.raises(TimeoutError):
        settle(0.01)
    Waiting.gate.set()

    settle()

    assert waiting.state.counter["count"] == MAILBOX_LIMIT


async def test_asettle_lets_the_loop_go_on():
    Waiting.gate.clear()
    ref = await sessions.astart_session("one", Waiting)
    ref.cast("go")
    asyncio.get_running_loop().call_soon(Waiting.gate.set)

    await asettle()

    assert ref.state["handled"] == 1


async def test_receive_change_lets_answers_by_and_acknowledges():
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        for count in range(1, 40):  # more than may go unacknowledged
            await dispatch(socket, "counter.add")
            assert (await receive_change(socket))["changes"] == {"count_changed": count}


async def test_receive_change_gives_up_in_the_end():
    socket = connected(CounterConsumer, ID)
    communicator = await socket.__aenter__()
    await receive_change(communicator)

    with pytest.raises(TimeoutError):
        await receive_change(communicator, timeout=0.01)


def test_the_plugin_gives_users_its_fixtures(tmp_path):
    (tmp_path / "test_site.py").write_text(A_USERS_TESTS)
    installed = entry_points(group="pytest11", name="phoenix_sessions")
    plugin = [] if installed else ["-p", "phoenix_sessions.pytest_plugin"]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "demo_project")]),
        "DJANGO_SETTINGS_MODULE": "testsite.settings",
    }

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, "--rootdir", tmp_path, tmp_path],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_pytest_starts_without_django_settings(tmp_path):
    (tmp_path / "test_plain.py").write_text("def test_plain():\n    pass\n")
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", tmp_path, tmp_path],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
