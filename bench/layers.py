"""The channel layers that group_send is measured on: in memory, and on Redis if there is one."""

from __future__ import annotations

import os
from typing import Any, Final

from . import servers

MEMORY: Final = "group_send, in memory"
PUBSUB: Final = "group_send, Redis pub/sub"
REDIS: Final = "group_send, Redis"

HOST: Final = {"address": servers.REDIS, "socket_timeout": None}
"""Without a timeout: redis-py 8 has one of 5 s, and a consumer that waits as long for a message would end."""
GROUP_EXPIRY: Final = 600
"""Seconds that a group outlives its run in Redis."""


def why_no_redis() -> str | None:
    """Return why the layers on Redis cannot be used, or None if they can."""
    try:
        import channels_redis  # noqa: F401
    except ImportError:
        return "the package channels_redis is not installed"
    return servers.why_no_redis()


def names() -> list[str]:
    """Return the layers that there are on this machine."""
    return [MEMORY] if why_no_redis() else [MEMORY, PUBSUB, REDIS]


def create(name: str, sockets: int) -> Any:
    """Return the layer, with room for a message to each of so many sockets; nobody else uses its groups."""
    if name == MEMORY:
        from channels.layers import InMemoryChannelLayer

        return InMemoryChannelLayer()
    from channels_redis.core import RedisChannelLayer
    from channels_redis.pubsub import RedisPubSubChannelLayer

    prefix = f"phoenix-bench-{os.getpid()}"
    if name == PUBSUB:
        return RedisPubSubChannelLayer([HOST], prefix=prefix)
    return RedisChannelLayer([HOST], prefix=prefix, capacity=2 * max(50, sockets), group_expiry=GROUP_EXPIRY)
