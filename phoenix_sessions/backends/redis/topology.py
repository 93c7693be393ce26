"""Which node of a Redis Cluster has which slots.

Rules:
    1. Nothing here waits: a flow yields whom to ask what, and is sent the answer, or thrown the failure; so it is the
       same for threads and for event loops.
    2. Any node that was known is asked for all nodes' slots, replicas too; the one of the url last.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, ClusterDownError

from ...core.errors import BackendError, BackendUnavailable
from .failures import is_lost
from .scripts import SLOTS, Script

Address = tuple[str, int]


class Step(NamedTuple):
    """What is asked of a node.

    Attributes:
        node: The node.
        script: The script.
        parts: Its keys, then its arguments.
        asking: Whether the node takes the slot over just now.
        pause: What is waited before (seconds).
    """

    node: Address
    script: Script
    parts: tuple[bytes, ...] = ()
    asking: bool = False
    pause: float = 0.0


Flow = Generator[Step, Any, Any]


class Topology:
    """What is known of a cluster.

    Args:
        seed: A node of it.
    """

    def __init__(self, seed: Address) -> None:
        self._seed = seed
        self._nodes: list[Address] = []  # which may know who has which slots
        self._owners: list[Address | None] = []  # by slot; none, if nothing is known

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        return bool(self._owners)

    def learn(self) -> Flow:
        """Ask the nodes, until one answers, who has which slots."""
        why: BaseException | None = None
        for node in self._candidates():
            try:
                reply = yield Step(node, SLOTS)
                self._owners, self._nodes = _read(reply, node)
                return
            except BackendError as failure:
                why = failure.__cause__ or failure
        raise BackendUnavailable(f"no node of the cluster tells who has which slots: {why}") from why

    def places(self) -> tuple[list[Address], Callable[[bytes], int]]:
        """Return the nodes as they are known now, and what returns the number of the one that has a key.

        It raises BackendUnavailable for a key that none has.
        """
        owners, nodes = tuple(self._owners), self.nodes()
        numbers: dict[Address | None, int] = {node: number for number, node in enumerate(nodes)}

        def place(key: bytes) -> int:
            slot = key_slot(key)
            if not owners or owners[slot] is None:
                raise _unowned(slot)
            return numbers[owners[slot]]

        return nodes, place

    def owner(self, slot: int) -> Address:
        """Return the node that has a slot.

        Raises:
            BackendUnavailable: None has.
        """
        owners = self._owners
        owner = owners[slot] if owners else None
        if owner is None:
            self._owners = []
            raise _unowned(slot)
        return owner

    def move(self, slot: int, node: Address) -> None:
        """Remember that a node has a slot."""
        if owners := self._owners:
            owners[slot] = node

    def forget(self, failure: BackendUnavailable) -> None:
        """Forget who has which slots, if a failure says that it may be different."""
        if is_lost(failure) or isinstance(failure.__cause__, AskError | ClusterDownError):
            self._owners = []

    def nodes(self) -> list[Address]:
        """Return the nodes that have slots."""
        return list(dict.fromkeys(node for node in self._owners if node is not None))

    def gone(self, nodes: Iterable[Address], new: Address) -> list[Address]:
        """Return those of some nodes that are in the cluster no more, as far as is known; the new one is."""
        known = {*self._nodes, *self.nodes(), self._seed, new}
        return [node for node in tuple(nodes) if node not in known]

    def firsts(self) -> list[int]:
        """Return the lowest slot of each node."""
        lowest: dict[Address | None, int] = {}
        for slot, node in enumerate(self._owners):
            lowest.setdefault(node, slot)
        lowest.pop(None, None)
        return list(lowest.values())

    def _candidates(self) -> list[Address]:
        known = [node for node in self._nodes if node != self._seed]
        return [*random.sample(known, len(known)), self._seed]


def _unowned(slot: int) -> BackendUnavailable:
    return BackendUnavailable(f"no node of the cluster has slot {slot}")


def _read(reply: Any, asked: Address) -> tuple[list[Address | None], list[Address]]:
    """Return who has which slots, and all nodes, as CLUSTER SLOTS tells them.

    Raises:
        BackendError: It tells neither.
    """
    owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
    known: dict[Address, None] = {}
    try:
        for first, last, *nodes in reply:
            addresses = [((host or b"").decode() or asked[0], int(port)) for host, port, *_ in nodes]
            owners[first : last + 1] = [addresses[0]] * (last + 1 - first)
            known.update(dict.fromkeys(addresses))
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise BackendError(f"a node of the cluster has answered what makes no sense: {reply!r:.200}") from error
    if not known:  # a node that was taken out of its cluster
        raise BackendError("a node knows of no slots that anybody has")
    return owners, list(known)
