"""Several workers deliver to the same agents, and some are killed."""

import subprocess
import sys
import uuid
from pathlib import Path

import msgspec
import pytest
import redis
from chat.forking import in_child
from chat.scripted import Endpoint, answer, hold, says, wait_until
from conftest import require
from django.db import connections

from phoenix_sessions import sessions
from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.agents.service import Service, service
from phoenix_sessions.contrib.chat.agents.turn import make_turn, reply_id
from phoenix_sessions.contrib.chat.endpoints import Delivery
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.kinds import DeliveryStatus
from phoenix_sessions.contrib.chat.storage.undelivered import active_agents, undelivered
from phoenix_sessions.contrib.chat.types import Draft

DELIVERING = Path(__file__).with_name("delivering.py")
QUICK = {"ALLOW_PRIVATE_WEBHOOKS": True, "AGENT_DEBOUNCE": 0.01, "AGENT_PAUSE": 0.01, "AGENT_LOOK": 0.2}


@pytest.fixture
def endpoint():
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def robot(chat, settings, endpoint):
    """The robot, who is at the endpoint; no worker delivers yet."""
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat.alias, **QUICK}
    storage.register_agent(chat.robot, endpoint.url, timeout=20)
    service.stop(20)  # it may have begun with other settings
    yield chat.robot
    service.stop(20)


@pytest.fixture
def talk(chat, robot):
    """Alice's conversation with the robot."""
    return storage.create_conversation(chat.alice, [robot]).conversation.id


@pytest.fixture
def prefix():
    """What the leases' names in Redis begin with."""
    client = redis.Redis(socket_connect_timeout=2)
    try:
        client.ping()
    except redis.ConnectionError as error:
        require(False, f"Redis does not answer on 127.0.0.1:6379: {error}")
    prefix = f"test-{uuid.uuid4().hex}:"
    yield prefix
    if keys := list(client.scan_iter(f"{prefix}*")):
        client.delete(*keys)
    client.close()


@pytest.fixture
def start(alias, prefix):
    """Starts workers as processes; none is left behind."""
    started = []

    def start(count):
        for _ in range(count):
            begin()
        return [ready(each) for each in started]

    def begin():
        given = connections.settings[alias]
        command = [sys.executable, str(DELIVERING), given["ENGINE"].rpartition(".")[2], str(given["NAME"]), prefix]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)

    def ready(process):
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def log(talk, robot="agent:robot"):
    """How the tries in a conversation have ended, the first first."""
    return [str(each.status) for each in reversed(storage.tries_in(talk, robot, 100))]


def order(process, line):
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def stored(talk, *texts, sender="user:alice"):
    """Store messages of which no worker hears."""
    return storage.append_batch([Draft(talk, sender, {"text": text}) for text in texts])


def said(talk):
    return [(each.sender, each.content.get("text")) for each in storage.history(talk, None).messages]


def delivered(talk, robot="agent:robot"):
    wait_until(lambda: storage.delivered_seq(talk, robot) == storage.show_conversation(talk, None).last_seq)


def test_what_was_left_undone_is_found_at_the_start(talk, endpoint):
    endpoint.script = [says("late")]
    stored(talk, "1", "2")
    service.start()
    delivered(talk)
    assert said(talk) == [("user:alice", "1"), ("user:alice", "2"), ("agent:robot", "late")]
    assert [each.texts for each in endpoint.requests] == [["1", "2"]]


def test_two_services_with_the_same_leases_deliver_one_at_a_time(chat, robot, endpoint):
    endpoint.script = [answer(204)]
    talks = [storage.create_conversation(chat.alice, [robot]).conversation.id for _ in range(3)]
    services = [Service(), Service()]
    for number in range(10):
        for talk in talks:
            stored(talk, str(number))
            for each in services:
                each.start().put(talk)
    for talk in talks:
        delivered(talk)
    assert [each.stop(20) for each in services] == [True, True]
    for talk in talks:
        given = [each.texts for each in endpoint.requests if each.turn["conversation"]["id"] == talk]
        assert [text for texts in given for text in texts] == [str(number) for number in range(10)]


@pytest.mark.parametrize("alias", ["postgresql"], indirect=True)  # while the parent's is at work: not with SQLite
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_delivers_by_itself_and_its_parent_goes_on(chat, talk, robot, endpoint, settings):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "AGENT_LOOK": 60.0}  # their leases are two
    endpoint.script = [answer(204)]
    others = storage.create_conversation(chat.bob, [robot]).conversation.id
    stored(talk, "of the parent")
    service.start()
    delivered(talk)
    connections[chat.alias].close()

    def child():
        stored(others, "of the child", sender=chat.bob)
        service.start().put(others)
        delivered(others)
        assert service.stop(20)

    assert in_child(child) == 0
    stored(talk, "of the parent again")
    service.start().put(talk)
    delivered(talk)
    assert [each.texts for each in endpoint.requests] == [["of the parent"], ["of the child"], ["of the parent again"]]


def test_two_processes_deliver_each_message_once_and_one_at_a_time(talk, endpoint, start):
    endpoint.script = [answer(204)]
    workers = start(2)
    for number in range(30):
        stored(talk, str(number))
        for worker in workers:
            order(worker, talk)
    delivered(talk)
    assert [text for each in endpoint.requests for text in each.texts] == [str(number) for number in range(30)]
    assert endpoint.most_together == 1


def test_workers_that_are_killed_in_the_first_try_and_in_a_later_one_leave_nothing_undone(talk, endpoint, start):
    late = answer(204)
    endpoint.script = [hold(late), answer(503), hold(late), says("stored once"), answer(204)]
    stored(talk, "hi")
    first, second, third = start(3)
    for victim, tries in ((first, 1), (second, 3)):
        order(victim, "look")
        wait_until(lambda tries=tries: len(endpoint.requests) == tries)
        victim.kill()
        victim.wait()
        stored(talk, f"after {tries}")
    order(third, "look")
    delivered(talk)
    assert [text for _, text in said(talk)] == ["hi", "after 1", "after 3", "stored once"]
    assert len({each.headers["X-Webhook-Id"] for each in endpoint.requests[:4]}) == 1
    assert [each.headers["X-Webhook-Attempt"] for each in endpoint.requests] == ["1", "2", "3", "4", "1"]
    assert [each.texts for each in endpoint.requests] == [["hi"]] * 4 + [["after 1", "after 3"]]
    assert log(talk) == ["pending", "failed", "pending", "delivered", "delivered"]


@pytest.mark.parametrize("alias", ["sqlite"], indirect=True)
def test_a_function_that_never_ends_does_not_keep_its_worker_from_ending(chat, robot, start):
    storage.create_participant("agent:stuck", "agent")
    talk = storage.create_conversation(chat.alice, ["agent:stuck"]).conversation.id
    stored(talk, "hi")
    (worker,) = start(1)
    order(worker, talk)
    wait_until(lambda: log(talk, "agent:stuck") == ["pending"])
    order(worker, "now")
    worker.stdin.close()
    assert worker.wait(20) == 0
    assert worker.stdout.read() == "False\n"


@pytest.mark.parametrize("alias", ["sqlite"], indirect=True)
def test_a_worker_that_stops_in_order_gives_its_deliveries_to_the_others_at_once(talk, endpoint, start):
    endpoint.script = [hold(says("in time"))]
    (worker,) = start(1)
    stored(talk, "hi")
    order(worker, talk)
    wait_until(lambda: endpoint.requests)
    worker.stdin.close()
    endpoint.released.set()
    assert worker.stdout.read() == "True\n"
    assert said(talk)[1:] == [("agent:robot", "in time")]


def test_a_reply_whose_worker_died_before_it_could_say_so_is_not_asked_for_again(chat, talk, robot, endpoint):
    """The worker has stored the reply to the first message when the second comes, and dies."""
    endpoint.script = [says("one"), says("two")]
    stored(talk, "1")
    service.start()
    delivered(talk)
    service.stop(20)
    again = storage.create_conversation(chat.alice, [robot]).conversation.id
    stored(again, "1")
    first = endpoint.requests[0].turn
    turn = make_turn(storage.show_conversation(again, None), robot, 0, storage.history(again, None).messages, 1000)
    assert turn.webhook_id != first["webhook_id"]
    reply = {"client_id": reply_id(turn.webhook_id), "metadata": {"webhook_id": turn.webhook_id}}
    stored(again, "2")
    storage.append_batch([Draft(again, robot, {"text": "one"}, **reply)])
    service.start()
    delivered(again)
    assert [each.texts for each in endpoint.requests] == [["1"], ["2"]]
    assert [text for _, text in said(again)] == ["1", "2", "one", "two"]


def test_the_sessions_stop_lets_those_who_are_at_it_finish(talk, endpoint, robot):
    endpoint.script = [hold(says("in time"))]
    gateway.append(Draft(talk, "user:alice", {"text": "hi"}))
    wait_until(lambda: endpoint.requests)
    endpoint.released.set()
    assert sessions.stop(20)
    assert said(talk)[1:] == [("agent:robot", "in time")]
    assert service.start() is None


def tried(talk, robot, status, http_status=None, attempt=1):
    """Log a try of the first delivery of a conversation, as a worker that has died since; returns it."""
    shown, page = storage.show_conversation(talk, None), storage.history(talk, None).messages
    turn = make_turn(shown, robot, 0, page, 1000)
    delivery = Delivery(robot, talk, turn.webhook_id, turn.last_seq, attempt, status, http_status)
    return storage.log_delivery(delivery)


@pytest.mark.parametrize(
    ("status", "http_status", "attempt", "function"),
    [
        (DeliveryStatus.FAILED, 404, 1, None),
        (DeliveryStatus.FAILED, 200, 2, None),
        (DeliveryStatus.PENDING, None, 5, None),
        (DeliveryStatus.FAILED, None, 1, "chat.shouting.shout"),
        (DeliveryStatus.TIMEOUT, None, 1, "chat.shouting.shout"),
    ],
)
def test_what_has_ended_for_good_is_not_tried_again_though_its_worker_died_before_it_could_say_so(
    talk, robot, endpoint, settings, status, http_status, attempt, function
):
    agents = {} if function is None else {robot: function}
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "AGENTS": agents}
    endpoint.script = [says("again")]
    stored(talk, "hi")
    tried(talk, robot, status, http_status, attempt)
    service.start()
    delivered(talk)
    assert said(talk) == [("user:alice", "hi")]
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("status", "http_status"),
    [(DeliveryStatus.PENDING, None), (DeliveryStatus.TIMEOUT, None), (DeliveryStatus.FAILED, 503)],
)
def test_what_may_end_better_is_tried_again_however_much_else_was_tried_since(
    chat, talk, robot, endpoint, status, http_status
):
    endpoint.script = [answer(204)]
    stored(talk, "1")
    first = tried(talk, robot, status, http_status)
    other = storage.create_conversation(chat.alice, [robot]).conversation.id
    for _ in range(60):
        storage.log_delivery(msgspec.structs.replace(first, conversation=other, webhook_id="w" * 26, id=0))
    stored(talk, "2")
    service.start()
    delivered(talk)
    assert [each.texts for each in endpoint.requests] == [["1"], ["2"]]
    assert endpoint.requests[0].headers["X-Webhook-Id"] == first.webhook_id
    assert endpoint.requests[0].headers["X-Webhook-Attempt"] == "2"


def test_a_stop_leaves_undone_what_does_not_end(talk, endpoint):
    endpoint.script = [hold(answer(204)), says("later")]
    stored(talk, "hi")
    service.start()
    wait_until(lambda: endpoint.requests)
    assert not service.stop(0.01)
    assert storage.delivered_seq(talk, "agent:robot") == 0
    service.start()
    delivered(talk)
    assert said(talk)[1:] == [("agent:robot", "later")]


def test_a_worker_whose_lease_ran_out_stores_nothing_and_marks_nothing(talk, endpoint, clock):
    endpoint.script = [hold(says("too late")), says("in time")]
    stored(talk, "hi")
    service.start().put(talk)
    wait_until(lambda: endpoint.requests)
    clock.advance(100)
    endpoint.released.set()
    delivered(talk)
    assert said(talk)[1:] == [("agent:robot", "in time")]
    assert len({each.headers["X-Webhook-Id"] for each in endpoint.requests}) == 1


def test_a_reply_that_was_stored_by_two_workers_is_there_once(talk, robot, endpoint):
    """The second worker delivers what the first has stored the reply to, and the agent has edited that away."""
    endpoint.script = [says("two")]
    stored(talk, "1")
    shown, page = storage.show_conversation(talk, None), storage.history(talk, None).messages
    turn = make_turn(shown, robot, 0, page, 1000)
    storage.append_batch([Draft(talk, robot, {"text": "one"}, client_id=reply_id(turn.webhook_id))])
    service.start()
    delivered(talk)
    assert [text for _, text in said(talk)] == ["1", "one"]
    assert len(endpoint.requests) == 1


def test_conversations_that_find_no_room_are_found_later(chat, robot, endpoint, settings):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "AGENT_QUEUE": 2}
    endpoint.script = [answer(204)]
    talks = [storage.create_conversation(chat.alice, [robot]).conversation.id for _ in range(10)]
    for talk in talks:
        gateway.append(Draft(talk, chat.alice, {"text": talk}))
    for talk in talks:
        delivered(talk)
    assert sorted(text for each in endpoint.requests for text in each.texts) == talks


def test_the_undelivered_are_found_page_by_page(chat, robot):
    talks = [storage.create_conversation(chat.alice, [robot]).conversation.id for _ in range(5)]
    group = storage.create_conversation(chat.alice, [chat.bob, robot]).conversation.id
    for talk in (*talks, group):
        stored(talk, "hi")
    storage.mark_delivered(talks[1], robot, 1)
    assert undelivered(robot, "", 2) == ([talks[0]], talks[1])
    assert undelivered(robot, talks[1], 2) == ([talks[2], talks[3]], talks[3])
    assert undelivered(robot, talks[3], 5) == ([talks[4]], None)
    assert (active_agents("", 5), active_agents(robot, 5)) == ([robot], [])
    storage.set_agent_status(robot, "disabled")
    assert active_agents("", 5) == []
