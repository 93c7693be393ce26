"""Facts about whole processes: forks, threads that do not exist yet, and clean exits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = """
import asyncio, os, threading, django
django.setup()
from phoenix_sessions import Reply, SessionNotFound, SessionProcess, sessions

class Room(SessionProcess):
    async def handle_call(self, request, state):
        await asyncio.sleep(0)
        return Reply((request, threading.current_thread().name))
"""


def run(code, *, timeout=60):
    """Run Python code in a process of its own, in which Django is set up; return what it printed."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "testsite.settings",
        "PYTHONPATH": os.pathsep.join(str(Path(__file__).parents[2] / each) for each in ("tests", "demo_project")),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", "-c", SETUP + code],
        env=environment, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_setting_up_starts_no_thread():
    assert run("print(threading.active_count())") == ["1"]


@pytest.mark.parametrize("command", ["check", "diffsettings", "makemigrations"])
def test_management_commands_start_no_thread_and_no_session(command):
    options = ", dry_run=True" if command == "makemigrations" else ""
    code = f"""
import io
from django.core.management import call_command
call_command({command!r}, stdout=io.StringIO(){options})
print(threading.active_count(), len(sessions.supervisor.registry))
"""
    assert run(code) == ["1", "0"]


def test_the_sync_core_needs_no_thread():
    code = """
ref = sessions.start_session("room", ttl=None)
ref.subscribe(receiver=lambda *_: None)
ref.dispatch("counter.add")
ref.call("get_state"); ref.cast(("put", "a", 1)); ref.terminate()
print(threading.active_count())
"""
    assert run(code) == ["1"]


def test_a_process_with_sessions_handlers_and_timers_exits_by_itself():
    code = """
ref = sessions.start_session("room", Room)
print(*ref.call("hello"))
sessions.start_session("other")
"""
    assert run(code) == ["hello", "phoenix_sessions-loop"]


def test_a_process_exits_while_a_handler_still_runs_and_reports_what_it_cut_off():
    code = """
entered = threading.Event()
class Endless(SessionProcess):
    async def handle_cast(self, request, state):
        entered.set()
        await asyncio.Event().wait()
import logging
class Printing(logging.Handler):
    def emit(self, record):
        print("cast", "failed")
logging.getLogger("phoenix_sessions").addHandler(Printing())
ref = sessions.start_session("endless", Endless)
ref.cast("go")
entered.wait(10)
print("over")
"""
    assert run(code) == ["over", "cast", "failed"]


EFFECTS = """
import concurrent.futures.thread
from phoenix_sessions import Reducer, effect

class Work(Reducer):
    name = "work"
    @effect("wait")
    async def wait(self, action, dispatch, state):
        action.payload.append(1)
        await asyncio.Event().wait()
    @effect("finish")
    def finish(self, action, dispatch, state):
        action.payload.append(1)
        while not concurrent.futures.thread._shutdown:  # the interpreter goes down, and waits for this
            os.sched_yield()
    @effect("quick")
    def quick(self, action, dispatch, state):
        return action.payload

class Busy(SessionProcess):
    reducers = [Work]
    max_effects = 2

ref = sessions.start_session("busy", Busy)
entered = []
def start(type):
    for _ in range(1002):
        ref.dispatch_async(type, entered)
    while len(entered) < 2:
        os.sched_yield()
"""


@pytest.mark.parametrize("kind", ["wait", "finish"])
def test_a_process_exits_while_effects_run_and_others_wait(kind):
    assert run(f"{EFFECTS}\nstart('work.{kind}')\nprint(len(entered))") == ["2"]


def test_a_forked_child_starts_effects_of_its_own_while_those_of_the_parent_run():
    code = (
        EFFECTS
        + FORK
        + """
start("work.wait")
def child():
    own = sessions.start_session("busy", Busy)
    print(own.dispatch_async("work.quick", "child").result(10))
in_child(child)
ref.terminate()
"""
    )
    assert run(code) == ["child"]


FORK = """
def in_child(function):
    import faulthandler, sys
    pid = os.fork()
    if pid == 0:
        try:
            faulthandler.dump_traceback_later(4)  # before CALL_TIMEOUT: a child that hangs says where
            function()
            faulthandler.cancel_dump_traceback_later()
            sys.stdout.flush()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def test_a_forked_child_has_no_sessions_and_can_start_its_own():
    code = (
        FORK
        + """
ref = sessions.start_session("room", Room)
ref.call("warm")
ref.dispatch("counter.add")
def child():
    assert sessions.list_sessions() == [] and not sessions.started("room")
    try:
        ref.get_state()
    except SessionNotFound:
        pass
    else:
        raise AssertionError("the parent's session")
    own = sessions.start_session("room", Room)
    assert own.get_state("counter.count") == 0
    print(*own.call("child"))
in_child(child)
print(ref.get_state("counter.count"), *ref.call("parent"))
"""
    )
    assert run(code) == ["child", "phoenix_sessions-loop", "1", "parent", "phoenix_sessions-loop"]


def test_a_fork_while_another_thread_is_in_a_session_leaves_no_lock_behind():
    code = (
        FORK
        + """
from phoenix_sessions import Reducer, on
entered, release = threading.Event(), threading.Event()
class Slow(Reducer):
    name = "slow"
    @on("wait")
    def wait(self, action, state):
        entered.set()
        release.wait(30)
        return {"waited": True}
class SlowRoom(SessionProcess):
    reducers = [Slow]
ref = sessions.start_session("room", SlowRoom)
busy = threading.Thread(target=ref.dispatch, args=("slow.wait",))
busy.start()
entered.wait(10)
def child():
    assert not sessions.started("room")
    release.set()
    own = sessions.start_session("room", SlowRoom)
    assert own.dispatch("slow.wait") == 1
    print("child")
in_child(child)
release.set()
busy.join(10)
print(ref.get_state("slow.waited"))
"""
    )
    assert run(code) == ["child", "True"]


def test_a_child_forked_before_first_use_works():
    code = (
        FORK
        + """
def child():
    print(*sessions.start_session("room", Room).call("child"))
in_child(child)
in_child(child)
print(threading.active_count())
"""
    )
    assert run(code) == ["child", "phoenix_sessions-loop", "child", "phoenix_sessions-loop", "1"]


def test_a_fork_while_another_thread_looks_for_the_temporary_directory():
    """The child's loop puts its socket there; what it asks for must not need a lock that nobody will release."""
    code = (
        FORK
        + """
import tempfile
def child():
    print(*sessions.start_session("room", Room).call("child"))
with tempfile._once_lock:
    in_child(child)
"""
    )
    assert run(code) == ["child", "phoenix_sessions-loop"]


def test_a_forked_child_that_exits_in_order_leaves_the_parents_loop_alone():
    """The parent's locks may be held for ever in the child, and its loop's pipe is shared with it."""
    code = """
import signal, sys
ref = sessions.start_session("room", Room)
background = sessions.supervisor.background
background._lock.acquire()
pid = os.fork()
if pid == 0:
    signal.alarm(10)
    sys.exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
background._lock.release()
print(*ref.call("parent"))
"""
    assert run(code) == ["0", "parent", "phoenix_sessions-loop"]


def test_racing_dispatches_while_the_process_forks():
    """Whatever a lock was doing at the moment of the fork, the child can use its own sessions."""
    code = (
        FORK
        + """
ref = sessions.start_session("room")
stop = threading.Event()
def work():
    while not stop.is_set():
        ref.dispatch("counter.add")
workers = [threading.Thread(target=work) for _ in range(4)]
for worker in workers:
    worker.start()
def child():
    own = sessions.start_session("room", Room)
    assert own.dispatch("counter.add") == 1
    own.call("hello")
try:
    for _ in range(20):
        in_child(child)
finally:
    stop.set()
    for worker in workers:
        worker.join(10)
print("done")
"""
    )
    assert run(code) == ["done"]
