"""Short versions of ``python -m bench.chat_faults``, which says what each of them is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import psycopg
import pytest
from conftest import require

from faults.chat import scenarios, troubles
from faults.chat.ground import POSTGRESQL, Ground, ground
from faults.chat.load import talk
from faults.chat.scenarios import Size
from faults.chat.talker import Frame, Talker
from faults.chat.verdict import judge, sent_by
from faults.redis_server import redis_server

SHORT: Final = Size(
    conversations=2, senders=6, messages=10, rate=40, every=1.0, clients=6, leaves=10, seed=3, patience=200
)
CROWD: Final = replace(SHORT, conversations=3, senders=12, rate=None)
SIZES: Final = {
    "crowd": replace(CROWD, ahead=4),
    "threads": CROWD,
    "deploy": replace(SHORT, every=0.3),
    "redis-dies": replace(SHORT, every=0.6),
}


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


HERE: Final = "conversation_id = '{id}'"
LAST: Final = f"{HERE} AND seq = 4"
TAMPERING: Final = {
    "a row is gone": (
        f"DELETE FROM phoenix_chat_message WHERE {LAST}",
        {"lost", "holes", "unequal"},
    ),
    "a place is another": (
        f"UPDATE phoenix_chat_message SET seq = 5 WHERE {LAST}",
        {"lost", "holes", "unequal"},
    ),
    "nobody has sent it": (
        f"UPDATE phoenix_chat_message SET client_id = 'x' WHERE {LAST}",
        {"lost", "unasked", "unacknowledged", "unequal"},
    ),
    "the order is another": (
        f"UPDATE phoenix_chat_message SET seq = seq + 100 WHERE {HERE};"
        f"UPDATE phoenix_chat_message SET seq = 105 - seq WHERE {HERE}",
        {"lost", "disordered", "unequal"},
    ),
}


@pytest.fixture(scope="module")
def talked(here: Ground) -> dict[str, Talker]:
    """Somebody who has sent four messages to a conversation of its own, for each way."""
    here.mend()
    names = [Size().names("talks", 2) for _ in TAMPERING]
    talkers = [Talker(pair[0], id, here.ports, 4) for id, pair in zip(here.prepare(names), names, strict=True)]
    assert not talk(here, talkers, troubles.nothing, patience=SHORT.patience).verdict.findings
    return dict(zip(TAMPERING, talkers, strict=True))


@pytest.mark.parametrize("way", TAMPERING)
def test_what_is_not_as_it_should_be_is_seen(way: str, here: Ground, talked: dict[str, Talker]) -> None:
    (statement, wrong), talker = TAMPERING[way], talked[way]
    with psycopg.connect(dbname=here.database, **POSTGRESQL) as connection:
        connection.execute(statement.format(id=talker.conversation))
    found = judge(here, [sent_by(talker)], [talker]).findings
    assert {each.partition(":")[0] for each in found if not each.startswith("sent")} == wrong


def test_what_a_client_is_given_twice_or_too_late_is_seen() -> None:
    talker = Talker("user:a", "conversation", [0])
    for seq in (1, 2, 2, 4):
        talker.take(Frame("message", seq, {"seq": seq, "id": str(seq), "client_id": ""}))
    assert (talker.doubled, talker.holes, talker.last_seq) == (1, 1, 4)
