"""Agents' endpoints, and the log of what was sent to them."""

import msgspec
import pytest
from chat.refusing import code

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.endpoints import Delivery
from phoenix_sessions.contrib.chat.kinds import DeliveryStatus
from phoenix_sessions.contrib.chat.types import Draft

URL = "https://agent.example.org/hook"


@pytest.fixture
def robot(chat):
    storage.register_agent(chat.robot, URL, auth="hmac", secret="s", headers={"X-Key": "1"}, timeout=5)
    return chat.robot


def test_an_agent_is_registered_changed_and_disabled(chat, robot):
    endpoint = storage.agent_endpoint(robot)
    assert (endpoint.url, endpoint.auth, endpoint.secret, endpoint.headers) == (URL, "hmac", "s", {"X-Key": "1"})
    changed = storage.update_agent(robot, url="http://x.example", auth="none", timeout=1.5)
    assert storage.agent_endpoint(robot) == changed
    assert (changed.timeout, changed.secret) == (1.5, "s")
    assert storage.set_agent_status(robot, "disabled").status == "disabled"


def test_what_makes_no_sense_is_refused(chat, robot):
    assert code(storage.register_agent, robot, URL) == "conflict"
    assert code(storage.register_agent, chat.alice, URL) == "invalid"
    assert code(storage.register_agent, "agent:nobody", URL) == "not_found"
    assert code(storage.update_agent, chat.alice, url=URL) == "not_found"
    assert code(storage.agent_endpoint, "\0") == "invalid"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x"},
        {"auth": "basic"},
        {"auth": "bearer", "secret": ""},
        {"auth": "bearer", "secret": "a\r\nX: b"},
        {"auth": "bearer", "secret": "ü"},
        {"headers": {"X": 1}},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X": " a"}},
        {"headers": {"X y": "a"}},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"colour": "red"},
    ],
)
def test_a_wrong_endpoint_is_invalid(chat, robot, wrong):
    assert code(storage.update_agent, robot, **wrong) == "invalid"
    assert storage.agent_endpoint(robot).url == URL


def test_deliveries_are_logged_and_listed_the_last_first(chat, robot):
    talk = storage.create_conversation(chat.alice, [robot]).conversation.id
    for attempt in (1, 2, 3):
        tried = Delivery(robot, talk, "w" * 26, 1, attempt, DeliveryStatus.FAILED, 503, 12, "e" * 2000)
        logged = storage.log_delivery(tried)
    page = storage.list_deliveries(robot, limit=2)
    rest = storage.list_deliveries(robot, cursor=page.cursor)
    assert page.deliveries[0] == logged
    assert [each.attempt for each in page.deliveries + rest.deliveries] == [3, 2, 1]
    assert (rest.cursor, len(logged.error)) == (None, 1000)
    assert code(storage.list_deliveries, robot, cursor="x") == "invalid"


def test_a_try_is_logged_when_it_begins_and_when_it_has_ended(chat, robot):
    talk = storage.create_conversation(chat.alice, [robot]).conversation.id
    other = storage.create_conversation(chat.bob, [robot]).conversation.id
    begun = storage.log_delivery(Delivery(robot, talk, "w" * 26, 1, 1, DeliveryStatus.PENDING))
    storage.log_delivery(Delivery(robot, other, "v" * 26, 1, 1, DeliveryStatus.PENDING))
    ended = msgspec.structs.replace(
        begun, status=DeliveryStatus.FAILED, http_status=503, latency_ms=12, error="e" * 2000
    )
    assert storage.log_delivery(ended).id == begun.id
    assert storage.tries_in(talk, robot, 5) == (msgspec.structs.replace(ended, error="e" * 1000),)
    assert len(storage.list_deliveries(robot).deliveries) == 2


def test_how_far_an_agent_was_given_a_conversation_never_goes_back(chat, robot):
    talk = storage.create_conversation(chat.alice, [robot]).conversation.id
    storage.append_batch([Draft(talk, chat.alice, {}) for _ in range(3)])
    assert storage.mark_delivered(talk, robot, 2)
    assert not storage.mark_delivered(talk, robot, 1)
    assert storage.delivered_seq(talk, robot) == 2
    assert code(storage.delivered_seq, talk, chat.bob) == "unauthorized"
