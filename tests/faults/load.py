"""Writers and watchers at work while something goes wrong, and the verdict after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .account import Account
from .cluster import Cluster
from .verdict import Verdict, judge
from .watcher import Watcher
from .writer import Writer

SETTLES_S = 20.0
"""How long workers may take, after the last fault, until all say the same (seconds)."""


@dataclass(frozen=True)
class Load:
    """How much is done, by whom.

    Attributes:
        increments: How many in all (count).
        sessions: In how many sessions (count).
        writers: By how many clients (count).
        watchers: How many sessions are followed over a WebSocket (count).
        moves: See ``Writer``.
        insists: See ``Writer``.
        pause: Between two increments of a writer (seconds).
        patience: Of a writer for an answer (seconds).
        seed: For all choices.
        prefix: What the sessions' ids begin with; "owned": their process class has an owner, see ``site.processes``.
    """

    increments: int = 3000
    sessions: int = 200
    writers: int = 12
    watchers: int = 0
    moves: bool = True
    insists: bool = False
    pause: float = 0.0
    patience: float = 20.0
    seed: int = 1
    prefix: str = "session"

    @property
    def ids(self) -> list[str]:
        """The sessions."""
        return [f"{self.prefix}-{number}" for number in range(self.sessions)]


@dataclass
class Trouble:
    """What went wrong, told by whoever does it.

    Attributes:
        over: Set when the writers have ended: it should stop.
        done: Set when it has stopped.
        cuts: When the engine was killed, or a worker stopped to work (seconds, monotonic).
        ends: When each outage was over (seconds, monotonic).
        notes: What a report should say beside the verdict, by name.
    """

    over: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    cuts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)

    def rest(self, seconds: float) -> bool:
        """Wait; returns whether to go on."""
        return not self.over.wait(seconds)


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        verdict: About the increments.
        watched: Watchers that have the last count in the end, and all of them (count).
        watchers_back: How often a watcher was told an older version than before (count).
        recovery: The longest from the end of an outage until something was acknowledged again (seconds), by every
            worker that acknowledged anything after it; None if there was no outage.
        seconds: How long the writers took.
        trouble: What went wrong.
        accounts: Of the writers.
    """

    verdict: Verdict
    watched: tuple[int, int]
    watchers_back: int
    recovery: float | None
    seconds: float
    trouble: Trouble
    accounts: list[Account]


def under_load(
    cluster: Cluster,
    load: Load,
    trouble: Callable[[Trouble], None],
    ports: Sequence[int] = (),
    *,
    whole: bool = False,
) -> Outcome:
    """Let the writers write while there is trouble; returns when both have ended and the workers have settled.

    Args:
        cluster: It must be whole again, with its engine, when the trouble returns.
        load: How much.
        trouble: Run on a thread of its own; what it raises is raised here.
        ports: Where the writers go to, in turn, if not to the balancer.
        whole: Whether the writers go on, beyond their increments, until the trouble is over by itself.
    """
    start = time.monotonic()
    doors, told = ports or [cluster.balancer.port], Trouble()
    each = -(-load.increments // load.writers)
    options = {name: getattr(load, name) for name in ("moves", "insists", "pause", "patience", "seed")}
    writers = [
        Writer(f"w{number}", doors[number % len(doors)], load.ids, each, told.done if whole else None, **options)
        for number in range(load.writers)
    ]
    watchers = [Watcher(cluster.balancer.port, id) for id in load.ids[: load.watchers]]
    if (failure := _run(writers, watchers, trouble, told)) is not None:
        raise failure
    seconds = time.monotonic() - start
    accounts = [writer.account for writer in writers]
    verdict = settled(cluster, accounts, load.ids)
    current = _current(watchers, cluster, load.ids)
    _end(watchers)
    return Outcome(
        verdict=verdict,
        watched=(current, len(watchers)),
        watchers_back=sum(watcher.went_back for watcher in watchers),
        recovery=recovery(accounts, told.ends),
        seconds=seconds,
        trouble=told,
        accounts=accounts,
    )


def settled(cluster: Cluster, accounts: Sequence[Account], ids: list[str]) -> Verdict:
    """Return the verdict once all workers say the same, or when they have had long enough."""
    deadline = time.monotonic() + SETTLES_S
    while (verdict := judge(accounts, cluster.ledgers(ids))).disagreeing and time.monotonic() < deadline:
        time.sleep(0.2)
    return verdict


def recovery(accounts: Sequence[Account], ends: Sequence[float]) -> float | None:
    """Return the longest from the end of an outage to the next acknowledgement of each worker (seconds)."""
    longest = None
    for end in ends:
        first: dict[int, float] = {}
        for moment, worker in (ack for account in accounts for ack in account.acks if ack[0] >= end):
            first[worker] = min(moment, first.get(worker, moment))
        if first:
            longest = max(longest or 0.0, max(first.values()) - end)
    return longest


def _run(
    writers: Sequence[Writer], watchers: Sequence[Watcher], trouble: Callable[[Trouble], None], told: Trouble
) -> BaseException | None:
    """Return what the trouble raised, if it did; then writers and watchers have ended, else the writers have."""
    failures: list[BaseException] = []

    def cause() -> None:
        try:
            trouble(told)
        except BaseException as error:
            failures.append(error)
            for writer in writers:
                writer.stop()
        finally:
            told.done.set()

    causing = threading.Thread(target=cause, name="trouble", daemon=True)
    for thread in (*watchers, *writers, causing):
        thread.start()
    for writer in writers:
        writer.join()
    told.over.set()
    causing.join()
    if not failures:
        return None
    _end(watchers)
    return failures[0]


def _current(watchers: Sequence[Watcher], cluster: Cluster, ids: list[str]) -> int:
    """Return how many watchers have the last count; they get some time for it."""
    truth = cluster.live[0].ask("/ledgers", ids)
    counts = {id: ledger and ledger["count"] for id, ledger in truth.items()}
    deadline = time.monotonic() + SETTLES_S
    while (current := sum(watcher.count == counts[watcher.id] for watcher in watchers)) < len(watchers):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return current


def _end(watchers: Sequence[Watcher]) -> None:
    for watcher in watchers:
        watcher.stop()
    for watcher in watchers:
        watcher.join()
