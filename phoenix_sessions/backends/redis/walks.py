"""Walking over all sessions of a Redis Cluster, node by node.

Rules:
    1. The cursor is the lowest slot of a node, the node, the node's own cursor, how often all was gone through since
       anything moved, and a mark that changes when a slot changes its owner or begins to move. Should another node have
       got the slot meanwhile, its keys are gone through from the beginning.
    2. A node is asked as if all slots that it takes over were its own, so that it tells of the sessions that have come.
    3. Sessions may move to a node that was gone through already. So a walk that must find all of them is done again
       until nothing has moved from its beginning to its end; twice, if a slot was on its way all the time. A session
       that is found twice is better than one that is not found.
    4. Nodes that have no slots may take one over, and come last, with numbers above those of slots.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from ...core.errors import BackendError, BackendUnavailable
from .failures import is_lost
from .scripts import NODES, Script
from .topology import Address, Flow, Step, Topology


class Place(NamedTuple):
    """How far a walk has come; see rule 1.

    Attributes:
        slot: The lowest slot of a node.
        node: The node, "-" = whoever has it.
        own: The node's own cursor.
        rounds: How often all was gone through, and nothing has moved (count).
        mark: Where everything was at the beginning of this round.
    """

    slot: int = 0
    node: str = "-"
    own: str = "0"
    rounds: int = 0
    mark: str = "-"

    @classmethod
    def read(cls, cursor: str | None) -> Place:
        """Return what a cursor says; None = the beginning."""
        if cursor is None:
            return cls()
        slot, node, own, rounds, mark = cursor.split(" ")
        return cls(int(slot), node, own, int(rounds), mark)

    def cursor(self) -> str:
        """Return it as a cursor."""
        return " ".join(map(str, self))


class Whereabouts(NamedTuple):
    """Where everything is.

    Attributes:
        mark: Differs from others if anything is elsewhere.
        moving: Whether a slot is on its way.
        idle: Nodes that have no slots.
    """

    mark: str
    moving: bool
    idle: list[Address]


def walk(topology: Topology, cursor: str | None, script: Script, parts: tuple[bytes, ...]) -> Flow:
    """Ask a node about its own keys; the answer is what it says, and where to go on, None = that were all."""
    place = Place.read(cursor)
    if cursor is None and script.whole:
        place = place._replace(mark=(yield from _look(topology)).mark)
    elif cursor is None or not topology.known:
        yield from topology.learn()
    firsts = topology.firsts()  # before another thread forgets them
    node = _address(place.node) if place.slot >= REDIS_CLUSTER_HASH_SLOTS else topology.owner(place.slot)
    name = f"{node[0]}:{node[1]}"
    own = place.own if name == place.node else "0"
    step = Step(node, script, (own.encode(), *parts), asking=True)
    try:
        reply = yield step
    except BackendUnavailable as failure:
        topology.forget(failure)
        if not is_lost(failure):
            raise
        reply = yield step
    if reply[0] != b"0":
        return reply, place._replace(node=name, own=reply[0].decode()).cursor()
    following = min((first for first in firsts if first > place.slot), default=None)
    if following is not None:
        return reply, Place(following, rounds=place.rounds, mark=place.mark).cursor()
    if not script.whole:
        return reply, None
    end = yield from _end(topology, place)
    return reply, end and end.cursor()


def _end(topology: Topology, place: Place) -> Flow:
    """Return where to go on after the last node that has slots, or that has none; None = nowhere."""
    found = yield from _look(topology)
    done = place.slot - REDIS_CLUSTER_HASH_SLOTS + 1
    for number, node in enumerate(found.idle):
        if number >= done:
            return place._replace(slot=REDIS_CLUSTER_HASH_SLOTS + number, node=f"{node[0]}:{node[1]}", own="0")
    rounds = place.rounds + 1 if found.mark == place.mark else 0
    return None if rounds > found.moving else Place(rounds=rounds, mark=found.mark)


def _look(topology: Topology) -> Flow:
    """Ask all nodes where everything is."""
    yield from topology.learn()
    lines: list[list[bytes]] = []
    idle: set[Address] = set()
    for node in topology.nodes():
        reply = yield Step(node, NODES)
        try:
            told = [line.split() for line in reply.splitlines()]
            lines += [line for line in told if b"myself" in line[2]]
            idle |= {_address(line[1].split(b"@")[0].decode()) for line in told if _is_idle(line)}
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            raise BackendError(f"a node of the cluster has answered what makes no sense: {reply!r:.200}") from error
    own = sorted(b" ".join([line[0], *line[8:]]) for line in lines)
    moving = any(word.startswith(b"[") for line in lines for word in line[8:])
    mark = hashlib.sha1(b"\n".join(own), usedforsecurity=False).hexdigest()[:16]
    return Whereabouts(mark, moving, sorted(idle))


def _is_idle(line: list[Any]) -> bool:
    flags = line[2].split(b",")
    return b"master" in flags and not {b"fail", b"noaddr", b"handshake"} & set(flags) and not line[8:]


def _address(name: str) -> Address:
    host, _, port = name.rpartition(":")
    return host, int(port)
