"""A client that increments, and keeps account."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from .account import Account
from .door import Answer, Door

RETRY_PAUSE_S = 0.05
GIVES_UP_S = 120.0
"""How long a writer that insists goes on with one increment (seconds); then it is left unknown."""


class Writer(threading.Thread):
    """Sends increments of random sessions, one after another.

    Args:
        name: Its name, which no other writer of these sessions has.
        port: Of the balancer, or of one worker.
        ids: The sessions.
        count: How many increments it sends, at least.
        until: It goes on beyond that until this is set; None = it does not.
        moves: Whether it sends an increment again, with the same id and on another connection, when a kept connection
            was closed before a byte of the answer came, as browsers and proxies do.
        insists: Whether it sends an increment, with the same id, until it is acknowledged.
        patience: How long it waits for an answer (seconds).
        seed: For its choices.
        pause: How long it waits between two increments (seconds).
        ways: The views that it uses, in turn.

    Attributes:
        account: What it knows.
    """

    def __init__(
        self,
        name: str,
        port: int,
        ids: Sequence[str],
        count: int,
        until: threading.Event | None = None,
        *,
        moves: bool = True,
        insists: bool = False,
        patience: float = 20.0,
        seed: int = 1,
        pause: float = 0.0,
        ways: Sequence[str] = ("dispatch", "adispatch"),
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.account = Account(name, port)
        self._door = Door(port, patience)
        self._ids = ids
        self._count = count
        self._until = until
        self._moves = moves
        self._insists = insists
        self._random = random.Random(f"{seed} {name}")
        self._pause = pause
        self._ways = ways
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let it finish the increment that it is at, and end."""
        self._stopped.set()

    def run(self) -> None:
        """Send them all."""
        sent = 0
        while not self._stopped.is_set() and (sent < self._count or self._goes_on()):
            self._increment(self._random.choice(self._ids), self._ways[sent % len(self._ways)])
            sent += 1
            if self._pause:
                self._stopped.wait(self._pause)
        self._door.close()

    def _goes_on(self) -> bool:
        return self._until is not None and not self._until.is_set()

    def _increment(self, id: str, way: str) -> None:
        account = self.account
        account.sent[id] += 1
        key = (id, account.sent[id])
        account.unknown.add(key)
        give_up = time.monotonic() + GIVES_UP_S
        while True:
            answer = self._send(id, key[1], way)
            if answer.status == 200:
                return account.acknowledge(key, answer)
            if not self._insists or self._stopped.is_set() or time.monotonic() > give_up:
                return None
            time.sleep(RETRY_PAUSE_S * (0.5 + self._random.random()))

    def _send(self, id: str, number: int, way: str) -> Answer:
        """Send it once; and again if it moves."""
        name = self.account.writer
        body = {"type": "ledger.add", "payload": {"writer": name, "number": number}, "id": f"{name}-{id}-{number}"}
        answer = self._door.post(f"/{way}/{id}", body)
        if self._moves and answer.silent and answer.reused:
            self.account.moved += 1
            answer = self._door.post(f"/{way}/{id}", body)
        self.account.note(answer)
        return answer
