"""The demo as a user runs it: ``manage.py runserver`` in a process of its own, on a port that was free."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final, Self

PROJECT: Final = Path(__file__).resolve().parents[2] / "demo_project"


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a management command of the demo and return what became of it."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=PROJECT, env=_env(environment), capture_output=True, text=True
    )


class DemoServer:
    """The demo under daphne (or under WSGI), with a database of its own.

    Attributes:
        port: Where it listens.
        log: What it has said so far, by line.
        asgi: Whether it has sockets and streams.
    """

    def __init__(self, database: Path, *options: str) -> None:
        env = {"DATABASE_URL": f"sqlite:///{database}", "PHOENIX_SESSIONS_RATE_LIMIT": "none"}
        migrated = manage("migrate", **env)
        assert migrated.returncode == 0, migrated.stderr
        self.log: list[str] = []
        self.asgi = "--noasgi" not in options
        self.port = _free_port()
        self._command = [sys.executable, "manage.py", "runserver", "--noreload", *options, f"127.0.0.1:{self.port}"]
        self._env = _env(env)
        self.start()

    def start(self) -> None:
        """Run it, at first and after ``kill``: on the same port, with the same database."""
        self._process = subprocess.Popen(
            self._command, cwd=PROJECT, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """Have it end at once, as a machine does that loses its power."""
        self._process.kill()
        self._process.wait(30)
        self._reader.join()

    @property
    def url(self) -> str:
        """The address of the first page."""
        return f"http://127.0.0.1:{self.port}/"

    def wait(self) -> None:
        """Wait until it listens."""
        for _ in range(600):
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
                return
            if self._over.wait(0.05):
                break
        self.__exit__()
        raise AssertionError("the demo does not start:\n" + "".join(self.log))

    def __enter__(self) -> Self:
        self.wait()
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            self.log.extend(output)
        self._over.set()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _env(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONUNBUFFERED": "1", **more}
