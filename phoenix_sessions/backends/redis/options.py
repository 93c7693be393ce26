"""The OPTIONS of the Redis backend."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from redis.connection import parse_url

from ..base import TIMEOUT

URL: Final = "redis://127.0.0.1:6379/0"
PREFIX: Final = "phoenix_sessions:"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Redis is found.

    Attributes:
        url: Where it is, as redis-py has it: ``redis://``, ``rediss://`` (TLS) or ``unix://``. With sentinels, only its
            user, password and database are used.
        prefix: What the names of all keys and channels begin with.
        timeout: The longest that a verb takes (seconds).
        cluster: Whether it is a Redis Cluster, of which ``url`` is any node.
        sentinels: Host and port of each Sentinel; none = no Sentinels.
        service: What the Sentinels call the servers.
        max_connections: How many connections an OS process has, and an event loop besides (count); who comes when all
            are in use waits. None = as many as threads need, and 50 for an event loop.
    """

    url: str = URL
    prefix: str = PREFIX
    timeout: float = TIMEOUT
    cluster: bool = False
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str | None = None
    max_connections: int | None = None

    @property
    def secure(self) -> bool:
        """Whether connections use TLS."""
        return self.url.startswith("rediss:")

    @property
    def database(self) -> int:
        """The number of the database: channels, which Redis does not number, are kept apart by it."""
        number: int = parse_url(self.url).get("db", 0)
        return number

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        found = parse_url(self.url)
        return found.get("host", "localhost"), found.get("port", 6379)


def read(options: Mapping[str, Any]) -> Options:
    """Return the options, checked.

    Raises:
        ValueError: One is unknown or wrong.
    """
    for name in options:
        if name not in Options.__struct_fields__:
            near = difflib.get_close_matches(str(name).lower(), Options.__struct_fields__, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"they are {', '.join(Options.__struct_fields__)}"
            raise ValueError(f"{name!r} is no option of the Redis backend: {hint}")
    try:
        found = msgspec.convert(dict(options), Options)
    except msgspec.ValidationError as error:
        raise ValueError(f"an option of the Redis backend is wrong: {error}") from None
    _check(found)
    return found


def _check(options: Options) -> None:
    try:
        url = parse_url(options.url)
    except ValueError:  # what it says may have a part of the password
        raise ValueError(
            "the option 'url' is none of Redis: write redis://user:password@host:port/database (or rediss, unix), and "
            "what is special in the password as in URLs, such as %2F for /"
        ) from None
    if options.timeout <= 0:
        raise ValueError(f"the option 'timeout' is {options.timeout!r}: it must be a positive number of seconds")
    if options.max_connections is not None and options.max_connections < 1:
        raise ValueError(f"the option 'max_connections' is {options.max_connections!r}: it must be 1 or more, or None")
    if {"{", "}"} & set(options.prefix):
        raise ValueError(
            f"the option 'prefix' is {options.prefix!r}: it must be without {{ and }}, which clusters read"
        )
    if bool(options.sentinels) != bool(options.service):
        raise ValueError("the options 'sentinels' and 'service' belong together: give both, or none")
    if options.cluster and options.sentinels:
        raise ValueError("the options 'cluster' and 'sentinels' exclude each other: a cluster has no Sentinels")
    if options.cluster and (url.get("db") or "path" in url):
        raise ValueError("the option 'cluster' goes with the url of a node, without a database: clusters have only one")
