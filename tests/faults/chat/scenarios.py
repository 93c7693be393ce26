"""What the chat is put through.

Rules:
    1. A scenario makes its own conversations on ground that is whole, and leaves the ground whole.
    2. In each, what was acknowledged is what is stored, once, in places 1, 2, 3 …; each sender's messages are in the
       order of their sending; and each listener has seen exactly what is stored, in that order, once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from . import troubles
from .agents import Answers
from .endpoint import Endpoint
from .ground import Ground
from .in_process import senders
from .load import Cause, Outcome, talk
from .talker import Talker

KILLED: Final = {"no code", "ConnectionRefusedError", "ConnectionResetError", "InvalidMessage", "EOFError"}
"""How connections end that a killed worker had, or that it has not taken."""
AWAY: Final = {"unavailable", "4013"}
"""What clients are told while the database or the engine is away."""
STOPS: Final = {
    *("4012", "backpressure draining", "backpressure, of no message"),
    *("ConnectionRefusedError", "ConnectionResetError", "InvalidMessage"),
}
"""What clients are told by a worker that stops, when they send or join; it takes no connection any more."""
STAYS_S: Final = 0.25
"""How long those stay who come and go, on average (seconds)."""
ANSWERING_S: Final = 1.0
"""How long an agent takes at most (seconds)."""


@dataclass(frozen=True)
class Size:
    """How much, and how hard.

    Attributes:
        conversations: How many (count).
        senders: In each of them, each with a socket that sends and listens (count).
        messages: Of each sender (count).
        rate: How many messages all send together (per second), None = each as fast as it is acknowledged.
        ahead: How many a sender sends before the first is acknowledged (count).
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
    every: float = 2.0
    clients: int = 20
    leaves: int = 100
    seed: int = 1
    patience: float = 300.0

    @property
    def pause(self) -> float:
        """Between two messages of one sender (seconds)."""
        return 0.0 if self.rate is None else self.conversations * self.senders / self.rate

    def names(self, word: str, count: int) -> list[str]:
        """Return so many participants that nobody knows yet."""
        return [f"user:{word}-{secrets.token_hex(4)}" for _ in range(count)]


@dataclass(frozen=True)
class Report:
    """A scenario's outcome, and what should not be."""

    outcome: Outcome
    findings: list[str] = field(default_factory=list)


Scenario = Callable[[Ground, Size], Report]


def crowd(here: Ground, size: Size) -> Report:
    """All send at the same time; nothing goes wrong."""
    return _run(here, size, troubles.nothing, allowed=set())


def threads(here: Ground, size: Size) -> Report:
    """All send at the same time, on threads of two other processes; each conversation has a listener on each worker."""
    names = [size.names("sends", size.senders) for _ in range(size.conversations)]
    listeners = [size.names("hears", len(here.workers)) for _ in names]
    ids = here.prepare([[*one, *other] for one, other in zip(names, listeners, strict=True)])
    talkers = _talkers(here, ids, listeners, 0)
    pairs = [(name, id) for id, group in zip(ids, names, strict=True) for name in group]

    def others() -> list[Any]:
        return senders(here, pairs, size.messages, 2, size.patience)

    outcome = talk(here, talkers, troubles.nothing, patience=size.patience, others=others)
    return Report(outcome, _findings(outcome, set()))


def workers_die(here: Ground, size: Size) -> Report:
    """A worker is killed every so often, and started again; clients come back to any."""
    return _run(here, size, troubles.workers_die(here, size.seed, size.every), allowed=KILLED)


def workers_die_over_agents(here: Ground, size: Size) -> Report:
    """The same while agents are asked, who answer everything once."""
    with Endpoint(ANSWERING_S, size.seed) as endpoint:
        names = [[name, name.replace("user", "agent")] for name in size.names("asks", size.senders)]
        ids = here.prepare(names, endpoint.url)
        pause = len(names) / size.rate if size.rate else ANSWERING_S
        talkers = _talkers(here, ids, [pair[:1] for pair in names], size.messages, pause=pause, seed=size.seed)
        answers = Answers(here, ids, len(ids) * size.messages)
        cause = troubles.workers_die(here, size.seed, size.every)
        outcome = talk(here, talkers, cause, patience=size.patience, others=lambda: answers.wait(size.patience))
        outcome.trouble.notes["asked"] = len(endpoint.asked)
        outcome.trouble.notes["of that again"] = len(endpoint.asked) - len({each.id for each in endpoint.asked})
        return Report(outcome, _findings(outcome, KILLED) + answers.findings(endpoint.asked))


def clients_leave(here: Ground, size: Size) -> Report:
    """Clients leave at random moments and come back to any worker, while they and others send."""
    comers, stayers = size.names("comes", size.clients), size.names("stays", size.senders)
    ids = here.prepare([[*comers, *stayers]])
    options = {"pause": size.leaves * STAYS_S / size.messages / 2, "seed": size.seed, "ahead": size.ahead}
    talkers = _talkers(here, ids, [comers], size.messages, leaves=size.leaves, stays=STAYS_S, **options)
    talkers += _talkers(here, ids, [stayers], size.messages, **options)
    outcome = talk(here, talkers, troubles.nothing, patience=size.patience)
    return Report(outcome, _findings(outcome, set()))


def deploy(here: Ground, size: Size) -> Report:
    """One worker after the other is asked to end, and replaced."""
    return _run(here, size, troubles.deploy(here, size.every), allowed=STOPS, whole=True)


def redis_dies(here: Ground, size: Size) -> Report:
    """Redis, which carries the live events, is killed three times, and begins again."""
    cause = troubles.redis_dies(here.redis, size.every, down=size.every / 2, times=3)
    return _run(here, size, cause, allowed=AWAY, whole=True)


def database_hangs_up(here: Ground, size: Size) -> Report:
    """PostgreSQL ends the workers' connections again and again."""
    return _run(here, size, troubles.connections_end(here, size.every / 4), allowed=AWAY)


ALL: Final[dict[str, Scenario]] = {
    "crowd": crowd,
    "threads": threads,
    "workers-die": workers_die,
    "workers-die-over-agents": workers_die_over_agents,
    "clients-leave": clients_leave,
    "deploy": deploy,
    "redis-dies": redis_dies,
    "database-hangs-up": database_hangs_up,
}


def _run(here: Ground, size: Size, cause: Cause, *, allowed: set[str], whole: bool = False) -> Report:
    names = [size.names("talks", size.senders) for _ in range(size.conversations)]
    ids = here.prepare(names)
    talkers = _talkers(here, ids, names, size.messages, pause=size.pause, ahead=size.ahead, seed=size.seed)
    outcome = talk(here, talkers, cause, patience=size.patience, whole=whole)
    return Report(outcome, _findings(outcome, allowed))


def _talkers(
    here: Ground, ids: Sequence[str], names: Sequence[Sequence[str]], messages: int, **options: Any
) -> list[Talker]:
    """Return a talker for each participant of each conversation, on the workers in turn."""
    ports = here.ports
    return [
        Talker(name, id, [*ports[place % len(ports) :], *ports[: place % len(ports)]], messages, **options)
        for id, group in zip(ids, names, strict=True)
        for place, name in enumerate(group)
    ]


def _findings(outcome: Outcome, allowed: set[str]) -> list[str]:
    verdict = outcome.verdict
    found = [*outcome.late[:5], *verdict.findings]
    told = verdict.closes + verdict.refusals
    return found + [f"{count} times: {kind}" for kind, count in told.items() if kind not in allowed]
