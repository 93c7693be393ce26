"""Short versions of ``python -m bench.chat_faults``, which says what each of them is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import psycopg
import pytest
from conftest import require

from faults.chat import scenarios
from faults.chat.ground import POSTGRESQL, Ground, ground
from faults.chat.scenarios import Size
from faults.redis_server import redis_server

SHORT: Final = Size(
    conversations=2, senders=6, messages=10, rate=40, every=1.0, clients=6, leaves=10, seed=3, patience=200
)
CROWD: Final = replace(SHORT, conversations=3, senders=12, rate=None)
SIZES: Final = {"crowd": replace(CROWD, ahead=4), "threads": CROWD, "redis-dies": replace(SHORT, every=0.8)}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Three workers with a database and a Redis of their own."""
    require(redis_server(), "redis-server is not installed (Debian: redis-server)")
    try:
        psycopg.connect(dbname="postgres", connect_timeout=2, **POSTGRESQL).close()
    except psycopg.OperationalError as error:
        require(False, f"PostgreSQL does not answer on 127.0.0.1:5432 as postgres: {error}")
    with ground(tmp_path_factory.mktemp("chat")) as made:
        yield made


@pytest.mark.parametrize("name", scenarios.ALL)
def test_each_message_is_stored_once_and_seen_once_in_one_order(name: str, here: Ground) -> None:
    here.mend()
    report = scenarios.ALL[name](here, SIZES.get(name, SHORT))
    assert not report.findings, f"{report.outcome.verdict}\n{report.outcome.trouble.notes}"
