"""``python -m bench.chat_load [--participants 200] [--conversations 100] [--rate 200] [--seconds 10]``: a busy chat.

Each participant is a WebSocket in one conversation; together they send so many messages a second. What is measured is
the time from the moment at which a message is due until its sender has it back from the server: stored, numbered, told.

Rules:
    1. Without ``--url`` it starts a real daphne on loopback, with a database of its own that is dropped after it:
       PostgreSQL at 127.0.0.1 if that answers, else SQLite in a file.
    2. ``--url http://host/chat/`` is a chat that is there already. It makes participants and conversations there, and
       takes the tokens' key from the environment, ``CHAT_LOAD_KEY``. Only loopback, unless ``--anywhere`` is given.
    3. Before the seconds that are measured come ``--warm-up`` seconds of the same.
    4. It ends by itself: so many seconds of sending, at most ``GRACE`` of waiting for what is on its way.
    5. The exit code is 1 if a message was lost, refused, or out of order.

The clients share the machine with the server, and take as much of it as the server does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from . import chat_shown, served, servers
from .chat_client import Client, Tally, prepare, token_of

GRACE = 15.0
LONGEST = 600.0
MOST = 5000
STARTING = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Run, and show what was seen; returns the exit code."""
    options = _options(arguments)
    console = Console()
    with _chat(options) as (base, key):
        tally, began = asyncio.run(_run(base, key, options, console))
    chat_shown.show(console, tally, options, began)
    if options.chart:
        chat_shown.draw(tally, options, began)
        console.print(f"chart: {options.chart}")
    return int(sum(tally.errors.values()) > 0 or tally.acknowledged < tally.sent)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chat_load", description=(__doc__ or "").partition("\n\n")[2])
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--participants", type=int, default=200, help=f"at most {MOST} (default: 200)")
    parser.add_argument("--conversations", type=int, default=100, help="at most half as many (default: 100)")
    parser.add_argument("--rate", type=float, default=200, help="messages a second, of all together (default: 200)")
    parser.add_argument("--seconds", type=float, default=10, help=f"at most {LONGEST:.0f} (default: 10)")
    parser.add_argument("--warm-up", type=float, default=3, help="seconds that are not measured (default: 3)")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], help="of the server that is started")
    parser.add_argument("--url", help="of a chat that is there already, such as http://127.0.0.1:8000/chat/")
    parser.add_argument("--anywhere", action="store_true", help="the URL may be of another machine")
    parser.add_argument("--chart", type=Path, default=Path("chat_load.svg"), help="default: chat_load.svg")
    options = parser.parse_args(arguments)
    if not 2 <= options.participants <= MOST or not 1 <= options.conversations <= options.participants // 2:
        parser.error(f"there must be 2 to {MOST} participants, and at least two for each conversation")
    if not 0 < options.seconds <= LONGEST or not 0 <= options.warm_up <= LONGEST or options.rate <= 0:
        parser.error(f"seconds must be more than 0 and at most {LONGEST:.0f}, and the rate more than 0")
    if options.url and not options.anywhere and not _is_loopback(options.url):
        parser.error("the URL is not of this machine: to load another one, say --anywhere")
    if options.url and "CHAT_LOAD_KEY" not in os.environ:
        parser.error("put the key of the chat's tokens (its JWT_KEY) into the environment as CHAT_LOAD_KEY")
    return options


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _chat(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Give where the chat is, and its tokens' key."""
    if options.url:
        options.where = options.url
        yield options.url.rstrip("/") + "/", os.environ["CHAT_LOAD_KEY"]
        return
    key = secrets.token_urlsafe(32)
    with _database(options) as database:
        environ = {"BENCH_CHAT": json.dumps({"database": database, "key": key})}
        command = [sys.executable, "-m", "bench.chat_site"]
        subprocess.run(command, env={**os.environ, **environ}, cwd=served.ROOT, check=True, timeout=STARTING)
        daphne = served.Daphne("bench.chat_site:application", **environ)
        try:
            _until_it_listens(daphne.port)
            yield f"http://127.0.0.1:{daphne.port}/chat/", key
        finally:
            daphne.stop()


@contextlib.contextmanager
def _database(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    engine = options.database or ("sqlite" if servers.why_no_postgresql() else "postgresql")
    options.where = f"daphne, {engine}"
    if engine == "postgresql":
        with servers.database() as database:
            yield database
        return
    with tempfile.TemporaryDirectory() as folder:
        init = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"
        name = f"{folder}/chat.sqlite3"
        yield {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {"init_command": init, "timeout": 20}}


def _until_it_listens(port: int) -> None:
    """Wait until the server answers; it holds the port from the beginning, so connecting proves nothing."""
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=STARTING) as probe:
            probe.sendall(b"GET /chat/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            if b" 200 " in probe.recv(100):
                return
        time.sleep(0.1)
    raise TimeoutError(f"the server did not get ready within {STARTING:g} s")


async def _run(base: str, key: str, options: argparse.Namespace, console: Console) -> tuple[Tally, float]:
    tally = Tally()
    async with asyncio.timeout(options.warm_up + options.seconds + GRACE + 4 * STARTING):
        console.print(f"{options.participants} participants, {options.conversations} conversations, {options.where}")
        places = await prepare(base, key, f"load:{secrets.token_hex(4)}", options.participants, options.conversations)
        clients = [Client(tally, name) for name, _ in places]
        sockets = base.replace("http", "ws", 1) + "conversation/"
        for first in range(0, len(places), 20):
            some = zip(clients[first : first + 20], places[first : first + 20], strict=True)
            await asyncio.gather(*(client.join(sockets + id, token_of(name, key)) for client, (name, id) in some))
        try:
            began = perf_counter() + options.warm_up + 0.2
            await _send(clients, tally, options, console, began)
        finally:
            await asyncio.gather(*(client.leave() for client in clients), return_exceptions=True)
    return tally, began


async def _send(
    clients: list[Client], tally: Tally, options: argparse.Namespace, console: Console, began: float
) -> None:
    until, every = began + options.seconds, len(clients) / options.rate
    start = began - options.warm_up
    moments = [start + every * (place + random.random()) / len(clients) for place in range(len(clients))]
    random.shuffle(moments)
    sending = [
        asyncio.create_task(client.send(first, every, until)) for client, first in zip(clients, moments, strict=True)
    ]
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=until - start)
        while (now := perf_counter()) < until:
            told = f"{tally.sent:,} sent, {tally.acknowledged:,} acknowledged, {len(tally.echoes):,} echoed"
            progress.update(task, completed=max(0.0, now - start), description=told)
            await asyncio.sleep(0.25)
        progress.update(task, completed=until - start, description="waiting for the last")
        await asyncio.gather(*sending)
        await asyncio.gather(*(client.wait(until + GRACE) for client in clients))


if __name__ == "__main__":
    sys.exit(main())
