"""Chat: a message sent on a WebSocket until its sender has it back, stored in PostgreSQL, through a real daphne.

Rules:
    1. Ours stands beside the same chat as people write it (``chat_usual``): a Channels consumer, the ORM, group_send
       through channels_redis. Once as Channels' documentation does it, with the database asked on one thread, and once
       on the event loop's threads.
    2. Each has a daphne of its own, 100 conversations, and the same database, whose commits wait for the disk. The
       client is this process, and shares the machine with all of them; only one is talked to at a time.
    3. Latency is counted from when a message was due (see ``chat_client``). The highest rates are looked for in turn
       (see ``chat_steps``).
    4. Processor time is the server process's, of all its threads, per message; without PostgreSQL and Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from statistics import median

from .. import chat_places, layers, medians, servers
from ..chat_client import Crowd, Tally
from ..chat_places import MEMBERS, Place
from ..chat_server import OURS, USUAL, Database, database, served, told
from ..chat_steps import LIMIT, LONGEST, PATIENCE, Step, highest, step
from ..measure import Contender, Effort, Fact, Figure, LeftOut, Measured, Row, run
from ..processor import used
from ..served import Daphne

FIRST = "ours"
ONE_THREAD = "group_send, ORM on one thread"
THREADS = "group_send, ORM on threads"
CONVERSATIONS = 100
FIGURE = 1_000.0
"""Messages a second."""
HALF = FIGURE / 2
STEADY = 200.0
"""A rate (messages a second) that each of them bears, at which processor time is compared."""
SAMPLE = 200
SECONDS = 2.0
ROUNDS = 3
TASKS = 100
"""How many append at the same time."""


@dataclass
class Chat:
    """A chat that is served, and those who talk there.

    Attributes:
        daphne: Its server.
        crowd: They.
        lost: Messages that did not come back, though they were not more than it bears (count).
    """

    daphne: Daphne
    crowd: Crowd
    lost: int = 0

    def uses(self, runner: asyncio.Runner) -> Contender:
        """Return the contender whose time is the server's processor time."""

        def contend(count: int) -> float:
            before = used(self.daphne.pid)
            runner.run(self._say(count))
            return used(self.daphne.pid) - before

        return contend

    async def _say(self, count: int) -> None:
        tally = self.crowd.tally = Tally()
        await self.crowd.say(count, STEADY)
        await self.crowd.settle(PATIENCE, LONGEST)
        self.lost += count - len(tally.echoes)

    async def step(self, seconds: float, rate: float) -> Step:
        """Have them talk at this rate."""
        return await step(self.crowd, self.daphne.pid, rate, seconds)


def measure(effort: Effort) -> Iterator[Measured]:
    """Measure the chats."""
    if why := servers.why_no_postgresql() or layers.why_no_redis():
        yield LeftOut("chat", why)
        return
    key = secrets.token_urlsafe(32)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(database("postgresql"))
        stack.callback(servers.forget_keys)
        chat_places.set_up(place)
        runner = stack.enter_context(asyncio.Runner())
        ours, usual = chat_places.of_ours(CONVERSATIONS, key), chat_places.of_the_usual(CONVERSATIONS, key)
        chats = {
            FIRST: _chat(stack, runner, OURS, told(place, key), ours),
            THREADS: _chat(stack, runner, USUAL, _usual(place, key, one_thread=False), usual),
        }
        if not effort.quick:
            chats[ONE_THREAD] = _chat(stack, runner, USUAL, _usual(place, key, one_thread=True), usual)
        yield _processor_time(chats, runner, effort)
        for name, chat in chats.items():
            yield _told(f"messages that got lost: {name}", chat.lost, "count", at_most=0 if name == FIRST else None)
        yield from _latency(chats, runner, effort)
        if effort.quick:
            yield LeftOut("the highest rates", "only without --quick")
        else:
            yield from _highest(chats, runner)
        yield _appends(runner, effort, ours, usual)


def _usual(place: Database, key: str, *, one_thread: bool) -> dict[str, str]:
    return told(place, key, redis=servers.REDIS, one_thread=one_thread)


def _chat(
    stack: contextlib.ExitStack, runner: asyncio.Runner, site: str, environ: dict[str, str], places: list[Place]
) -> Chat:
    daphne = stack.enter_context(served(site, environ))
    crowd = runner.run(_crowd(daphne.port, places[: len(places) // MEMBERS]))
    return Chat(daphne, crowd)


async def _crowd(port: int, places: list[Place]) -> Crowd:
    crowd = Crowd()
    await crowd.join(f"ws://127.0.0.1:{port}/chat/conversation/", places)
    return crowd


def _processor_time(chats: dict[str, Chat], runner: asyncio.Runner, effort: Effort) -> Measured:
    contenders = {name: chat.uses(runner) for name, chat in chats.items()}
    sample = SAMPLE // 2 if effort.quick else SAMPLE
    row = Row("a message, processor time of the server", contenders, limit=sample)
    return run(row, replace(effort, repeats=7, seconds=2 * sample / STEADY))


def _latency(chats: dict[str, Chat], runner: asyncio.Runner, effort: Effort) -> Iterator[Measured]:
    seconds = SECONDS / 2 if effort.quick else SECONDS
    seen: dict[str, list[Step]] = {name: [] for name in chats}
    for _ in range(ROUNDS):
        for name, chat in chats.items():
            seen[name].append(runner.run(chat.step(seconds, HALF)))
    for name, steps in seen.items():
        yield from _echoes(name, steps)
    mine = seen[FIRST]
    yield _told("the client's processor time for a message", 1e6 * median(each.client for each in mine), "µs")
    yield _told("the client was late, p95", 1000 * median(each.late for each in mine), "ms")
    yield _told(
        "messages that came out of order: ours", sum(each.tally.errors["out of order"] for each in mine), "count"
    )


def _echoes(name: str, steps: list[Step]) -> Iterator[Measured]:
    what = f"own echo at {HALF:g} messages a second"
    if median(each.percentile(0.95) for each in steps) == inf:
        yield LeftOut(f"{what}: {name}", "more are due than it takes")
        return
    for share, at_most in ((0.5, None), (0.95, 1000 * LIMIT if name == FIRST else None)):
        value = 1000 * median(each.percentile(share) for each in steps)
        yield _told(f"{what}, p{100 * share:g}: {name}", value, "ms", at_most=at_most)


def _highest(chats: dict[str, Chat], runner: asyncio.Runner) -> Iterator[Measured]:
    found = runner.run(highest({name: partial(chat.step, SECONDS) for name, chat in chats.items()}))
    for name, (rate, _) in found.items():
        what = f"messages a second with p95 ≤ {1000 * LIMIT:g} ms: {name}"
        yield _told(what, rate, "messages/s", at_least=FIGURE if name == FIRST else None)
    best = max(rate for name, (rate, _) in found.items() if name != FIRST)
    yield _told(
        "the same, ours as a multiple of the better other", found[FIRST][0] / max(best, 1.0), "times", at_least=2
    )


def _appends(runner: asyncio.Runner, effort: Effort, ours: list[Place], usual: list[Place]) -> Measured:
    """Measure appends without sockets, in this process."""
    from channels.db import database_sync_to_async

    from phoenix_sessions.contrib.chat.gateway import gateway
    from phoenix_sessions.contrib.chat.types import Draft

    from ..chat_usual import store

    said = {"text": "what a message of a usual length may look like, more or less"}
    turn, other = iter(_around(ours)), iter(_around(usual))
    stored = database_sync_to_async(store, thread_sensitive=False)

    async def append() -> None:
        participant, _, conversation = next(turn)
        await gateway.aappend(Draft(conversation, participant, said, client_id=secrets.token_hex(8)))

    async def insert() -> None:
        participant, _, conversation = next(other)
        await stored(int(conversation), participant, secrets.token_hex(8), said)

    contenders = {
        FIRST: medians.tasks(runner, TASKS, append),
        "ORM on threads": medians.tasks(runner, TASKS, insert),
    }
    what = f"an append without sockets, {TASKS} tasks at once"
    row = Row(what, contenders, (Figure("ORM on threads", at_least=2),), unsteady=("ORM on threads",))
    return run(row, replace(effort, repeats=7, seconds=0.2 if effort.quick else 0.5))


def _around(places: list[Place]) -> Iterator[Place]:
    while True:
        yield from places


def _told(name: str, value: float, unit: str, at_most: float | None = None, at_least: float | None = None) -> Fact:
    return Fact(name, value, unit, at_most, at_least)
