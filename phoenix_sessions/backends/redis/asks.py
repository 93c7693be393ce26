"""Asking the node of a Redis Cluster that has a session, wherever the session goes.

Rules:
    1. A node that names another is believed at once. All nodes' slots are asked for anew when a node is not there.
    2. What was perhaps done is asked again only if it may be done twice; the doubt stays, whatever comes then.
    3. How often nodes send one another round is bounded by the time only, with a pause after some rounds.
    4. While a slot moves, a node refuses calls with several keys of which one is not there. So a session that has fewer
       keys than it may is asked for by its first one alone, and the script sees whether the others are all there.
    5. Watches listen at the node that has the slot until the whole slot has moved. What is done before at the node that
       takes it over is told them as an empty notice.

Source: redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec, "Redirection and resharding".
"""

from __future__ import annotations

import contextlib
from typing import Final

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, TryAgainError

from ...core.errors import BackendError, BackendUnavailable
from .failures import is_lost, perhaps_done
from .scripts import SHARD_PUBLISH, Script
from .topology import Address, Flow, Step, Topology

_AT_ONCE: Final = 8
_PAUSE: Final = 0.02


def ask(topology: Topology, script: Script, parts: tuple[bytes, ...]) -> Flow:
    """Ask the node that has the first key."""
    slot = key_slot(parts[0])
    if not topology.known:
        yield from topology.learn()
    step = Step(topology.owner(slot), script, parts)
    redirections = 0
    missed = maybe = False
    while True:
        try:
            reply = yield step
        except BackendUnavailable as failure:
            maybe = maybe or failure.maybe
            cause = failure.__cause__
            if isinstance(cause, AskError):
                redirections += 1
                step = _redirected(topology, step, slot, cause, pause=_PAUSE if redirections > _AT_ONCE else 0.0)
            elif isinstance(cause, TryAgainError):
                step = _patient(step)
            elif is_lost(failure) and not missed and (script.again or not maybe):
                missed = True
                step = Step((yield from _new_owner(topology, slot, maybe=maybe)), script, parts)
            else:
                topology.forget(failure)
                raise perhaps_done(failure, maybe=maybe) from cause
        else:
            if step.asking and script.tells is not None:
                yield from _tell(topology, slot, parts[0] + script.tells)
            return reply


def _redirected(topology: Topology, step: Step, slot: int, to: AskError, *, pause: float) -> Step:
    node = to.host or step.node[0], to.port
    moved = isinstance(to, MovedError)
    if moved:
        topology.move(slot, node)
    return Step(node, step.script, step.parts, asking=not moved, pause=pause)


def _patient(step: Step) -> Step:
    """Return what is asked while keys of the session are on their way, or are nowhere."""
    if step.script.alone is None:
        return step._replace(pause=_PAUSE)
    first, _, _, *arguments = step.parts
    return step._replace(script=step.script.alone, parts=(first, *arguments), pause=0.0)


def _new_owner(topology: Topology, slot: int, *, maybe: bool) -> Flow:
    """Ask who has which slots, and return who has this one.

    Args:
        topology: What is known.
        slot: The slot.
        maybe: Whether what it is for was perhaps done.
    """
    try:
        yield from topology.learn()
        return topology.owner(slot)
    except BackendUnavailable as failure:
        raise perhaps_done(failure, maybe=maybe) from failure.__cause__


def _tell(topology: Topology, slot: int, channel: bytes) -> Flow:
    """Tell those who listen at the node that has the slot still; what cannot be told is lost with that node."""
    with contextlib.suppress(BackendError):
        node: Address = topology.owner(slot)
        yield Step(node, SHARD_PUBLISH, (channel, b""))
