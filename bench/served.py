"""A real daphne in a process of its own, on loopback."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEVER = "86400"
"""Seconds until daphne pings a socket: no ping comes between what is measured."""


class Daphne:
    """One daphne that serves an application.

    Args:
        application: ``"module:name"``.
        environ: What its process has in its environment beyond ours.
    """

    def __init__(self, application: str, **environ: str) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            self.port: int = listener.getsockname()[1]
            options = ["-v", "0", "--fd", str(listener.fileno()), "--ping-interval", NEVER]
            command = [sys.executable, "-m", "daphne", *options, application]
            self._process = subprocess.Popen(
                command, env={**os.environ, **environ}, pass_fds=[listener.fileno()], cwd=ROOT, stdout=sys.stderr
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
            return
        self._process.kill()
        self._process.wait()
