"""The stop of all sessions: what is finished, who is refused, and that it is over in its time."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.core.exceptions import SynchronousOnlyOperation

from phoenix_sessions import NoReply, Reply, SessionProcess, SessionStopped, ShuttingDown, sessions

PATIENCE = 10.0
FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "demo_project")]


class Visit(SessionProcess):
    """Notes what it is told; its calls take until a test lets them go."""

    reducers = []
    notes = []
    entered = threading.Event()
    leave = threading.Event()

    def handle_call(self, request, state):
        self.entered.set()
        self.leave.wait(PATIENCE)
        return Reply("done")

    def handle_cast(self, request, state):
        self.notes.append(request)
        return NoReply(state)

    def on_terminate(self, reason, state):
        self.notes.append(reason)


class AsyncVisit(Visit):
    async def handle_call(self, request, state):
        self.entered.set()
        while not self.leave.is_set():  # noqa: ASYNC110  # it is another thread that lets it go
            await asyncio.sleep(0.001)
        return Reply("done")


@pytest.fixture(autouse=True)
def fresh():
    Visit.notes.clear()
    Visit.entered.clear()
    Visit.leave.clear()
    yield
    Visit.leave.set()


class Caller(threading.Thread):
    """A thread with a call under way."""

    def __init__(self, ref):
        super().__init__()
        self._ref = ref
        self.answer = None
        self.start()
        assert Visit.entered.wait(PATIENCE)

    def run(self):
        try:
            self.answer = self._ref.call("wait", PATIENCE)
        except Exception as error:
            self.answer = error


def stop_in_thread(**options):
    thread = threading.Thread(target=sessions.stop, kwargs=options)
    thread.start()
    while not sessions.stopping:
        time.sleep(0)
    return thread


def test_sessions_say_goodbye_and_their_subscribers_are_told():
    told = []
    ref = sessions.start_session("visit", Visit)
    ref.subscribe(receiver=lambda *event: told.append(event))

    assert sessions.stop()

    assert Visit.notes == ["shutdown"]
    assert told[-1] == ("terminated", "shutdown")
    assert not ref.started()


def test_what_waits_in_the_mailbox_is_handled_before_the_end():
    ref = sessions.start_session("visit", Visit)
    caller = Caller(ref)
    ref.cast("first")
    ref.cast("second")
    stop = stop_in_thread()
    Visit.leave.set()
    stop.join()
    caller.join()

    assert Visit.notes == ["first", "second", "shutdown"]
    assert caller.answer == "done"


def test_an_async_handler_that_runs_is_let_finish():
    caller = Caller(sessions.start_session("visit", AsyncVisit))
    stop = stop_in_thread()
    Visit.leave.set()
    stop.join()
    caller.join()

    assert caller.answer == "done"


def test_an_async_handler_that_runs_on_is_cancelled_after_half_of_the_time():
    caller = Caller(sessions.start_session("visit", AsyncVisit))

    assert sessions.stop(0.2)

    caller.join()
    assert isinstance(caller.answer, SessionStopped)


def test_a_handler_that_blocks_does_not_hold_up_the_stop():
    caller = Caller(sessions.start_session("visit", Visit))
    begin = time.monotonic()

    assert not sessions.stop(0.1)

    assert time.monotonic() - begin < 2
    Visit.leave.set()
    caller.join()


def test_one_that_blocks_at_its_end_holds_up_no_other():
    class Blocking(Visit):
        def on_terminate(self, reason, state):
            self.leave.wait(PATIENCE)

    sessions.start_session("blocking", Blocking)
    for number in range(50):
        sessions.start_session(f"visit-{number}", Visit)

    assert not sessions.stop(0.2)

    assert Visit.notes == ["shutdown"] * 50


@pytest.mark.parametrize("verb", ["start_session", "get_or_start"])
def test_nothing_starts_any_more(verb):
    sessions.stop()

    with pytest.raises(ShuttingDown):
        getattr(sessions, verb)("visit")


async def test_nothing_starts_any_more_on_a_loop_either():
    await sessions.astop()

    with pytest.raises(ShuttingDown):
        await sessions.aget_or_start("visit")


def test_who_starts_while_the_stop_begins_is_ended_or_refused():
    started = []

    def start_many():
        for number in range(500):
            try:
                started.append(sessions.start_session(f"visit-{number}", Visit))
            except ShuttingDown:
                return

    thread = threading.Thread(target=start_many)
    thread.start()
    while len(started) < 10:
        time.sleep(0)

    assert sessions.stop()

    thread.join()
    assert len(Visit.notes) == len(started)


def test_functions_are_called_before_and_after_with_the_time_that_is_left(own_hooks):
    sessions.start_session("visit", Visit)
    sessions.at_stop(lambda seconds: Visit.notes.append(("before", 0 < seconds <= 5)))
    sessions.at_stop(lambda seconds: Visit.notes.append(("after", 0 < seconds <= 5)), after=True)

    sessions.stop(5)

    assert Visit.notes == [("before", True), "shutdown", ("after", True)]


def test_a_function_that_raises_is_reported(own_hooks, caplog):
    @sessions.at_stop
    def fail(seconds):
        raise ValueError("as asked")

    assert sessions.stop()

    assert "as asked" in caplog.text


def test_a_function_that_hangs_does_not_hold_up_the_stop(own_hooks):
    sessions.at_stop(lambda seconds: Visit.leave.wait(PATIENCE))
    begin = time.monotonic()

    assert not sessions.stop(0.1)

    assert time.monotonic() - begin < 2


@pytest.fixture
def own_hooks(monkeypatch):
    monkeypatch.setattr(sessions, "_before_stop", [])
    monkeypatch.setattr(sessions, "_after_stop", [])


def test_who_asks_again_waits_for_the_stop_that_is_under_way():
    caller = Caller(sessions.start_session("visit", Visit))
    stop = stop_in_thread()
    threading.Timer(0.05, Visit.leave.set).start()

    assert sessions.stop()

    assert Visit.notes == ["shutdown"]
    stop.join()
    caller.join()


async def test_the_sync_verb_is_refused_on_a_loop():
    with pytest.raises(SynchronousOnlyOperation):
        sessions.stop()


# -- the exit of the interpreter -----------------------------------------------------------------------------------

SETUP = """
import os, sys, threading, time, django
django.setup()
from phoenix_sessions import NoReply, SessionProcess, sessions, stopping

class Visit(SessionProcess):
    reducers = []
    def handle_cast(self, request, state):
        print(request)
        return NoReply(state)
    def on_terminate(self, reason, state):
        print(reason, flush=True)
"""


def run(code, status=0):
    """Run code in a process of its own; return what it printed."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "testsite.settings",
        "PYTHONPATH": os.pathsep.join([*FOLDERS, os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", "-c", SETUP + code],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout.split()


def test_sessions_say_goodbye_when_the_interpreter_exits():
    assert run('sessions.start_session("visit", Visit); sys.exit(3)', status=3) == ["shutdown"]


def test_a_signal_that_no_server_handles_ends_the_process_once_sessions_have_said_goodbye():
    code = """
import asyncio, signal
from phoenix_sessions.asgi import SessionLifespan
async def application(scope, receive, send):
    await sessions.astart_session("visit", Visit)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.Event().wait()
asyncio.run(SessionLifespan(application)({"type": "http"}, None, None))
"""
    assert run(code, status=-15) == ["shutdown"]


def test_a_second_signal_of_another_kind_does_not_wait_for_the_stop_either():
    code = """
import asyncio, signal
from django.conf import settings
settings.PHOENIX_SESSIONS = {"STOP_TIMEOUT": 600}
from phoenix_sessions.conf import get_config
get_config.cache_clear()
from phoenix_sessions.asgi import SessionLifespan
entered = threading.Event()
class Hanging(Visit):
    def on_terminate(self, reason, state):
        entered.set()
        threading.Event().wait()
async def application(scope, receive, send):
    await sessions.astart_session("visit", Hanging)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.to_thread(entered.wait)
    signal.raise_signal(signal.SIGINT)
    await asyncio.Event().wait()
try:
    asyncio.run(SessionLifespan(application)({"type": "http"}, None, None))
except KeyboardInterrupt:
    print("interrupted", flush=True)
    os._exit(0)
"""
    assert run(code) == ["interrupted"]


def test_threads_that_outlive_the_main_one_have_their_sessions_until_they_end():
    code = """
def serve():
    threading.main_thread().join()
    sessions.start_session("visit", Visit, ttl=None).cast("served")
threading.Thread(target=serve).start()
"""
    assert run(code) == ["served", "shutdown"]


def test_work_that_a_pool_has_not_done_yet_has_its_sessions():
    code = """
from concurrent.futures import ThreadPoolExecutor, thread
def wait():
    while not thread._shutdown:  # the interpreter goes down, and waits for this
        os.sched_yield()
pool = ThreadPoolExecutor(1)
pool.submit(wait)
pool.submit(lambda: sessions.start_session("visit", Visit, ttl=None).cast("served"))
"""
    assert run(code) == ["served", "shutdown"]


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="Python 3.12 has no threads to give at its exit")
def test_a_session_that_hangs_at_its_end_does_not_keep_the_process():
    code = """
from django.conf import settings
settings.PHOENIX_SESSIONS = {"STOP_TIMEOUT": 0.2}
from phoenix_sessions.conf import get_config
get_config.cache_clear()
class Hanging(Visit):
    def on_terminate(self, reason, state):
        threading.Event().wait()
sessions.start_session("hanging", Hanging)
sessions.start_session("visit", Visit)
"""
    assert run(code) == ["shutdown"]


def test_a_forked_child_stops_its_own_sessions_only():
    code = """
sessions.start_session("visit", Visit)
sessions.stop()
if os.fork() == 0:
    sessions.start_session("visit", Visit).cast("child")
    sys.exit()
os.wait()
"""
    assert run(code) == ["shutdown", "child", "shutdown"]
