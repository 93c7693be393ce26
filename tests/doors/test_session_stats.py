"""``manage.py session_stats``: the figures of running servers, or an error; never a made-up zero."""

import asyncio
import contextlib
import gc
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from django.core.management import CommandError, call_command
from samples import Room

from doors.servers import PATIENCE, Guest, environment, wait_until
from phoenix_sessions import inspection, sessions
from phoenix_sessions.management.commands.session_stats import NOBODY


@pytest.fixture
def ask(database, runtime):
    """A function that runs the command in a process of its own."""

    def run(*options):
        command = [sys.executable, "-m", "django", "session_stats", *options]
        return subprocess.run(
            command, env=environment(database, runtime), capture_output=True, text=True, timeout=PATIENCE
        )

    return run


@pytest.fixture
def figures(ask):
    """A function that waits until so many processes answer, and returns what they say."""

    def wait(processes):
        def enough():
            done = ask("--json")
            total = json.loads(done.stdout) if done.returncode == 0 else {"processes": []}
            return total if len(total["processes"]) == processes else None

        return wait_until(enough)

    return wait


def test_without_a_server_there_is_an_error_and_no_figure(ask):
    done = ask()

    assert done.returncode == 1
    assert done.stdout == ""
    assert "No running server answered" in done.stderr


@pytest.mark.parametrize("options", [{}, {"json": True}])
def test_called_from_code_it_raises(runtime, monkeypatch, options, capsys):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))

    with pytest.raises(CommandError) as caught:
        call_command("session_stats", **options)
    assert str(caught.value) == NOBODY
    assert capsys.readouterr().out == ""


def test_a_server_tells_its_figures(serve, figures):
    server = serve("daphne")
    guest = Guest(server)
    guest.get("dispatch/5")
    Guest(server).get("add")
    with guest.socket() as open_socket:
        open_socket.recv(PATIENCE)

        total = figures(processes=1)

    assert (total["sessions"], total["dispatches"], total["subscribers"]) == (2, 6, 1)
    assert total["by_process"] == {"phoenix_sessions.process.SessionProcess": 2}
    assert total["memory"] > 0
    assert total["processes"][0]["pid"] == server.pid


def test_two_processes_are_added_up(serve, figures):
    servers = [serve("daphne"), serve("wsgi")]
    for server in servers:
        Guest(server).get("dispatch/5")

    total = figures(processes=2)

    assert (total["sessions"], total["dispatches"], total["max_sessions"]) == (2, 10, 20_000)
    assert {answer["pid"] for answer in total["processes"]} == {server.pid for server in servers}


def test_people_get_a_table(serve, ask, figures):
    server = serve("wsgi")
    Guest(server).get("dispatch/5")
    figures(processes=1)

    lines = dict(line.rsplit("  ", 1) for line in ask().stdout.splitlines())

    rows = {name.strip(): value for name, value in lines.items()}
    assert rows["server processes"] == f"1 (pid {server.pid})"
    assert rows["sessions"] == "1 of at most 10000"
    assert rows["dispatches"].startswith("5 (")


def test_the_socket_is_private(serve, figures, runtime):
    Guest(serve("wsgi")).get("add")
    figures(processes=1)

    (directory,) = runtime.iterdir()
    (path,) = directory.iterdir()

    assert directory.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.is_socket()


def test_a_server_that_is_gone_is_forgotten(serve, ask, figures, runtime):
    server = serve("wsgi")
    Guest(server).get("add")
    figures(processes=1)

    server.stop()

    assert ask().returncode == 1
    assert list(runtime.glob("*/*.sock")) == []


def test_a_stale_socket_is_removed(runtime, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    path = inspection.directory() / f"{inspection.site_key()}-1.sock"
    with socket.socket(socket.AF_UNIX) as forgotten:
        forgotten.bind(str(path))
        forgotten.listen()

    assert inspection.ask_all() == []
    assert not path.exists()


def test_what_another_site_left_is_not_touched(runtime, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    path = inspection.directory() / "another-1.sock"
    path.touch()

    assert inspection.ask_all() == []
    assert path.exists()


def test_a_directory_that_others_may_enter_is_refused(runtime, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    inspection.directory().chmod(0o755)

    with pytest.raises(PermissionError, match="0700"):
        inspection.directory()


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "nan", "inf"])
def test_watch_wants_a_positive_number(ask, seconds):
    done = ask("--watch", seconds)

    assert done.returncode == 2
    assert "--watch" in done.stderr


def test_a_server_removes_the_sockets_of_those_that_were_killed(serve, runtime, database):
    first = serve("daphne")
    Guest(first).get("add")
    folder = next(runtime.iterdir())
    [left] = wait_until(lambda: list(folder.glob("*.sock")))
    first._process.kill()
    first._process.wait()
    assert left.exists()

    second = serve("daphne")
    Guest(second).get("add")
    wait_until(lambda: [path.stem.rpartition("-")[2] for path in folder.glob("*.sock")] == [str(second.pid)])


async def test_serving_that_is_cancelled_at_any_step_leaves_no_socket(runtime, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    for steps in range(6):
        task = asyncio.create_task(inspection.serve())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert list(runtime.glob("*/*.sock")) == []
    gc.collect()  # an open socket would be a warning, and so an error


def test_this_very_process_answers_once_it_serves(runtime, monkeypatch, capsys):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    for ref in sessions.start_sessions(["a", "b"], Room).values():
        ref.dispatch("count.add")
    sessions.supervisor.background.call_later(0, lambda: None)  # the loop and its companion start
    [answer] = wait_until(inspection.ask_all)
    assert (answer["sessions"], answer["dispatches"], answer["by_process"]) == (2, 2, {"samples.Room": 2})

    call_command("session_stats", json=True)
    assert json.loads(capsys.readouterr().out)["sessions"] == 2
    call_command("session_stats")
    table = capsys.readouterr().out
    assert f"server processes  1 (pid {answer['pid']})" in table
    assert "sessions          2 of at most 10000" in table
    assert "  samples.Room    2" in table


@pytest.fixture
def another(runtime, monkeypatch):
    """The socket of another process that lives: the one that has started this one."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(inspection, "GUARD_SECONDS", 0.0)
    path = inspection.directory() / f"{inspection.site_key()}-{os.getppid()}.sock"
    path.touch()
    return path


async def serve_for(seconds):
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(inspection.serve(), seconds)


async def test_sessions_in_two_memories_are_a_warning_once(another, caplog):
    await serve_for(0.1)

    assert caplog.text.count(f"and so has {os.getppid()}") == 1


async def test_who_is_gone_meanwhile_was_only_replaced(another, caplog, monkeypatch):
    monkeypatch.setattr(inspection, "GUARD_SECONDS", 0.2)
    asyncio.get_running_loop().call_later(0.1, another.unlink)
    await serve_for(0.4)

    assert caplog.records == []


async def test_on_a_shared_backend_there_may_be_as_many_as_you_like(another, caplog, settings):
    settings.PHOENIX_SESSIONS = {"BACKEND": "phoenix_sessions.backends.redis.RedisBackend"}
    await serve_for(0.1)

    assert caplog.records == []


@pytest.fixture
def interruptible():
    """Ctrl-C is heard, as it is not in what a shell has started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Screen(io.StringIO):
    """Interrupts the main thread, as Ctrl-C does, once something was printed for the second time."""

    def write(self, text):
        if "server processes" in self.getvalue() and "server processes" in text:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return super().write(text)


def test_watching_prints_again_until_interrupted(runtime, monkeypatch, interruptible):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    sessions.start_session("a", Room)
    sessions.supervisor.background.call_later(0, lambda: None)
    wait_until(inspection.ask_all)
    screen = Screen()
    call_command("session_stats", watch=0.001, stdout=screen)
    assert screen.getvalue().count("server processes") >= 1
