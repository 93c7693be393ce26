"""Messages go to an agent's endpoint, once and in their order, and what it says is stored."""

import datetime
import email.utils
import socket

import pytest
from chat.scripted import Endpoint, answer, break_off, endless, hold, says, stream, wait_until
from django.db import connections

from phoenix_sessions.contrib.chat import conf, live, storage
from phoenix_sessions.contrib.chat.agents.service import service
from phoenix_sessions.contrib.chat.agents.signature import verify
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.models import AgentEndpoint
from phoenix_sessions.contrib.chat.types import Draft

pytestmark = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)  # on the server: test_agents_workers
QUICK = {"ALLOW_PRIVATE_WEBHOOKS": True, "AGENT_DEBOUNCE": 0.05, "AGENT_PAUSE": 0.01, "AGENT_LONGEST_PAUSE": 0.05}


@pytest.fixture
def endpoint():
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def robot(chat, settings, endpoint):
    """The robot, who is at the endpoint."""
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat.alias, **QUICK}
    storage.register_agent(chat.robot, endpoint.url, timeout=20)
    return chat.robot


@pytest.fixture
def robot_at_work(robot):
    """The robot, whom this worker delivers to."""
    service.stop(20)  # it may have begun with other settings
    yield robot
    service.stop(20)


@pytest.fixture
def talk(chat, robot_at_work):
    """Alice's conversation with the robot."""
    robot = robot_at_work
    return storage.create_conversation(chat.alice, [robot]).conversation.id


def say(talk, text, sender="user:alice", **fields):
    return gateway.append(Draft(talk, sender, {"text": text}, **fields)).message


def said(talk):
    return [(each.sender, each.content.get("text")) for each in storage.history(talk, None).messages]


def log(robot="agent:robot"):
    """What was tried, the first first: which, how it ended, what the endpoint answered."""
    tries = reversed(storage.list_deliveries(robot).deliveries)
    return [(each.attempt, str(each.status), each.http_status) for each in tries]


def delivered(talk, robot="agent:robot"):
    """Wait until the robot was given everything."""
    wait_until(lambda: storage.delivered_seq(talk, robot) == storage.show_conversation(talk, None).last_seq)


def test_a_message_goes_to_the_agent_and_its_reply_is_stored(talk, endpoint):
    endpoint.script = [answer(body={"content": {"text": "hello"}, "metadata": {"model": "m"}})]
    message = say(talk, "hi")
    delivered(talk)
    assert said(talk) == [("user:alice", "hi"), ("agent:robot", "hello")]
    reply = storage.history(talk, None).messages[1]
    (request,) = endpoint.requests
    assert reply.kind == "assistant"
    assert reply.metadata == {"model": "m", "webhook_id": request.headers["X-Webhook-Id"]}
    assert request.turn["conversation"]["id"] == talk
    assert (request.turn["agent"], request.turn["last_seq"]) == ("agent:robot", 1)
    assert [each["id"] for each in request.turn["messages"]] == [message.id]
    assert request.headers["X-Webhook-Attempt"] == "1"
    assert request.headers["Content-Type"] == "application/json"
    assert log() == [(1, "delivered", 200)]


def test_messages_that_come_together_go_together(talk, endpoint, settings):
    endpoint.script = [hold(answer(204)), answer(204)]
    say(talk, "1")
    wait_until(lambda: endpoint.requests)
    for number in range(2, 12):
        say(talk, str(number))
    endpoint.released.set()
    delivered(talk)
    assert [each.texts for each in endpoint.requests] == [["1"], [str(number) for number in range(2, 12)]]
    assert endpoint.most_together == 1


def test_what_others_say_later_goes_without_what_the_agent_said(talk, endpoint):
    endpoint.script = [says("one"), says("two")]
    say(talk, "1")
    delivered(talk)
    say(talk, "by itself", "agent:robot")
    say(talk, "2")
    delivered(talk)
    assert [each.texts for each in endpoint.requests] == [["1"], ["2"]]
    assert [text for _, text in said(talk)] == ["1", "one", "by itself", "2", "two"]


@pytest.mark.parametrize(
    "empty",
    [
        answer(204), answer(200), answer(body={}), answer(body={"content": {}}), answer(body={"text": ""}),
        answer(body=None), answer(body=b"OK", Content_Type="text/plain"),
        stream("text/event-stream", "data: [DONE]\n\n"),
    ],
)  # fmt: skip
def test_an_empty_answer_stores_nothing(talk, endpoint, empty):
    endpoint.script = [empty]
    say(talk, "hi")
    delivered(talk)
    assert said(talk) == [("user:alice", "hi")]
    assert log()[0][1] == "delivered"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_end_better_is_tried_again_with_the_same_id(talk, endpoint, status):
    endpoint.script = [answer(status), answer(status), says("at last")]
    say(talk, "hi")
    delivered(talk)
    assert said(talk)[1:] == [("agent:robot", "at last")]
    assert log() == [(1, "failed", status), (2, "failed", status), (3, "delivered", 200)]
    assert [each.headers["X-Webhook-Attempt"] for each in endpoint.requests] == ["1", "2", "3"]
    assert len({each.headers["X-Webhook-Id"] for each in endpoint.requests}) == 1
    assert len({each.body for each in endpoint.requests}) == 1


def test_after_five_tries_the_message_is_passed_over_and_the_next_one_goes(talk, endpoint):
    endpoint.script = [*[answer(503)] * 5, says("again")]
    say(talk, "lost")
    delivered(talk)
    say(talk, "found")
    delivered(talk)
    assert [each.texts for each in endpoint.requests] == [["lost"]] * 5 + [["found"]]
    assert log() == [(number, "failed", 503) for number in range(1, 6)] + [(1, "delivered", 200)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_what_will_not_end_better_is_not_tried_again(talk, endpoint, status):
    endpoint.script = [answer(status, {"text": "not this"})]
    say(talk, "hi")
    delivered(talk)
    assert (log(), len(said(talk))) == ([(1, "failed", status)], 1)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(talk, endpoint, status):
    endpoint.script = [answer(status, Location="/elsewhere")]
    say(talk, "hi")
    delivered(talk)
    assert log() == [(1, "failed", status)]
    assert [each.path for each in endpoint.requests] == ["/hook"]


def test_an_answer_that_breaks_off_is_tried_again(talk, endpoint):
    endpoint.script = [break_off, says("whole")]
    say(talk, "hi")
    delivered(talk)
    assert said(talk)[1:] == [("agent:robot", "whole")]
    assert log() == [(1, "failed", None), (2, "delivered", 200)]


def test_an_endpoint_that_is_not_there_is_tried_five_times(talk, robot):
    with Endpoint() as gone:
        storage.update_agent(robot, url=gone.url)
    say(talk, "hi")
    delivered(talk)
    assert log() == [(number, "failed", None) for number in range(1, 6)]


def test_an_answer_that_takes_too_long_is_a_timeout(talk, endpoint, robot):
    storage.update_agent(robot, timeout=0.2)
    endpoint.script = [hold(answer(204)), stream("application/json", '{"te', end=False), says("quick")]
    say(talk, "hi")
    delivered(talk)
    assert [each[:2] for each in log()] == [(1, "timeout"), (2, "timeout"), (3, "delivered")]
    assert said(talk)[1:] == [("agent:robot", "quick")]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (endless, "larger than"),
        (stream("text/event-stream", *["data: x\n\n" * 1000] * 200), "larger than"),
        (answer(body=b"{", Content_Type="application/json"), "no JSON"),
        (answer(body=[1]), "no JSON object"),
        (answer(body={"content": 5}), "content must be"),
        (answer(body={"text": "x" * 100_000}), "may be 65536"),
        (answer(body={"text": "\0"}), "U+0000"),
        (
            answer(body=b'{"content": {"a": ' + b"[" * 900 + b"]" * 900 + b"}}", Content_Type="application/json"),
            "levels",
        ),
        (answer(body=b'{"content": {"a": ' + b"[" * 9000, Content_Type="application/json"), "no JSON"),
        (answer(body=b'{"content": {"a": 1' + b"0" * 5000 + b"}}", Content_Type="application/json"), ""),
        (answer(body=b'{"text": "\\ud800"}', Content_Type="application/json"), "no JSON"),
        (answer(body={"text": "hi", "metadata": {"a": "x" * 20_000}}), "may be 16384"),
        (answer(body=b"x", Content_Type="application/json", Content_Encoding="gzip"), "compressed"),
        (stream("application/x-ndjson", "5\n"), "no JSON object"),
        (stream("application/x-ndjson", '{"text": 5}\n'), "must be a text"),
    ],
)
def test_a_bad_answer_is_logged_and_not_asked_for_again(talk, endpoint, bad, error):
    endpoint.script = [bad]
    say(talk, "hi")
    delivered(talk)
    assert (log(), len(said(talk))) == ([(1, "failed", 200)], 1)
    assert error in storage.list_deliveries("agent:robot").deliveries[0].error


def test_a_delivery_is_signed_anew_on_each_try(talk, endpoint, robot):
    storage.update_agent(robot, auth="hmac", secret="quiet", headers={"X-Own": "own", "x-webhook-id": "forged"})
    endpoint.script = [answer(500), answer(204)]
    say(talk, "hi")
    delivered(talk)
    for request in endpoint.requests:
        assert verify(request.body, request.headers["X-Signature"], "quiet")
        assert request.headers["X-Own"] == "own"
        assert request.headers.get_all("X-Webhook-Id") != ["forged"]
        assert len(request.headers.get_all("X-Webhook-Id")) == 1
        assert "Authorization" not in request.headers


def test_a_bearer_token_is_sent_and_never_logged(talk, endpoint, robot, caplog):
    storage.update_agent(robot, auth="bearer", secret="t0ken")
    endpoint.script = [answer(500), answer(400)]
    say(talk, "hi")
    delivered(talk)
    assert {each.headers["Authorization"] for each in endpoint.requests} == {"Bearer t0ken"}
    assert "t0ken" not in caplog.text + repr(storage.list_deliveries(robot))


def test_no_log_says_the_url_or_a_secret_that_cannot_be_sent(talk, endpoint, robot, caplog, chat):
    caplog.set_level("DEBUG")
    endpoint.script = [answer(500), says("hello")]
    storage.update_agent(robot, url=f"{endpoint.url}?key=s3cret")
    say(talk, "hi")
    delivered(talk)
    with connections[chat.alias].cursor() as cursor:  # the door takes none of these
        cursor.execute("UPDATE phoenix_chat_agent SET auth = 'bearer', secret = %s", ["s3cret\nX: y"])
    say(talk, "hi again")
    delivered(talk)
    assert endpoint.requests[0].path == "/hook?key=s3cret"
    assert log() == [(1, "failed", 500), (2, "delivered", 200), (1, "failed", None)]
    mine = [each.getMessage() for each in caplog.records if not each.name.startswith("django.db")]
    assert "s3cret" not in "".join(mine) + repr(storage.list_deliveries(robot))


def test_no_cookie_of_an_endpoint_comes_back_and_no_proxy_of_the_environment_is_asked(talk, endpoint, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    service.stop(20)  # it may have begun
    endpoint.script = [answer(500, Set_Cookie="a=b; Path=/"), answer(204)]
    say(talk, "hi")
    delivered(talk)
    assert log() == [(1, "failed", 500), (2, "delivered", 204)]
    assert "Cookie" not in endpoint.requests[1].headers


@pytest.mark.parametrize(
    "asked",
    [
        "86400",
        email.utils.format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)),
        "?",
        "0",
        "9" * 5000,
        "Mon, 01 Jan 2024 00:00:00 +9999999999999999",
        "Mon, 99 Jan 2024 99:00:00 GMT",
        "²",
    ],
)
def test_an_endpoint_may_ask_for_a_pause_but_not_for_a_day_nor_for_nonsense(talk, endpoint, asked):
    endpoint.script = [answer(429, Retry_After=asked), answer(204)]
    say(talk, "hi")
    delivered(talk)
    assert log() == [(1, "failed", 429), (2, "delivered", 204)]


@pytest.mark.parametrize("disable", [storage.set_agent_status, storage.set_participant_status])
def test_what_is_sent_while_the_agent_is_disabled_is_never_delivered(talk, endpoint, robot, disable):
    endpoint.script = [answer(204)]
    disable(robot, "disabled")
    say(talk, "unheard")
    delivered(talk)
    disable(robot, "active")
    say(talk, "heard")
    delivered(talk)
    assert [each.texts for each in endpoint.requests] == [["heard"]]


def test_an_agent_that_is_disabled_in_between_is_not_tried_again(talk, endpoint, robot, settings):
    def disable(handler):
        storage.set_agent_status(robot, "disabled")
        conf.connections.close_all()
        answer(503)(handler)

    endpoint.script = [disable]
    say(talk, "hi")
    delivered(talk)
    assert log() == [(1, "failed", 503)]


def test_messages_of_people_and_groups_go_to_no_agent(chat, robot_at_work, endpoint):
    robot = robot_at_work
    endpoint.script = [answer(204)]
    dm = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    group = storage.create_conversation(chat.alice, [chat.bob, robot]).conversation.id
    talk = storage.create_conversation(chat.alice, [robot]).conversation.id
    for conversation in (dm, group, dm, group, talk):
        say(conversation, conversation)
    delivered(talk)
    assert [each.texts for each in endpoint.requests] == [[talk]]


def test_deleted_messages_are_left_out(talk, endpoint):
    endpoint.script = [hold(answer(204)), answer(204)]
    say(talk, "1")
    wait_until(lambda: endpoint.requests)
    gateway.delete(talk, "user:alice", say(talk, "2").id)
    say(talk, "3")
    endpoint.released.set()
    delivered(talk)
    assert [each.texts for each in endpoint.requests] == [["1"], ["3"]]


@pytest.mark.parametrize(
    "end",
    [
        lambda talk: gateway.close(talk, "user:alice"),
        lambda talk: storage.set_participant_status("agent:robot", "disabled"),
    ],
)
def test_a_reply_that_the_conversation_takes_no_more_is_dropped(talk, endpoint, end):
    endpoint.script = [hold(says("too late"))]
    say(talk, "hi")
    wait_until(lambda: endpoint.requests)
    end(talk)
    endpoint.released.set()
    delivered(talk)
    assert (said(talk), log()) == ([("user:alice", "hi")], [(1, "delivered", 200)])


def test_much_goes_in_several_deliveries(talk, endpoint, settings, chat):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "AGENT_REQUEST_BYTES": 3000}
    endpoint.script = [hold(answer(204)), answer(204)]
    texts = [letter * 1000 for letter in "abcde"]
    storage.append_batch([Draft(talk, chat.alice, {"text": text}) for text in texts])
    endpoint.released.set()
    say(talk, "last")
    delivered(talk)
    assert [len(each.texts) for each in endpoint.requests] == [2, 2, 2]
    assert [text for each in endpoint.requests for text in each.texts] == [*texts, "last"]


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("text/event-stream; charset=utf-8", ['data: {"text": "Hel', 'lo"}\n\n: ping\n\n', "data: , wörld\r\n\r\n"]),
        ("application/x-ndjson", ['{"text": "Hello"}\n', '\n{"text": ', '", wörld"}']),
    ],
)
def test_an_answer_that_is_being_written_is_told_and_stored_as_one_message(talk, endpoint, kind, parts):
    told = []
    listener = live.conversation_stream(talk).subscribe(told.append)
    endpoint.script = [stream(kind, *parts)]
    say(talk, "hi")
    delivered(talk)
    wait_until(lambda: [each.name for each in told].count("message") == 2)
    listener.unsubscribe()
    chunks = [each.payload for each in told if each.name == "stream_chunk"]
    assert "".join(each["text"] for each in chunks) == "Hello, wörld"
    assert [each["index"] for each in chunks] == list(range(len(chunks)))
    assert {(each["sender"], each["stream"]) for each in chunks} == {
        ("agent:robot", endpoint.requests[0].headers["X-Webhook-Id"] + ".1")
    }
    assert said(talk)[1:] == [("agent:robot", "Hello, wörld")]
    assert [each.name for each in told][-1] == "message"


def test_a_stream_may_say_the_whole_at_its_end(talk, endpoint):
    whole = '{"content": {"text": "42", "sources": [1]}, "metadata": {"tokens": 2}}'
    endpoint.script = [
        stream("text/event-stream", "data: 4\n\n", "data: 2\n\n", f"data: {whole}\n\n", "data: [DONE]\n\n")
    ]
    say(talk, "hi")
    delivered(talk)
    reply = storage.history(talk, None).messages[1]
    assert reply.content == {"text": "42", "sources": [1]}
    assert reply.metadata["tokens"] == 2


def test_a_stream_that_breaks_off_is_told_again_under_another_name(talk, endpoint):
    told = []
    listener = live.conversation_stream(talk).subscribe(told.append)

    def broken(handler):
        handler.head(200, Content_Type="text/event-stream", Content_Length="1000")
        handler.wfile.write(b"data: one\n\n")
        handler.wfile.flush()
        wait_until(lambda: any(each.name == "stream_chunk" for each in told))

    endpoint.script = [broken, stream("text/event-stream", "data: two\n\n")]
    say(talk, "hi")
    delivered(talk)
    wait_until(lambda: [each.name for each in told].count("message") == 2)
    listener.unsubscribe()
    chunks = [each.payload for each in told if each.name == "stream_chunk"]
    webhook_id = endpoint.requests[0].headers["X-Webhook-Id"]
    assert [(each["stream"], each["index"], each["text"]) for each in chunks] == [
        (f"{webhook_id}.1", 0, "one"),
        (f"{webhook_id}.2", 0, "two"),
    ]
    assert said(talk)[1:] == [("agent:robot", "two")]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "named.example",
    ],
)
def test_a_target_in_the_sites_network_is_not_connected_to(chat, talk, endpoint, settings, monkeypatch, host):
    """Whoever registered it: the door to that looks at new ones only, and knows no name."""
    look_up = socket.getaddrinfo
    names = {"named.example": "127.0.0.1"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args, **kw: look_up(names.get(host, host), *args, **kw))
    AgentEndpoint.objects.using(chat.alias).update(url=f"http://{host}:{endpoint.server_port}/hook")
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "ALLOW_PRIVATE_WEBHOOKS": False}
    say(talk, "hi")
    delivered(talk)
    assert endpoint.requests == []
    assert log() == [(1, "failed", None)]
    assert "must" in (error := storage.list_deliveries(chat.robot).deliveries[0].error) or "InvalidURL" in error


def test_two_agents_answer_one_another_so_often_in_a_row(chat, robot_at_work, endpoint, settings):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "AGENT_ROUNDS": 4, "AGENT_DEBOUNCE": 0.01}
    robot, other = robot_at_work, "agent:other"
    storage.create_participant(other, "agent")
    storage.register_agent(other, endpoint.url)
    talk = storage.create_conversation(robot, [other]).conversation.id
    endpoint.script = [says("and you?")]
    for count in (5, 10):
        say(talk, "ping", robot)
        wait_until(lambda count=count: len(said(talk)) >= count)
        delivered(talk, robot)
        delivered(talk, other)
    assert [sender for sender, _ in said(talk)] == [robot, other, robot, other, robot] * 2


def test_two_agents_are_each_given_what_the_other_says(chat, robot_at_work, endpoint):
    robot = robot_at_work
    storage.create_participant("agent:other", "agent")
    storage.register_agent("agent:other", endpoint.url)
    talk = storage.create_conversation(robot, ["agent:other"]).conversation.id
    endpoint.script = [says("pong"), answer(204)]
    say(talk, "ping", robot)
    delivered(talk, "agent:other")
    delivered(talk, robot)
    assert [(each.turn["agent"], each.texts) for each in endpoint.requests] == [
        ("agent:other", ["ping"]),
        (robot, ["pong"]),
    ]


def test_an_agent_that_does_not_answer_holds_up_no_other(chat, robot_at_work, endpoint, settings):
    robot = robot_at_work
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "AGENT_CONCURRENCY": 4}
    storage.create_participant("agent:quick", "agent")
    with Endpoint() as quick:
        quick.script = [answer(204)]
        storage.register_agent("agent:quick", quick.url)
        endpoint.script = [hold(answer(204))]
        for _ in range(8):
            say(storage.create_conversation(chat.alice, [robot]).conversation.id, "slow")
        wait_until(lambda: endpoint.requests)
        talk = storage.create_conversation(chat.alice, ["agent:quick"]).conversation.id
        say(talk, "quick")
        delivered(talk, "agent:quick")
        assert len(endpoint.requests) == 1
        endpoint.released.set()
        wait_until(lambda: len(endpoint.requests) == 8)
