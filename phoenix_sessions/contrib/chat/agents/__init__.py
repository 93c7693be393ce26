"""Agents as participants: what others say in an ``agent_dm`` is delivered to the agent, and its reply is stored.

===============  ====================================================================================
``service``      what a worker has for agents, its start and its stop; ``loop``: its thread
``dispatcher``   which conversations are to be delivered; ``look``: those that were left undone
``courier``      one delivery: its tries, its log, its reply; ``work``: what there is to be delivered
``webhook``      one try, as a POST; ``transport``, ``targets``: only to where it may go
``callables``    agents that are functions of this site; ``turn``, ``answers``: what both are given, and say
``signature``    how an endpoint knows that it is us
===============  ====================================================================================

A site's own agent::

    from phoenix_sessions.contrib.chat.agents import agent


    @agent("agent:echo")
    def echo(turn):
        return turn.text

The module that it is in is imported in an ``AppConfig.ready``; or the setting ``AGENTS`` says where the function is.
"""

from __future__ import annotations

from importlib import import_module

from .answers import Reply
from .callables import agent
from .service import service
from .signature import verify
from .targets import check_url
from .turn import Turn

__all__ = ["Reply", "Turn", "agent", "check_url", "install", "start", "stop", "verify"]


def install() -> None:
    """Have new messages delivered to agents; fine to repeat. No thread starts before there is one."""
    from ..gateway import gateway

    import_module(f"{__name__}.loop")  # now, so that the first message need not wait for it
    if service.on_sent not in gateway.on_sent:
        gateway.on_sent.append(service.on_sent)


def start() -> None:
    """Begin to deliver in this worker, what was left undone first; fine to repeat, and on an event loop.

    The chat's URLs and sockets call it when somebody comes, so that a management command delivers nothing of itself.
    """
    service.start()


def stop(seconds: float) -> bool:
    """Deliver no more in this worker, and return whether nothing was left undone.

    Args:
        seconds: How long those who are at it may go on.
    """
    return service.stop(seconds)
