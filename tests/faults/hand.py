"""A client that adds to one session by hand, through the workers that it chooses."""

from __future__ import annotations

import secrets
from typing import Any

from .cluster import Cluster
from .door import Answer, Door
from .worker import Worker


class Hand:
    """Adds to one new session.

    Args:
        cluster: Whose.
        prefix: What its id begins with; see ``Load``.

    Attributes:
        id: The session.
    """

    def __init__(self, cluster: Cluster, prefix: str = "session") -> None:
        self.id = f"{prefix}-{secrets.token_hex(8)}"
        self._cluster = cluster
        self._added = 0

    def add(self, worker: Worker, count: int = 1, way: str = "dispatch") -> Answer:
        """Add so many times through this worker; returns the last answer."""
        door = Door(worker.port.number, 20)
        for _ in range(count):
            self._added += 1
            payload = {"writer": "hand", "number": self._added}
            body = {"type": "ledger.add", "payload": payload, "id": f"{self.id} {self._added}"}
            answer = door.post(f"/{way}/{self.id}", body)
        door.close()
        return answer

    def seen(self) -> list[Any]:
        """Return what each worker says that the session has seen."""
        return [ledgers[self.id]["seen"]["hand"] for ledgers in self._cluster.ledgers([self.id])]
