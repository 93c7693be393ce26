"""How many workers are asked for: by command lines of servers, and by variables."""

import sys

import pytest

from phoenix_sessions.apps import warn_of_several
from phoenix_sessions.workers import asked, server


@pytest.mark.parametrize(
    ("argv", "count"),
    [
        (["gunicorn", "-w", "4", "site.wsgi"], 4),
        (["/opt/bin/gunicorn", "-w4", "site.wsgi"], 4),
        (["/opt/gunicorn/__main__.py", "--workers=3"], 3),
        (["uvicorn", "site.asgi:application", "--workers", "2"], 2),
        (["uvicorn", "--workers", "2", "--workers", "5"], 5),
        (["hypercorn", "-w", "1"], 1),
        (["uvicorn", "site.asgi:application"], None),
        (["gunicorn", "--workers"], None),
        (["manage.py", "work", "--workers", "4"], None),
        (["daphne", "-w", "4"], None),
        ([], None),
    ],
)
def test_the_command_line_of_a_server(argv, count):
    workers = asked(argv, {})

    assert (workers and workers.number) == count


@pytest.mark.parametrize(
    ("argv", "environ", "count"),
    [
        (["manage.py", "check"], {"WEB_CONCURRENCY": "3"}, 3),
        (["manage.py", "check"], {"WEB_CONCURRENCY": "auto"}, None),
        (["manage.py", "check"], {"UVICORN_WORKERS": "2", "WEB_CONCURRENCY": "3"}, 2),
        (["manage.py", "check"], {"GUNICORN_CMD_ARGS": "--bind :80 -w 6"}, 6),
        (["manage.py", "check"], {"GUNICORN_CMD_ARGS": "--bind ':80"}, None),
        (["uvicorn"], {"GUNICORN_CMD_ARGS": "-w 6"}, None),
        (["gunicorn", "-w", "1"], {"GUNICORN_CMD_ARGS": "-w 6", "WEB_CONCURRENCY": "3"}, 1),
    ],
)
def test_the_environment(argv, environ, count):
    workers = asked(argv, environ)

    assert (workers and workers.number) == count


def test_only_servers_that_may_have_several_are_servers():
    assert [server([name]) for name in ("/bin/gunicorn", "uvicorn", "daphne", "manage.py")] == [
        "gunicorn", "uvicorn", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "shared", "said"),
    [
        ("gunicorn -w 4", False, True),
        ("gunicorn -w 4", True, False),
        ("gunicorn", False, False),
        ("x -w 4", False, False),
    ],
)
def test_a_worker_says_at_its_start_that_it_is_one_of_several(monkeypatch, caplog, command, shared, said):
    monkeypatch.setattr(sys, "argv", command.split())

    warn_of_several(shared)

    assert ("the command line of gunicorn asks for 4 workers" in caplog.text) == said
