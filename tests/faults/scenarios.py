"""What the cluster is put through, in the words of the table.

Rules:
    1. A scenario makes its engine and its cluster, and leaves nothing behind.
    2. It judges nothing but ``findings``: what it promises beyond "what was acknowledged is applied once".
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from . import engines, troubles
from .cluster import Cluster
from .load import Load, Outcome, under_load
from .redis_server import RedisServer

LATER: Final = {"503, try later"}
"""The errors that a client may see while the engine is away; all others are findings."""
CLOSED: Final = {"closed, kept connection", "closed, new connection", "ConnectionResetError", "IncompleteRead"}
"""The errors that a client may see when workers die."""
UNTAKEN: Final = {"closed, new connection"}
"""The error that a client may see when a server ends in order: the system had taken its connection, it had not."""
FORGETS_S: Final = 1.0
"""How much a Redis that tells its disk every second may forget (seconds)."""

FLUSH_S: Final = 0.3
"""How often an owner writes (seconds)."""


@dataclass(frozen=True)
class Size:
    """How long and how hard.

    Attributes:
        load: The writers and watchers.
        workers: How many (count).
        every: Between two faults (seconds).
        pause: How long something stands still (seconds).
        timeout: How long a worker waits for an answer of the engine (seconds).
        patience: How long it asks again (seconds).
        more: Other settings of PHOENIX_SESSIONS.
        engine: "redis", "sqlite", "postgresql"; or "memory", where everything is lost with its worker.
        database: For "postgresql": as in Django's DATABASES.
    """

    load: Load = field(default_factory=Load)
    workers: int = 4
    every: float = 2.0
    pause: float = 10.0
    timeout: float = 3.0
    patience: float = 5.0
    more: dict[str, Any] = field(default_factory=dict)
    engine: str = "redis"
    database: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """What PHOENIX_SESSIONS says beside the engine."""
        return {"BACKEND_PATIENCE": self.patience, **self.more}

    @property
    def bound(self) -> float:
        """The longest that an answer may take (seconds): two verbs of the engine that fail, on a busy machine."""
        return 2 * (2 * self.timeout + self.patience) + 2


@dataclass(frozen=True)
class Report:
    """A scenario's outcome, and what it did not keep to."""

    outcome: Outcome
    findings: list[str]
    may_lose: bool = False

    @property
    def failed(self) -> bool:
        """Whether something acknowledged was lost or doubled, or a promise was not kept."""
        lost = bool(self.outcome.verdict.lost) and not self.may_lose
        return lost or self.outcome.verdict.wrong or bool(self.findings)


Scenario = Callable[[Path, Size], Report]


def workers_die(folder: Path, size: Size) -> Report:
    """Workers are killed; writers send the same id until it is acknowledged."""
    return _killing(folder, replace(size, load=replace(size.load, insists=True)))


def workers_die_unasked(folder: Path, size: Size) -> Report:
    """Workers are killed; writers never send anything twice."""
    return _killing(folder, replace(size, load=replace(size.load, insists=False, moves=False)))


def redis_dies(folder: Path, size: Size, fsync: str = "always") -> Report:
    """Redis is killed three times."""
    with _redis(folder, fsync) as server, _in_redis(folder, size, server) as cluster:
        trouble = troubles.redis_dies(server, size.every, down=size.every / 2, times=3)
        outcome = under_load(cluster, replace(size.load, insists=True), trouble, whole=True)
    return Report(outcome, _promises(outcome, size, LATER))


def redis_dies_everysec(folder: Path, size: Size) -> Report:
    """Redis is killed three times; it tells its disk every second."""
    report = redis_dies(folder, size, "everysec")
    return replace(report, findings=report.findings + losses(report.outcome, FORGETS_S), may_lose=True)


def power_fails(folder: Path, size: Size) -> Report:
    """The machine of a Redis that tells its disk every second has no power for a moment."""
    with _redis(folder, "everysec") as server, _in_redis(folder, size, server) as cluster:
        trouble = troubles.power_fails(server, max(size.every, 2 * FORGETS_S), FORGETS_S)
        outcome = under_load(cluster, replace(size.load, insists=True), trouble, whole=True)
    return _forgetful(outcome, size, FORGETS_S)


def redis_forgets(folder: Path, size: Size) -> Report:
    """Redis is killed, and begins again with nothing."""
    with _redis(folder, None) as server, _in_redis(folder, size, server) as cluster:
        trouble = troubles.redis_dies(server, size.every, down=size.every / 2, times=1)
        outcome = under_load(cluster, replace(size.load, insists=True), trouble, whole=True)
    return _forgetful(outcome, size, math.inf)


def redis_pauses(folder: Path, size: Size) -> Report:
    """Redis stands still once."""
    with _redis(folder, "everysec") as server, _in_redis(folder, size, server) as cluster:
        trouble = troubles.redis_pauses(server, size.every, size.pause)
        outcome = under_load(cluster, replace(size.load, insists=True), trouble, whole=True)
    findings = _promises(outcome, size, LATER)
    if size.pause > 2 * size.timeout + size.patience and not outcome.verdict.errors["503, try later"]:
        findings.append("nobody was told to try later")
    return Report(outcome, findings)


def deploy(folder: Path, size: Size) -> Report:
    """One worker after the other is asked to end, and replaced; a session that exists is served all the while."""
    with cluster_for(folder, size) as cluster:
        cluster.live[0].ask("/start", size.load.ids)  # which a worker that ends would refuse, as it says
        outcome = under_load(cluster, size.load, troubles.deploy(cluster, size.every), whole=True)
    return Report(outcome, _promises(outcome, size, UNTAKEN))


def paused_worker(folder: Path, size: Size) -> Report:
    """One of three workers stands still while the others change its sessions, and then goes on."""
    outcome, findings = _pausing(folder, size, size.load)
    return Report(outcome, findings)


def paused_owner(folder: Path, size: Size) -> Report:
    """The same with sessions that are written behind, which it owned; what it had not written yet is lost."""
    patience = 2 * size.pause  # else it is over for who waits in the worker that stands still
    owned = {"FLUSH_INTERVAL": FLUSH_S, "OWNER_LEASE": size.pause / 3, "BACKEND_PATIENCE": patience}
    load = replace(size.load, prefix="owned", sessions=20, watchers=0, insists=True)  # the watched are not handed over
    outcome, findings = _pausing(folder, replace(size, patience=size.pause, more=owned), load)
    sent, paused = outcome.verdict.lost.values(), outcome.trouble.cuts[0]
    if sent:
        outcome.trouble.notes["lost were sent before the pause, s"] = (
            f"{paused - max(sent):.2f} to {paused - min(sent):.2f}"
        )
    if late := sum(moment > paused for moment in sent):
        findings.append(f"{late} are lost that were sent when it stood still, or later")
    if early := sum(moment < paused - FLUSH_S - 1 for moment in sent):
        findings.append(f"{early} are lost that must have been written")
    return Report(outcome, findings, may_lose=True)


def owners_change(folder: Path, size: Size) -> Report:
    """Three workers take sessions from each other that are written behind; nothing goes wrong."""
    owned = {"FLUSH_INTERVAL": FLUSH_S, "OWNER_LEASE": 3.0, "BACKEND_PATIENCE": 10.0}
    load = replace(size.load, prefix="owned", sessions=3, watchers=0, insists=True)
    with cluster_for(folder, replace(size, workers=3, more=owned)) as cluster:
        ports = [worker.port.number for worker in cluster.workers]
        outcome = under_load(cluster, load, troubles.nothing, ports)
    return Report(outcome, _promises(outcome, replace(size, patience=10.0), set()))


def _pausing(folder: Path, size: Size, load: Load) -> tuple[Outcome, list[str]]:
    each = load.increments / load.writers
    load = replace(load, pause=(size.pause + 4) / each, patience=size.pause + load.patience)
    with cluster_for(folder, replace(size, workers=3)) as cluster:
        ports = [worker.port.number for worker in cluster.workers]
        outcome = under_load(cluster, load, troubles.worker_pauses(cluster, 1.0, size.pause), ports, whole=True)
    findings = _promises(outcome, size, set(), more=size.pause)
    others = max(account.longest for account in outcome.accounts if account.port != ports[0])
    if others > size.bound:
        findings.append(f"an answer of another worker took {others:.1f} s, which may be {size.bound:g}")
    return outcome, findings


ALL: Final[dict[str, Scenario]] = {
    "workers-die": workers_die,
    "workers-die-unasked": workers_die_unasked,
    "deploy": deploy,
    "paused-worker": paused_worker,
    "paused-owner": paused_owner,
    "owners-change": owners_change,
    "redis-dies": redis_dies,
    "redis-dies-everysec": redis_dies_everysec,
    "power-fails": power_fails,
    "redis-forgets": redis_forgets,
    "redis-pauses": redis_pauses,
}
ONLY_REDIS: Final = {"redis-dies", "redis-dies-everysec", "power-fails", "redis-forgets", "redis-pauses"}


@contextlib.contextmanager
def cluster_for(folder: Path, size: Size) -> Iterator[Cluster]:
    """Run the engine and the workers."""
    with contextlib.ExitStack() as stack:
        if size.engine == "redis":
            server = stack.enter_context(_redis(folder, "always"))
            environment = engines.in_redis(server, size.timeout, **size.settings)
        elif size.engine == "sqlite":
            environment = engines.in_sqlite(folder / "sessions.sqlite3", size.timeout, **size.settings)
        elif size.engine == "memory":
            environment = engines.in_memory()
        else:
            environment = engines.in_postgresql(size.database, size.timeout, **size.settings)
        yield stack.enter_context(Cluster(folder, environment, size.workers))


def _killing(folder: Path, size: Size) -> Report:
    with cluster_for(folder, size) as cluster:
        trouble = troubles.workers_die(cluster, size.load.seed, size.every)
        outcome = under_load(cluster, size.load, trouble)
    findings = _promises(outcome, size, CLOSED)
    if size.load.insists and outcome.verdict.applied != outcome.verdict.sent:
        findings.append(f"{outcome.verdict.sent} were sent until acknowledged, {outcome.verdict.applied} are applied")
    return Report(outcome, findings)


def _forgetful(outcome: Outcome, size: Size, forgets: float) -> Report:
    """Return the report on an engine that has forgotten the last seconds before it was killed."""
    cut, sent = outcome.trouble.cuts[0], outcome.verdict.lost.values()
    if sent:
        outcome.trouble.notes["lost were sent before the end, s"] = f"{cut - max(sent):.2f} to {cut - min(sent):.2f}"
    findings = _promises(outcome, size, LATER, forgets=True) + losses(outcome, forgets)
    return Report(outcome, findings, may_lose=True)


def losses(outcome: Outcome, forgets: float) -> list[str]:
    """Return what was lost that an engine may not lose which forgets the last seconds before each of its ends."""
    cuts, backs = outcome.trouble.cuts, outcome.trouble.ends
    late = early = 0
    for moment in outcome.verdict.lost.values():
        ends = [cut for cut, back in zip(cuts, backs, strict=True) if moment <= back]
        late += not ends
        early += bool(ends) and moment < ends[0] - forgets - 1
    findings = []
    if late:
        findings.append(f"{late} are lost that were sent when Redis was back")
    if early:
        findings.append(f"{early} are lost that were on the disk")
    return findings


def _promises(
    outcome: Outcome, size: Size, allowed: set[str], more: float = 0.0, *, forgets: bool = False
) -> list[str]:
    """Return what was not kept of what every scenario promises."""
    findings = [f"{count} times: {kind}" for kind, count in outcome.verdict.errors.items() if kind not in allowed]
    if outcome.verdict.longest > size.bound + more:
        findings.append(f"an answer took {outcome.verdict.longest:.1f} s, which may be {size.bound + more:g}")
    if outcome.verdict.went_back and not forgets:
        findings.append(f"{outcome.verdict.went_back} answers have an older version than the answer before")
    if outcome.watchers_back and not forgets:
        findings.append(f"{outcome.watchers_back} times a watcher was told an older version")
    if outcome.watched[0] != outcome.watched[1]:
        findings.append(f"{outcome.watched[1] - outcome.watched[0]} of {outcome.watched[1]} watchers are behind")
    return findings


@contextlib.contextmanager
def _redis(folder: Path, fsync: str | None) -> Iterator[RedisServer]:
    server = RedisServer(folder, fsync)
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.end()


def _in_redis(folder: Path, size: Size, server: RedisServer) -> Cluster:
    return Cluster(folder, engines.in_redis(server, size.timeout, **size.settings), size.workers)
