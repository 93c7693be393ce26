"""What one writer knows: which increments were acknowledged, and what became of the others."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from .door import Answer

Key = tuple[str, int]
"""A session, and the number of one of the writer's increments in it."""


@dataclass
class Account:
    """The account of one writer.

    Attributes:
        writer: Its name.
        port: Where it goes to.
        sent: How many increments it has sent, by session (count).
        acknowledged: When the request was sent that was acknowledged (seconds, monotonic).
        unknown: Those that were sent and not acknowledged.
        requests: How many requests it took (count).
        moved: Requests whose kept connection closed before a byte of the answer came, so they were sent again (count).
        errors: Answers that are no acknowledgement, by kind (count).
        longest: The longest that it waited for an answer (seconds).
        acks: When each worker (process id) acknowledged something (seconds, monotonic).
        went_back: Answers with a version below that of the answer before, in the same life (count).
        versions: The epoch and version of the last answer, by session.
    """

    writer: str
    port: int
    sent: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[Key, float] = field(default_factory=dict)
    unknown: set[Key] = field(default_factory=set)
    requests: int = 0
    moved: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    acks: list[tuple[float, int]] = field(default_factory=list)
    went_back: int = 0
    versions: dict[str, tuple[int, int]] = field(default_factory=dict)

    def note(self, answer: Answer) -> None:
        """Note what became of a request."""
        self.requests += 1
        self.longest = max(self.longest, answer.seconds)
        if answer.status != 200:
            self.errors[kind(answer)] += 1

    def acknowledge(self, key: Key, answer: Answer) -> None:
        """Note that an increment was acknowledged just now."""
        self.unknown.discard(key)
        now = time.monotonic()
        self.acknowledged[key] = now - answer.seconds
        self.acks.append((now, answer.body["worker"]))
        epoch, version = answer.body["epoch"], answer.body["version"]
        before = self.versions.get(key[0])
        if before is not None and before[0] == epoch and version < before[1]:
            self.went_back += 1
        self.versions[key[0]] = (epoch, version)


def kind(answer: Answer) -> str:
    """Return what kind of error this is."""
    if answer.status == 503:
        return "503, try later" if answer.retry_after else "503 without Retry-After"
    if answer.status is not None:
        return f"{answer.status}"
    if answer.silent:
        return "closed, kept connection" if answer.reused else "closed, new connection"
    return "no answer in time" if answer.error == "TimeoutError" else answer.error
