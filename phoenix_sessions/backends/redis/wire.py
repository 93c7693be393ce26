"""What threads' and event loops' connections have in common."""

from __future__ import annotations

from typing import Any, Final

from .options import Options

# What a verb takes has several parts: to find a server, to connect, and to ask; and there may be another server to try.
_WAITS: Final = 4


def settings(options: Options) -> dict[str, Any]:
    """Return what every connection of redis-py is told, whatever the URL says."""
    patience = options.timeout / _WAITS
    return {"socket_timeout": patience, "socket_connect_timeout": patience, "protocol": 2, "decode_responses": False}


def settings_of_sentinels(options: Options) -> dict[str, Any]:
    """Return what every connection to a Sentinel is told: all of them may be asked, one after another."""
    patience = options.timeout / _WAITS / len(options.sentinels)
    return {**settings(options), "socket_timeout": patience, "socket_connect_timeout": patience}


def pools_of_sentinels(pool: Any) -> list[Any]:
    """Return the connections to Sentinels that a pool of connections has."""
    manager = getattr(pool, "sentinel_manager", None)
    return [sentinel.connection_pool for sentinel in manager.sentinels] if manager else []


def pack(*parts: bytes) -> bytes:
    """Return a command as Redis reads it."""
    return b"".join([b"*%d\r\n" % len(parts), *[b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]])
