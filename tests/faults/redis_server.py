"""A Redis of a test's own, which may be killed, paused and cut from its power."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from .child import Child

FSYNC: Final = ("always", "everysec", "no")
SAMPLE_S: Final = 0.02


def redis_server() -> str | None:
    """Return the path of the server's program, None if there is none."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer(Child):
    """One Redis with a data folder of its own.

    Args:
        folder: Where its data and its log go.
        fsync: ``appendfsync``: "always", "everysec" or "no"; None = nothing is written to the disk at all.
    """

    def __init__(self, folder: Path, fsync: str | None = "always") -> None:
        super().__init__(folder / "redis.log")
        program = redis_server()
        assert program is not None, "redis-server is not installed"
        self._program = program
        self.folder = folder / "redis"
        self.folder.mkdir()
        self.fsync = fsync

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port.number}/0"

    def command(self) -> list[str]:
        options: Mapping[str, str] = {
            "bind": "127.0.0.1",
            "port": str(self.port.number),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no" if self.fsync is None else "yes",
            "appendfsync": self.fsync or "no",
            "auto-aof-rewrite-percentage": "0",
        }
        return [self._program, *(part for name, value in options.items() for part in (f"--{name}", value))]

    def ready(self) -> bool:
        """Return whether it answers, and has read its data."""
        import redis

        with redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def written(self) -> tuple[Path, int]:
        """Return the file that it appends to, and its length (bytes)."""
        path = max((self.folder / "appendonlydir").glob("*.incr.aof"))
        return path, path.stat().st_size


class Power:
    """What a machine that loses its power forgets: what was written in the last moment.

    A killed Redis loses nothing that it has given to the system to write. A machine without power does: with
    ``everysec``, what came after the last fsync, which is up to a second ago. Here it is the worst case: the file is
    cut to what it was that long ago.

    Args:
        server: The server; it must append to a file.
        forgets: How much of the end of time is forgotten (seconds).
    """

    def __init__(self, server: RedisServer, forgets: float) -> None:
        self._server = server
        self._forgets = forgets
        self._sizes: deque[tuple[float, int]] = deque()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="power", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def cut(self) -> int:
        """Kill the server and forget; returns how much is forgotten (bytes)."""
        since = time.monotonic() - self._forgets
        self._server.kill()
        path, size = self._server.written()
        kept = max((size for moment, size in list(self._sizes) if moment <= since), default=0)
        os.truncate(path, kept)
        return size - kept

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            with suppress(ValueError, FileNotFoundError):  # it has no file yet
                self._sizes.append((time.monotonic(), self._server.written()[1]))
            while self._sizes and self._sizes[0][0] < time.monotonic() - self._forgets - 5:
                self._sizes.popleft()
