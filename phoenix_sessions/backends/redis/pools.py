"""redis-py's connections for event loops."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from .bounds import abounded
from .options import Options
from .wire import pools_of_sentinels, settings, settings_of_sentinels


def make_pool(options: Options, limit: int, place: dict[str, Any]) -> ConnectionPool:
    """Return connections that are not open yet, and wait for no answer by themselves.

    Args:
        options: Where to.
        limit: How many there may be (count).
        place: Another host and port than those in the options.
    """
    never = Retry(NoBackoff(), 0)
    given = {**parse_url(options.url), **settings(options), "socket_timeout": None, "retry": never, **place}
    pool: ConnectionPool
    if options.sentinels:
        sentinel = Sentinel(options.sentinels, sentinel_kwargs={**settings_of_sentinels(options), "retry": never})
        kept = {name: value for name, value in given.items() if name not in ("host", "port", "connection_class")}
        pool = SentinelConnectionPool(options.service, sentinel, ssl=options.secure, max_connections=limit, **kept)
    else:
        pool = ConnectionPool(max_connections=limit, **given)
    for each in (pool, *pools_of_sentinels(pool)):
        each.connection_class = abounded(each.connection_class, options.timeout / 2)
    return pool


async def give_up(pool: ConnectionPool) -> None:
    """Close all connections, and those to Sentinels; one that cannot be closed well is closed all the same."""
    pools = [pool, *pools_of_sentinels(pool)]
    await asyncio.gather(*[each.disconnect() for each in pools], return_exceptions=True)
