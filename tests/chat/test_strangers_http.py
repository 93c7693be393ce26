"""Strangers at every operation of the HTTP API: the document says which there are, so that none is forgotten."""

import contextlib
import socket
import time

import pytest
from chat.calling import (
    KEY,
    Http,
    admin_token,
    come_to_rest,
    forged,
    log_in,
    make_pair,
    refusal,
    token,
    unsigned,
    use_sessions,
)
from chat.scripted import Endpoint, wait_until
from django.db import connections

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.api import api
from phoenix_sessions.contrib.chat.ids import new_id
from phoenix_sessions.contrib.chat.types import Draft

OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, operations in api.get_openapi_schema(path_prefix="")["paths"].items()
    for method, operation in operations.items()
}
OF_ADMINISTRATORS = {name for name, (_, path) in OPERATIONS.items() if path.startswith(("/participants", "/agents"))}
OF_CONVERSATIONS = {name for name, (_, path) in OPERATIONS.items() if "{conversation}" in path}
OWN = set(OPERATIONS) - OF_ADMINISTRATORS - OF_CONVERSATIONS

BODIES = {
    "create_participant": {"id": "user:new"},
    "update_participant": {"display_name": "another"},
    "create_conversation": {"members": ["user:carol"]},
    "rename_conversation": {"title": "another"},
    "add_member": {"participant": "user:carol"},
    "append_message": {"content": {"text": "hello"}, "client_id": "c1"},
    "edit_message": {"content": {"text": "another"}},
    "mark_read": {"seq": 1},
    "register_agent": {"agent": "agent:robot", "url": "https://robot.example/"},
    "update_agent": {"url": "https://another.example/"},
}
SECRETS = ("the plan", "the title", "the name of Alice", "robot.example")
TABLES = ("participant", "conversation", "membership", "message", "agent", "delivery")


@pytest.fixture
def place(sqlite, settings, make_writer):
    """A group of Alice and Bob with a message, and an agent; what may be asked is decided before an engine is."""
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": sqlite, "JWT_KEY": KEY, "JWT_AUDIENCE": "chat"}
    for name in ("alice", "bob", "carol"):
        storage.create_participant(f"user:{name}", display_name=f"the name of {name.title()}")
    for name in ("robot", "other"):
        storage.create_participant(f"agent:{name}", "agent")
    storage.register_agent("agent:other", "https://robot.example/", auth="bearer", secret="s3cret")
    group = storage.create_conversation("user:alice", ["user:bob"], title="the title", group=True).conversation.id
    message = make_writer().append(Draft(group, "user:alice", {"text": "the plan"}, client_id="c1")).message.id
    yield {"conversation": group, "message": message, "participant": "user:bob", "agent": "agent:other"}
    come_to_rest()


def ask(place, name, **options):
    method, path = OPERATIONS[name]
    return Http().ask(method, path.format(**place), body_of(name), **options)


def body_of(name):
    method, path = OPERATIONS[name]
    takes_one = "requestBody" in api.get_openapi_schema(path_prefix="")["paths"][path][method.lower()]
    return BODIES[name] if takes_one else None


def everything(alias="chat-sqlite"):
    """All that is stored."""
    with connections[alias].cursor() as cursor:
        return [cursor.execute(f"SELECT * FROM phoenix_chat_{table}").fetchall() for table in TABLES]


def nothing_leaks(response):
    assert not [secret for secret in SECRETS if secret.encode() in response.content]


@pytest.fixture(scope="module")
def pair():
    return make_pair()


def of(sub, **claims):
    return token(sub, **{"aud": "chat", **claims})


IMPOSTORS = {
    "an expired token": lambda pair: of("user:alice", exp=int(time.time()) - 60),
    "a token that never expires": lambda pair: of("user:alice", exp=None),
    "a wrongly signed token": lambda pair: of("user:alice", key="another secret that is long enough"),
    "an unsigned token": lambda pair: unsigned("user:alice", aud="chat"),
    "an unsigned token that says HS256": lambda pair: unsigned("user:alice", "HS256", aud="chat"),
    "a token for another audience": lambda pair: of("user:alice", aud="mail"),
    "a token for no audience": lambda pair: token("user:alice"),
    "a token of RS256": lambda pair: of("user:alice", key=pair[0], algorithm="RS256"),
    "a token of nobody": lambda pair: of(None),
    "an administrator's token of another key": lambda pair: admin_token(
        aud="chat", key="another secret that is long enough"
    ),
    "nonsense": lambda pair: "nonsense",
    "an empty token": lambda pair: "",
}


def test_every_operation_is_somebodys():
    assert sorted(OWN) == ["create_conversation", "list_conversations", "show_inbox"]
    assert len(OPERATIONS) == len(OF_ADMINISTRATORS) + len(OF_CONVERSATIONS) + len(OWN)


@contextlib.contextmanager
def nothing_changes():
    before = everything()
    yield
    assert everything() == before


def test_nobody_is_let_in(place):
    with nothing_changes():
        for name in OPERATIONS:
            response = ask(place, name)
            assert refusal(response) == (401, "unauthenticated"), name
            assert response["WWW-Authenticate"] == "Bearer"
            nothing_leaks(response)


@pytest.mark.parametrize("impostor", IMPOSTORS)
def test_impostors_are_not_let_in(place, impostor, pair):
    given = IMPOSTORS[impostor](pair)
    with nothing_changes():
        for name in OPERATIONS:
            response = ask(place, name, headers={"Authorization": f"Bearer {given}"})
            assert refusal(response) == (401, "unauthenticated"), name
            assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"', name
            nothing_leaks(response)


def test_the_public_key_signs_no_token(place, pair, settings):
    private, public = pair
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": "chat-sqlite", "JWT_KEY": public, "JWT_ALGORITHMS": ["RS256"]}
    for name in OPERATIONS:
        assert refusal(ask(place, name, bearer=forged("user:alice", public))) == (401, "unauthenticated"), name
        assert ask(place, name, bearer=token("user:alice", private, "RS256")).status_code != 401, name


def test_an_impostor_who_is_logged_in_is_not_let_in_either(place, settings):
    use_sessions(settings)
    http = Http()
    headers = {"X-CSRFToken": log_in(http.client, "8"), "Authorization": "Bearer nonsense"}
    with nothing_changes():
        for name, (method, path) in OPERATIONS.items():
            response = http.ask(method, path.format(**place), body_of(name), headers=headers)
            assert refusal(response) == (401, "unauthenticated"), name


def test_a_page_of_another_site_changes_nothing_with_a_users_session(place, settings):
    use_sessions(settings)
    http = Http()
    log_in(http.client, "8")
    with nothing_changes():
        for name, (method, path) in OPERATIONS.items():
            response = http.ask(method, path.format(**place), body_of(name))
            assert method == "GET" or refusal(response) == (403, "forbidden"), name


@pytest.mark.parametrize("stranger", ["user:carol", "user:nobody", "service:office"])
def test_whoever_is_no_member_learns_nothing_not_even_whether_there_is_such_a_conversation(place, stranger):
    bearer = admin_token(stranger, aud="chat") if stranger == "service:office" else of(stranger)
    with nothing_changes():
        for name in OF_CONVERSATIONS:
            response = ask(place, name, bearer=bearer)
            unknown = ask({**place, "conversation": new_id()}, name, bearer=bearer)
            assert refusal(response) == (403, "unauthorized"), name
            assert response.content == unknown.content
            assert response.headers == unknown.headers


@pytest.mark.parametrize("stranger", ["user:carol", "user:nobody"])
def test_whoever_is_no_administrator_learns_nothing_of_others(place, stranger):
    with nothing_changes():
        for name in OF_ADMINISTRATORS:
            response = ask(place, name, bearer=of(stranger))
            unknown = ask({**place, "participant": "user:x", "agent": "agent:x"}, name, bearer=of(stranger))
            assert refusal(response) == (403, "forbidden"), name
            assert response.content == unknown.content


@pytest.mark.parametrize("name", sorted(OWN))
def test_ones_own_is_ones_own(place, name):
    response = ask(place, name, bearer=of("user:bob") if name == "create_conversation" else of("user:carol"))
    assert response.status_code in (200, 201)
    assert place["conversation"].encode() not in response.content
    assert b"the plan" not in response.content
    assert b"the title" not in response.content


@pytest.mark.parametrize("scope", ["", "admin"])
def test_a_disabled_participant_does_nothing_though_it_is_a_member_or_an_administrator(place, scope):
    storage.set_participant_status("user:alice", "disabled")
    with nothing_changes():
        for name in OPERATIONS:
            response = ask(place, name, bearer=of("user:alice", scope=scope))
            assert refusal(response) == (403, "disabled"), name
            nothing_leaks(response)


@pytest.mark.parametrize("name", OPERATIONS)
def test_members_and_administrators_are_let_in(place, name):
    bearer = of("user:alice", scope="admin")
    assert ask(place, name, bearer=bearer).status_code < 300


def test_a_message_of_another_conversation_is_not_found_by_its_id(place):
    other = storage.create_conversation("user:carol", ["user:bob"]).conversation.id
    for name in ("show_message", "edit_message", "delete_message"):
        response = ask({**place, "conversation": other}, name, bearer=of("user:carol"))
        assert refusal(response) == (404, "not_found")
        nothing_leaks(response)


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_the_health_is_for_everybody(place, path):
    assert Http().get(path).status_code == 200


def test_the_metrics_are_for_administrators_and_whoever_may_see_them(place):
    assert refusal(Http().get("/metrics")) == (401, "unauthenticated")
    assert refusal(Http().get("/metrics", bearer=of("user:alice"))) == (403, "forbidden")
    assert Http().get("/metrics", bearer=of("service:prometheus", scope="metrics")).status_code == 200
    assert Http().get("/metrics", bearer=admin_token(aud="chat")).status_code == 200
    storage.set_participant_status("user:alice", "disabled")
    assert refusal(Http().get("/metrics", bearer=of("user:alice", scope="admin"))) == (403, "disabled")


INSIDE = [
    "http://localhost:8000/", "http://127.0.0.1/", "http://10.0.0.1/", "http://192.168.1.1/", "http://169.254.169.254/",
    "http://[::1]/", "http://[fd00::1]/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/",
    "http://2130706433/", "http://0x7f.0.0.1/", "http://127.1/", "http://0177.0.0.1/", "http://user@127.0.0.1/",
    "http://8.8.8.8@127.0.0.1/", "file:///etc/passwd",
]  # fmt: skip


def test_no_agent_is_registered_inside_the_sites_network(place):
    by = {"bearer": admin_token(aud="chat")}
    with nothing_changes():
        for url in INSIDE:
            made = Http().post("/agents", {"agent": "agent:robot", "url": url}, **by)
            changed = Http().patch("/agents/agent:other", {"url": url}, **by)
            assert [refusal(made), refusal(changed)] == [(422, "invalid")] * 2, url
            assert [list(each.json()["fields"]) for each in (made, changed)] == [["url"]] * 2, url


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_means_an_address_inside_is_sent_nothing(place, monkeypatch, address):
    look_up = socket.getaddrinfo

    def mislead(host, port, *args, **kwargs):
        return look_up(address if host == "robot.example" else host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", mislead)
    with Endpoint() as inside:
        url = f"http://robot.example:{inside.server_port}/"
        made = Http().post("/agents", {"agent": "agent:robot", "url": url}, bearer=admin_token(aud="chat"))
        assert made.status_code == 201
        talk = Http().post("/conversations", {"members": ["agent:robot"]}, bearer=of("user:alice")).json()["id"]
        Http().post(f"/conversations/{talk}/messages", {"content": {"text": "hello"}}, bearer=of("user:alice"))
        (tried,) = wait_until(lambda: [each for each in tries() if each["status"] != "pending"])
        assert inside.requests == []
    assert (tried["status"], tried["http_status"]) == ("failed", None)
    assert "must be at a public address" in tried["error"]


def tries():
    return Http().get("/agents/agent:robot/deliveries", bearer=admin_token(aud="chat")).json()["deliveries"]
