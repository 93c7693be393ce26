"""What the chat is put through.

Rules:
    1. A scenario makes its database, its Redis and its workers, and leaves nothing behind.
    2. In each, what was acknowledged is what is stored, once, in places 1, 2, 3 …; each sender's messages are in the
       order of their sending; and each listener has seen exactly what is stored, in that order, once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from . import troubles
from .ground import Ground, ground
from .in_process import senders
from .load import Cause, Outcome, talk
from .talker import Talker

RECONNECT: Final = "4012"
KILLED: Final = {"no code", "ConnectionRefusedError", "ConnectionResetError", "InvalidMessage", "EOFError"}
"""How connections end that a killed worker had, or that it has not taken."""
AWAY: Final = {"unavailable", "4013"}
"""What clients are told while the database or the engine is away."""
STOPS: Final = {RECONNECT, "backpressure draining", "ConnectionRefusedError", "InvalidMessage"}
"""What clients are told by a worker that stops; it takes no connection that it has not taken."""


@dataclass(frozen=True)
class Size:
    """How much, and how hard.

    Attributes:
        conversations: How many (count).
        senders: In each of them, each with a socket that sends and listens (count).
        messages: Of each sender (count).
        rate: How many messages all send together (per second), None = each as fast as it is acknowledged.
        ahead: How many a sender sends before the first is acknowledged (count).
        workers: How many (count).
        every: Between two faults (seconds).
        clients: How many come and go (count), for ``clients_leave``.
        leaves: How often each does (count).
        seed: For all choices.
        patience: How long it may take (seconds).
    """

    conversations: int = 10
    senders: int = 50
    messages: int = 10
    rate: float | None = None
    ahead: int = 1
    workers: int = 3
    every: float = 2.0
    clients: int = 20
    leaves: int = 100
    seed: int = 1
    patience: float = 300.0

    def names(self, conversation: int) -> list[str]:
        """Return the senders of one conversation."""
        return [f"user:{conversation}-{number}" for number in range(self.senders)]

    @property
    def pause(self) -> float:
        """Between two messages of one sender (seconds)."""
        return 0.0 if self.rate is None else self.conversations * self.senders / self.rate


@dataclass(frozen=True)
class Report:
    """A scenario's outcome, and what should not be."""

    outcome: Outcome
    findings: list[str] = field(default_factory=list)


Scenario = Callable[[Path, Size], Report]


def crowd(folder: Path, size: Size) -> Report:
    """All send at the same time; nothing goes wrong."""
    return _run(folder, size, lambda _: troubles.nothing, allowed=set())


def threads(folder: Path, size: Size) -> Report:
    """All send at the same time on threads of two other processes; in each conversation, each worker has a listener."""
    with ground(folder, size.workers) as here:
        listeners = [
            [f"user:{place}-hears-{worker}" for worker in range(size.workers)] for place in range(size.conversations)
        ]
        names = [size.names(place) for place in range(size.conversations)]
        ids = here.prepare([[*one, *other] for one, other in zip(names, listeners, strict=True)])
        here.start()
        pairs = [(name, id) for id, group in zip(ids, names, strict=True) for name in group]
        talkers = [
            Talker(name, id, [*here.ports[place:], *here.ports[:place]])
            for id, group in zip(ids, listeners, strict=True)
            for place, name in enumerate(group)
        ]
        for talker in talkers:
            talker.done.set()
        outcome = talk(
            here,
            talkers,
            troubles.nothing,
            patience=size.patience,
            others=lambda: senders(here, pairs, size.messages, 2, size.patience),
        )
    return Report(outcome, _findings(outcome, set()))


def workers_die(folder: Path, size: Size) -> Report:
    """A worker is killed every so often, and started again; clients come back to any."""
    return _run(folder, size, lambda here: troubles.workers_die(here, size.seed, size.every), allowed=KILLED)


def clients_leave(folder: Path, size: Size) -> Report:
    """Clients leave at random moments and come back to any worker, while they and others send."""
    with ground(folder, size.workers) as here:
        comers = [f"user:comes-{number}" for number in range(size.clients)]
        stayers = size.names(0)
        ids = here.prepare([[*comers, *stayers]])
        here.start()
        ports, stays = here.ports, 0.25
        pause = size.leaves * stays / size.messages / 2
        common = {"pause": pause, "seed": size.seed, "ahead": size.ahead}
        talkers = [
            Talker(name, ids[0], _from(ports, place), size.messages, leaves=size.leaves, stays=stays, **common)
            for place, name in enumerate(comers)
        ]
        talkers += [
            Talker(name, ids[0], _from(ports, place), size.messages, **common) for place, name in enumerate(stayers)
        ]
        outcome = talk(here, talkers, troubles.nothing, patience=size.patience)
    return Report(outcome, _findings(outcome, set()))


def deploy(folder: Path, size: Size) -> Report:
    """One worker after the other is asked to end, and replaced."""
    return _run(folder, size, lambda here: troubles.deploy(here, size.every), allowed=STOPS, whole=True)


def redis_dies(folder: Path, size: Size) -> Report:
    """Redis, which carries the live events, is killed three times, and begins again."""

    def cause(here: Ground) -> Cause:
        return troubles.redis_dies(here.redis, size.every, down=size.every / 2, times=3)

    return _run(folder, size, cause, allowed=AWAY, whole=True)


def database_hangs_up(folder: Path, size: Size) -> Report:
    """PostgreSQL ends the workers' connections again and again."""
    return _run(folder, size, lambda here: troubles.connections_end(here, size.every / 4), allowed=AWAY)


ALL: Final[dict[str, Scenario]] = {
    "crowd": crowd,
    "threads": threads,
    "workers-die": workers_die,
    "clients-leave": clients_leave,
    "deploy": deploy,
    "redis-dies": redis_dies,
    "database-hangs-up": database_hangs_up,
}


def _run(
    folder: Path, size: Size, cause: Callable[[Ground], Cause], *, allowed: set[str], whole: bool = False
) -> Report:
    with ground(folder, size.workers) as here:
        names = [size.names(place) for place in range(size.conversations)]
        ids = here.prepare(names)
        here.start()
        options = {"pause": size.pause, "ahead": size.ahead, "seed": size.seed}
        talkers = [
            Talker(name, id, _from(here.ports, place), size.messages, **options)
            for id, group in zip(ids, names, strict=True)
            for place, name in enumerate(group)
        ]
        outcome = talk(here, talkers, cause(here), patience=size.patience, whole=whole)
    return Report(outcome, _findings(outcome, allowed))


def _from(ports: Sequence[int], place: int) -> list[int]:
    """Return the ports, from another first one for each place."""
    first = place % len(ports)
    return [*ports[first:], *ports[:first]]


def _findings(outcome: Outcome, allowed: set[str]) -> list[str]:
    verdict = outcome.verdict
    found = [*outcome.late[:5], *verdict.findings]
    told = verdict.closes + verdict.refusals
    return found + [f"{count} times: {kind}" for kind, count in told.items() if kind not in allowed]
