"""Redis, and workers, of a test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import require

from faults.redis_server import RedisServer, redis_server


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that keeps everything that it has acknowledged."""
    require(redis_server(), "redis-server is not installed (Debian: redis-server)")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.end()
