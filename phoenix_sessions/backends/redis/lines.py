"""The connections of a watch."""

from __future__ import annotations

from collections.abc import Callable

from redis.asyncio import ConnectionPool


class Lines:
    """One connection to each server that channels are listened to at.

    Args:
        pools: Pools for one connection each, which is not open yet.
        line: Returns the number of the pool whose connection a channel is listened to on.
        sharded: Whether channels are the nodes' own.
    """

    def __init__(self, pools: list[ConnectionPool], line: Callable[[bytes], int], *, sharded: bool) -> None:
        self.pools = pools
        self.line = line
        self.sharded = sharded
