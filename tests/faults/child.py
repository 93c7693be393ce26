"""A server in a process of its own, which a test may kill, pause and start again."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .ports import Port

PATIENCE: Final = 60.0
"""How long a server may take to start (seconds): a busy machine is slow."""


class Child:
    """One server; every verb is by the id of its process.

    Attributes:
        port: Where it listens, the same in every life.
        log: The file with what it has written, in all its lives.
        starts: How many lives it has had (count).
    """

    def __init__(self, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.port = Port()
        self.log = log
        self.starts = 0
        self._environment = {**os.environ, **(environment or {})}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    def command(self) -> list[str]:
        """Return what to run."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Return whether it answers."""
        return self.port.listening()

    @property
    def pid(self) -> int | None:
        """The id of its process, None if it is dead."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start it (again), without waiting until it answers."""
        with self._lock, self.log.open("ab") as log:
            assert self.pid is None, f"{self.command()} runs already"
            self._process = subprocess.Popen(
                self.command(), env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            self.starts += 1

    def wait_ready(self) -> None:
        """Return when it answers."""
        deadline = time.monotonic() + PATIENCE
        while not self.ready():
            assert self.pid is not None, f"it has ended: {self.tail()}"
            assert time.monotonic() < deadline, f"it does not answer within {PATIENCE:g} s: {self.tail()}"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once; it learns nothing of it."""
        self._signal(signal.SIGKILL)
        self._wait(None)

    def terminate(self, patience: float = PATIENCE) -> float:
        """Ask it to end and wait; returns the seconds that it took.

        Raises:
            AssertionError: It did not end; it is killed then.
        """
        start = time.monotonic()
        self._signal(signal.SIGTERM)
        try:
            self._wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end it within {patience:g} s: {self.tail()}") from None
        return time.monotonic() - start

    def pause(self) -> None:
        """Let it do nothing, though its connections stay."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after a pause."""
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill it and give up its port."""
        self.kill()
        self.port.give_up()
        atexit.unregister(self.kill)

    def tail(self, lines: int = 40) -> str:
        """Return the last that it has written."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _signal(self, number: signal.Signals) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._process is not None:
                self._process.send_signal(number)  # not sent if its end is known

    def _wait(self, patience: float | None) -> None:
        if self._process is not None:
            self._process.wait(patience)
