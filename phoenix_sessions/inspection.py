"""How another process asks this one for its figures: a private Unix socket per serving process.

Rules:
    1. The socket is mode 0600 in a directory of mode 0700 that belongs to the user; its name carries the process id and
       a key derived from SECRET_KEY, so that sites do not mix.
    2. The background loop opens it, so a process answers once it has started its first session that can expire.
    3. A client gets one JSON object and the connection is closed. A socket whose process is gone is removed, by the
       next process that serves or asks.
    4. With sessions in memory, whoever finds the socket of another process that lives for longer than a change of the
       guard takes logs a warning, once: the sessions of the site are in several memories.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec
from django.conf import settings
from django.utils.crypto import salted_hmac

from .manager import sessions
from .runtime.stats import session_info, session_stats

logger = logging.getLogger("phoenix_sessions")

ANSWER_SECONDS: Final = 2.0
GUARD_SECONDS: Final = 60.0
"""How long a process that is being replaced may go on beside its successor, which then says nothing."""
TEMPORARY: Final = tempfile.gettempdir()
"""Asked for at import: the first ``gettempdir`` of a process takes a lock, and a fork in that moment leaves it locked
in the child for ever."""


def directory() -> Path:
    """Return this user's directory for the sockets, made if missing.

    Raises:
        PermissionError: It belongs to somebody else, or others may write to it.
    """
    base = os.environ.get("XDG_RUNTIME_DIR") or TEMPORARY
    path = Path(base) / f"phoenix_sessions-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise PermissionError(f"{path} must be a directory of mode 0700 that belongs to you")
    return path


def site_key() -> str:
    """Return what the names of this site's sockets begin with."""
    return str(
        salted_hmac("phoenix_sessions.inspection", settings.SETTINGS_MODULE, algorithm="sha256").hexdigest()[:12]
    )


async def serve() -> None:
    """Answer until the loop ends."""
    if not hasattr(asyncio, "start_unix_server"):
        return
    own = directory() / f"{site_key()}-{os.getpid()}.sock"
    for left in directory().glob(f"{site_key()}-*"):
        if left.stem == own.stem or not _lives(left):
            left.unlink(missing_ok=True)
    unready = own.with_suffix(".new")  # found by nobody until it listens
    with socket.socket(socket.AF_UNIX) as listener:  # ours to close, at whatever step this is cancelled
        listener.bind(str(unready))
        try:
            unready.chmod(0o600)
            listener.listen()
            unready.rename(own)
            async with await asyncio.start_unix_server(_answer, sock=listener) as server:
                looking = asyncio.create_task(_look_for_others(own))
                try:
                    await server.serve_forever()
                finally:
                    looking.cancel()
        finally:
            unready.unlink(missing_ok=True)
            own.unlink(missing_ok=True)


async def _look_for_others(own: Path) -> None:
    """Say it if other processes have sessions of this site too, which this one cannot see."""
    if sessions.config.backend.shared:
        return
    before = _others(own)
    await asyncio.sleep(GUARD_SECONDS)
    if stay := before & _others(own):
        logger.warning(
            "process %d has sessions of this site in its memory, and so has %s: what one changes the other does not "
            "see; use one process, or a shared backend (see check phoenix_sessions.W008)",
            os.getpid(),
            ", ".join(sorted(stay)),
        )


def _others(own: Path) -> set[str]:
    """Return the ids of the other processes of this site that answer."""
    there = (path for path in own.parent.glob(f"{site_key()}-*.sock") if path != own and _lives(path))
    return {path.stem.rpartition("-")[2] for path in there}


def _lives(path: Path) -> bool:
    """Return whether the process that a socket is named after still runs."""
    try:
        with contextlib.suppress(PermissionError):  # it runs, as somebody else's
            os.kill(int(path.stem.rpartition("-")[2]), 0)
    except (ValueError, ProcessLookupError):
        return False
    return True


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(msgspec.json.encode(await figures()))
        with contextlib.suppress(ConnectionError):  # the asker has gone
            await writer.drain()
    finally:
        writer.close()


async def figures() -> dict[str, Any]:
    """Return this process's figures as plain data."""
    supervisor = sessions.supervisor
    stats, info = session_stats(supervisor), session_info(supervisor.registry.all())
    own = {name: value for name, value in asdict(stats).items() if name != "stored"}  # which is no one process's
    return {"pid": os.getpid(), **own, "by_process": info.by_process}


def ask_all() -> list[dict[str, Any]]:
    """Return the figures of every process of this site that answers."""
    if not hasattr(socket, "AF_UNIX"):
        return []
    answers = (_ask(path) for path in sorted(directory().glob(f"{site_key()}-*.sock")))
    return [answer for answer in answers if answer is not None]


def _ask(path: Path) -> dict[str, Any] | None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(path))
            chunks = iter(lambda: connection.recv(65536), b"")
            answer: dict[str, Any] = msgspec.json.decode(b"".join(chunks))
            return answer
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return None
        except (OSError, msgspec.DecodeError):
            return None
