"""Sessions on Redis, PostgreSQL and SQLite: a dispatch beside the bare commit, many at once, workers, and bytes.

Rules:
    1. A state has 1 KB (see ``documents``), and the history is off unless a row says otherwise.
    2. The floor of a dispatch is the same commit by the client library alone (see ``bare``); both times are medians of
       single commits.
    3. "One commit each" is ours with every action committed by itself, in the same process.
    4. Workers are OS processes (see ``backend_worker``); a row's time is that of all of them together.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from phoenix_sessions import SessionRef, sessions

from .. import backend_bytes, backend_costs, engines, medians, servers
from ..backend_workers import Crew, Workers, one_each
from ..bare import bare_of
from ..documents import LARGE, PROCESSES, SMALL, MemoryDocument
from ..engines import Places
from ..measure import Effort, Fact, Figure, LeftOut, Measured, Row, looped, run

WRITERS = 50
SESSIONS = 200
WORKERS = 4
TASKS = 10
"""Dispatchers of each worker."""
READS = 200
LOADED = 1_000
BARE = "bare commit"
ROUNDS = 7
"""Of engines that are slow; and no less, ever."""


def measure(effort: Effort) -> Iterator[Measured]:
    """Measure every engine that there is."""
    with contextlib.ExitStack() as stack:
        found, missing = stack.enter_context(engines.places())
        engines.set_up(found)
        engines.migrate(found)
        gc.collect()
        gc.freeze()  # what is there now stays, and need not be gone through before each sample
        for name, why in missing.items():
            yield LeftOut(f"sessions in {name}", why)
        workers = Workers(WORKERS, found)
        stack.callback(workers.stop)
        runner = stack.enter_context(asyncio.Runner())
        for name in engines.names(missing):
            engines.use(name)
            workers.use(name)
            yield from Engine(name, found, effort, runner, workers).measure()


class Engine:
    """The rows of one engine."""

    def __init__(self, name: str, found: Places, effort: Effort, runner: asyncio.Runner, workers: Workers) -> None:
        self._name = name
        self._found = found
        self._redis = name == engines.REDIS
        self._quick = effort.quick
        repeats = effort.repeats if self._redis else ROUNDS
        self._effort = replace(effort, repeats=repeats, seconds=0.04 if effort.quick else 0.15)
        self._longer = replace(effort, repeats=repeats, seconds=0.06 if effort.quick else 0.2)
        self._runner = runner
        self._workers = workers
        self._prefix = f"{'-'.join(name.replace(',', '').split())}-{random.randbytes(3).hex()}"

    def measure(self) -> Iterator[Measured]:
        """Measure the rows; with ``--quick`` workers are on Redis alone."""
        tables = None if self._redis else backend_bytes.Tables(self._name, self._found)
        ids = self._start_all("first")
        if tables is not None:
            yield tables.told()
        else:
            yield from self._costs()
        yield from self._dispatches()
        yield from self._crowds()
        if self._redis:
            yield from self._reads()
            yield from backend_bytes.in_redis(self._prefix)
            if not self._quick:
                yield from backend_bytes.among_many()
        if self._redis or not self._quick:
            yield from self._shared_out(ids)
            if tables is not None:
                yield tables.told()
            yield from self._hot()
        else:
            yield LeftOut(f"{self._name}: {WORKERS} workers", "only without --quick")
        sessions.backend.close()

    def _start(self, name: str, history: int = 0) -> SessionRef:
        return sessions.start_session(f"{self._prefix}-{name}", PROCESSES[history])

    def _start_all(self, name: str, count: int = SESSIONS) -> list[str]:
        return [self._start(f"{name}-{number}").id for number in range(count)]

    def _costs(self) -> Iterator[Measured]:
        """Measure what a worker's memory, the server and the network have to do; the workers are new yet."""
        grown = self._workers.grow(self._start_all("loaded", LOADED))
        yield Fact("a session of 1 KB in a worker's memory, its state's objects included", grown, "bytes")
        yield from backend_costs.of_redis(self._start("costs"))

    # -- one at a time -----------------------------------------------------------------------------------------------

    def _dispatches(self) -> Iterator[Measured]:
        yield from self._dispatch("history off", SMALL, 0, 1.5)
        if self._redis:
            yield from self._dispatch("history off, the slice of 1 KB changes", LARGE, 0, 1.5)
        yield from self._dispatch("history of 100", SMALL, 100, None)

    def _dispatch(self, what: str, action: str, history: int, at_most: float | None) -> Iterator[Measured]:
        ref = self._start(f"one-{action.partition('.')[0]}-{history}", history)
        commit, acommit = bare_of(self._name, self._found, ref, action)
        figures = (Figure(BARE, at_most=at_most),) if self._redis and at_most else ()
        ours = {"ours": medians.p50(partial(ref.dispatch, action, 1)), BARE: medians.p50(commit)}
        yield run(Row(f"{self._name}: dispatch, {what}", ours, figures), self._effort)
        if acommit is not None:
            aours = medians.ap50(self._runner, partial(ref.adispatch, action, 1))
            contenders = {"ours": aours, BARE: medians.ap50(self._runner, acommit)}
            yield run(Row(f"{self._name}: adispatch, {what}", contenders, figures), self._effort)

    # -- many on one -------------------------------------------------------------------------------------------------

    def _crowds(self) -> Iterator[Measured]:
        ref = self._start("crowded")
        tasks = medians.tasks(self._runner, WRITERS, partial(ref.adispatch, SMALL, 1))
        threads = medians.threads(WRITERS, partial(ref.dispatch, SMALL, 1))
        figures = (Figure("one commit each", at_least=5),)
        for what, contender in (("tasks", tasks), ("threads", threads)):
            contenders = {"together": contender, "one commit each": one_each(contender)}
            name = f"{self._name}: {WRITERS} {what} on one session"
            yield run(Row(name, contenders, figures, unsteady=tuple(contenders)), self._longer)

    # -- reads -------------------------------------------------------------------------------------------------------

    def _reads(self) -> Iterator[Measured]:
        ref = self._start("read")
        memory = sessions.start_session(f"{self._prefix}-memory", MemoryDocument)
        self._watch(ref)
        yield Fact(f"{self._name}: commands for {READS:,} cached reads", self._commands(ref), "count", at_most=0)
        contenders = {
            "ours": looped("read()", "read = ref.get_state", ref=ref),
            "session in memory": looped("read()", "read = ref.get_state", ref=memory),
        }
        yield run(Row(f"{self._name}: get_state, cached", contenders), self._effort)

    def _watch(self, ref: SessionRef) -> None:
        """Read until every change elsewhere would come by itself."""
        until = time.monotonic() + 10
        while not getattr(sessions.lookup(ref.id), "fresh", False):
            ref.get_state()
            time.sleep(0.01)
            if time.monotonic() > until:
                raise RuntimeError("the session is not watched")

    def _commands(self, ref: SessionRef) -> int:
        """Return how many commands Redis got meanwhile, but for our question; least of many, as others ask it too."""
        import redis

        client = redis.Redis.from_url(servers.REDIS)
        counts = []
        for _ in range(self._effort.repeats * 10):
            before = client.info("stats")["total_commands_processed"]
            for _ in range(READS):
                ref.get_state()
            counts.append(client.info("stats")["total_commands_processed"] - before - 1)
        return int(min(counts))

    # -- workers -----------------------------------------------------------------------------------------------------

    def _shared_out(self, ids: list[str]) -> Iterator[Measured]:
        """Measure workers on sessions of their own, and on any; each crew has sessions that no other one touches."""
        crews = {}
        for number in (1, 2, WORKERS):
            own = ids if number == 1 else self._start_all(f"of-{number}")
            crews[f"{number} of 4"] = Crew(self._workers, [own[first::number] for first in range(number)], TASKS)
        own = self._start_all("any")
        crews["4, any session"] = Crew(self._workers, [_shuffled(own, seed) for seed in range(WORKERS)], TASKS)
        row = f"{self._name}: {SESSIONS} sessions, workers"
        yield run(Row(row, crews, unsteady=tuple(crews)), self._longer)
        for name, crew in crews.items():
            yield from _told(f"{row}, {name}", crew, tried=name == "4, any session")

    def _hot(self) -> Iterator[Measured]:
        """Measure workers on one session, and beside it on one each."""
        for tasks in (1, TASKS) if self._redis else (1,):
            one, *own = self._start_all(f"hot-{tasks}", WORKERS + 1)
            crews = {
                "one session": Crew(self._workers, [[one]] * WORKERS, tasks),
                "one each": Crew(self._workers, [[id] for id in own], tasks),
            }
            row = f"{self._name}: {WORKERS} workers, {tasks} dispatcher{'s' if tasks > 1 else ''} each"
            yield run(Row(row, crews, unsteady=tuple(crews)), self._longer)
            for name, crew in crews.items():
                hot = name == "one session"
                yield from _told(f"{row}, {name}", crew, tried=hot, at_most=2 if hot else None)


def _told(what: str, crew: Crew, *, tried: bool, at_most: float | None = None) -> Iterator[Fact]:
    """Return what a row does not say: tries of a commit, if somebody could be faster, and how long a dispatch took."""
    if tried:
        yield Fact(f"{what}: tries of a commit", crew.tries, "count", at_most)
    yield Fact(f"{what}: p99 of a dispatch", crew.latencies.percentile(0.99) * 1e3, "ms")


def _shuffled(ids: Sequence[str], seed: int) -> list[str]:
    return random.Random(seed).sample(ids, len(ids))
