"""``python -m bench.chat_load [--participants 200] [--conversations 100] [--rate 200] [--seconds 10]``: a busy chat.

Each participant is a WebSocket in one conversation; together they send so many messages a second, at random. What is
measured is the time from the moment at which a message is due until its sender has it back from the server: stored,
numbered, told.

Rules:
    1. Without ``--url`` it starts a real daphne on loopback, with a database of its own that is dropped after it:
       PostgreSQL at 127.0.0.1 if that answers, else SQLite in a file. Also after Ctrl-C and SIGTERM.
    2. ``--url http://host/chat/`` is a chat that is there already. It makes participants and conversations there, which
       stay, and takes the tokens' key from the environment, ``CHAT_LOAD_KEY``. Only loopback, unless ``--anywhere`` is
       given.
    3. Before the seconds that are measured come ``--warm-up`` seconds of the same.
    4. It ends by itself: so many seconds of sending, at most ``GRACE`` of waiting for what is on its way.
    5. The exit code is 1 if a message was lost, refused, or out of order.

The clients share the machine with the server: what of the processor they take, and how late they were, is shown.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from . import chat_shown, served, servers
from .chat_client import Crowd, Tally
from .chat_places import over_http
from .chat_server import OURS, STARTING, database, told
from .chat_server import served as serving
from .chat_shown import Seen
from .processor import used

GRACE = 15.0
LONGEST = 600.0
MOST = 5000
MOST_RATE = 20_000.0


class Chat(NamedTuple):
    """A chat that is there.

    Attributes:
        base: Where, with a slash at the end.
        key: Of its tokens.
        where: What it is, in words.
        pid: Of its server's process; None = nobody knows.
    """

    base: str
    key: str
    where: str
    pid: int | None


def main(arguments: list[str] | None = None) -> int:
    """Run, and show what was seen; returns the exit code."""
    options = _options(arguments)
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is cleaned up after Ctrl-C is then, too
    try:
        with _chat(options) as chat:
            seen = asyncio.run(_run(chat, options, console))
    except KeyboardInterrupt:
        console.print("stopped before its time; nothing is left")
        return 130
    chat_shown.show(console, seen, options)
    if options.chart:
        chat_shown.draw(seen, options)
        console.print(f"chart: {options.chart}")
    return int(sum(seen.tally.errors.values()) > 0 or seen.tally.acknowledged < seen.tally.sent)


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
    if not 0 < options.seconds <= LONGEST or not 0 <= options.warm_up <= LONGEST:
        parser.error(f"seconds must be more than 0 and at most {LONGEST:.0f}")
    if not 0 < options.rate <= MOST_RATE:
        parser.error(f"the rate must be more than 0 and at most {MOST_RATE:.0f}")
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
def _chat(options: argparse.Namespace) -> Iterator[Chat]:
    if options.url:
        yield Chat(options.url.rstrip("/") + "/", os.environ["CHAT_LOAD_KEY"], options.url, None)
        return
    key = secrets.token_urlsafe(32)
    engine = options.database or ("sqlite" if servers.why_no_postgresql() else "postgresql")
    with database(engine) as place:
        environ = told(place, key)
        command = [sys.executable, "-m", "bench.chat_site"]
        subprocess.run(command, env={**os.environ, **environ}, cwd=served.ROOT, check=True, timeout=STARTING)
        with serving(OURS, environ) as daphne:
            yield Chat(f"http://127.0.0.1:{daphne.port}/chat/", key, f"daphne, {engine}", daphne.pid)


async def _run(chat: Chat, options: argparse.Namespace, console: Console) -> Seen:
    crowd = Crowd()
    async with asyncio.timeout(options.warm_up + options.seconds + GRACE + 4 * STARTING):
        console.print(f"{options.participants} participants, {options.conversations} conversations, {chat.where}")
        places = await over_http(
            chat.base, chat.key, f"load:{secrets.token_hex(4)}", options.participants, options.conversations
        )
        try:
            await crowd.join(chat.base.replace("http", "ws", 1) + "conversation/", places)
            return await _talk(crowd, chat, options, console)
        finally:
            crowd.leave()


async def _talk(crowd: Crowd, chat: Chat, options: argparse.Namespace, console: Console) -> Seen:
    start = perf_counter()
    began = start + options.warm_up
    until = began + options.seconds
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        telling = asyncio.create_task(_tell(progress, crowd.tally, start, until))
        try:
            before = _processor(chat)
            await crowd.talk(options.rate, start, until)
            await crowd.settle(GRACE, GRACE)
            after = _processor(chat)
        finally:
            telling.cancel()
    client, server = (late - early for late, early in zip(after, before, strict=True))
    return Seen(crowd.tally, began, client, server, chat.where)


async def _tell(progress: Progress, tally: Tally, start: float, until: float) -> None:
    task = progress.add_task("", total=until - start)
    while True:
        told = f"{tally.sent:,} sent, {tally.acknowledged:,} acknowledged, {len(tally.echoes):,} echoed"
        progress.update(task, completed=min(until, perf_counter()) - start, description=told)
        await asyncio.sleep(0.25)


def _processor(chat: Chat) -> tuple[float, float]:
    """Return what the client and the server have used so far (seconds)."""
    return process_time(), float("nan") if chat.pid is None else used(chat.pid)


if __name__ == "__main__":
    sys.exit(main())
