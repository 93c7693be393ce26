"""The HTTP API: what it answers when all is well, and what when it is not."""

import msgspec
import pytest
from chat.calling import Http, come_to_rest, log_in, refusal, use_sessions, use_tokens
from django.db import connections
from django.test import AsyncClient

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.api import api
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.types import Conversation, HistoryPage, Message


@pytest.fixture
def http(chat, settings):
    """The API on each engine."""
    use_tokens(settings)
    yield Http()
    come_to_rest()


@pytest.fixture
def talk(http):
    """Alice's conversation with Bob, by the API."""
    made = http.post("/conversations", {"members": ["user:bob"]}, by="user:alice")
    assert made.status_code == 201
    return f"/conversations/{made.json()['id']}"


@pytest.fixture
def trio(http):
    """Alice's group with Bob and Carol, by the API."""
    made = http.post("/conversations", {"members": ["user:bob", "user:carol"], "title": "three"}, by="user:alice")
    return f"/conversations/{made.json()['id']}"


def say(http, talk, text, by="user:alice", **more):
    return http.post(f"{talk}/messages", {"content": {"text": text}, **more}, by=by)


# -- participants ------------------------------------------------------------------------------------------------------


def test_a_participant_is_made_shown_changed_and_disabled(http):
    made = http.post("/participants", {"id": "user:dora", "display_name": "Dora"}, by="admin")
    assert made.status_code == 201
    assert http.get("/participants/user:dora", by="admin").json() == made.json()
    changed = http.patch("/participants/user:dora", {"metadata": {"team": 1}}, by="admin").json()
    assert changed == {**made.json(), "metadata": {"team": 1}}
    assert http.post("/participants/user:dora/disable", by="admin").json()["status"] == "disabled"
    assert http.post("/participants/user:dora/enable", by="admin").json()["status"] == "active"


def test_an_id_is_given_once(http):
    assert refusal(http.post("/participants", {"id": "user:bob"}, by="admin")) == (409, "conflict")


def test_participants_are_listed_by_kind_and_in_pages(http):
    assert [each["id"] for each in http.get("/participants?kind=agent", by="admin").json()["participants"]] == [
        "agent:robot"
    ]
    first = http.get("/participants?limit=3", by="admin").json()
    rest = http.get(f"/participants?limit=3&cursor={first['cursor']}", by="admin").json()
    assert [len(first["participants"]), len(rest["participants"]), rest["cursor"]] == [3, 1, None]


def test_a_page_that_is_just_full_is_the_last(http):
    assert http.get("/participants?limit=4", by="admin").json()["cursor"] is None


def test_participants_see_themselves_and_nobody_else(http):
    assert http.get("/participants/user:alice", by="user:alice").json()["display_name"] == "Alice"
    assert refusal(http.get("/participants/user:bob", by="user:alice")) == (403, "forbidden")
    assert refusal(http.get("/participants/user:nobody", by="user:alice")) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method.upper(), path)
        for path, operations in api.get_openapi_schema(path_prefix="")["paths"].items()
        for method, operation in operations.items()
        if operation["tags"][0] in ("participants", "agents") and operation["operationId"] != "show_participant"
    ],
)
def test_only_administrators_administer(http, method, path):
    path = path.replace("{participant}", "user:alice").replace("{agent}", "agent:robot")
    assert refusal(http.ask(method, path, {"nonsense": 1}, by="user:alice")) == (403, "forbidden")


# -- conversations -----------------------------------------------------------------------------------------------------


def test_two_people_make_a_dm_and_an_agent_makes_an_agents(http):
    assert http.post("/conversations", {"members": ["user:bob"]}, by="user:alice").json()["kind"] == "human_dm"
    assert http.post("/conversations", {"members": ["agent:robot"]}, by="user:alice").json()["kind"] == "agent_dm"


def test_more_make_a_group_and_so_do_two_on_request(http):
    body = {"members": ["user:bob", "user:carol"], "title": "three", "metadata": {"x": 1}}
    made = http.post("/conversations", body, by="user:alice").json()
    assert (made["kind"], made["title"], made["metadata"]) == ("group", "three", {"x": 1})
    assert [each["role"] for each in made["members"]] == ["owner", "member", "member"]
    body = {"members": ["user:bob"], "group": True}
    assert http.post("/conversations", body, by="user:alice").json()["kind"] == "group"


def test_a_pairs_own_conversation_is_made_once_and_found_by_both(http):
    first = http.post("/conversations", {"members": ["user:bob"], "once": True}, by="user:alice")
    again = http.post("/conversations", {"members": ["user:alice"], "once": True}, by="user:bob")
    assert [first.status_code, again.status_code] == [201, 200]
    assert first.json()["id"] == again.json()["id"]


def test_the_same_party_twice_is_422_and_an_unknown_one_404(http):
    twice = http.post("/conversations", {"members": ["user:bob", "user:bob"]}, by="user:alice")
    assert refusal(twice) == (422, "invalid")
    assert list(twice.json()["fields"]) == ["members"]
    assert refusal(http.post("/conversations", {"members": ["user:x"]}, by="user:alice")) == (404, "not_found")


def test_one_sees_ones_own_conversations(http, talk, trio):
    mine = http.get("/conversations", by="user:carol").json()
    assert [f"/conversations/{each['id']}" for each in mine["conversations"]] == [trio]
    page = http.get("/conversations?limit=1", by="user:alice").json()
    rest = http.get("/conversations", by="user:alice", QUERY_STRING=f"cursor={page['cursor'].replace('+', '%2B')}")
    assert [f"/conversations/{each['id']}" for each in rest.json()["conversations"]] == [talk]


def test_a_conversation_is_renamed_closed_and_archived(http, talk):
    assert http.patch(talk, {"title": "new"}, by="user:bob").json()["title"] == "new"
    assert http.get(talk, by="user:alice").json()["title"] == "new"
    assert http.post(f"{talk}/close", by="user:bob").json()["status"] == "closed"
    assert refusal(say(http, talk, "too late")) == (409, "closed")
    assert http.post(f"{talk}/archive", by="user:alice").json()["status"] == "archived"
    assert http.get("/conversations", by="user:alice").json()["conversations"] == []
    assert len(http.get("/conversations?archived=true", by="user:alice").json()["conversations"]) == 1


def test_owners_let_others_in_and_out(http, trio):
    http.post("/participants", {"id": "user:dora"}, by="admin")
    body = {"participant": "user:dora", "role": "owner"}
    assert refusal(http.post(f"{trio}/members", body, by="user:bob")) == (403, "forbidden")
    assert http.post(f"{trio}/members", body, by="user:alice").status_code == 200
    gone = http.delete(f"{trio}/members/user:bob", by="user:dora")
    assert (gone.status_code, gone.content) == (204, b"")
    assert refusal(http.get(trio, by="user:bob")) == (403, "unauthorized")


def test_everybody_may_leave(http, trio):
    assert http.delete(f"{trio}/members/user:bob", by="user:bob").status_code == 204


# -- messages ----------------------------------------------------------------------------------------------------------


def test_a_message_is_stored_once_however_often_it_is_sent(http, talk):
    first = say(http, talk, "one", client_id="c1", kind="text", metadata={"a": 1})
    again = say(http, talk, "another text", client_id="c1")
    assert [first.status_code, again.status_code] == [201, 200]
    assert first.json() == again.json()
    assert msgspec.json.decode(first.content, type=Message).seq == 1


def test_history_is_the_newest_page_ascending(http, talk):
    for number in range(5):
        say(http, talk, str(number))
    page = msgspec.json.decode(http.get(f"{talk}/messages?limit=2", by="user:bob").content, type=HistoryPage)
    assert [message.seq for message in page.messages] == [4, 5]
    assert (page.last_seq, page.more_before, page.more_after) == (5, True, False)


def test_history_goes_on_after_and_before_a_place(http, talk):
    for number in range(5):
        say(http, talk, str(number))

    def seqs(query):
        return [each["seq"] for each in http.get(f"{talk}/messages?{query}", by="user:bob").json()["messages"]]

    assert seqs("after_seq=1&limit=2") == [2, 3]
    assert seqs("before_seq=4&limit=2") == [2, 3]


def test_a_message_is_shown_edited_and_deleted(http, talk):
    message = f"{talk}/messages/{say(http, talk, 'one', metadata={'a': 1}).json()['id']}"
    assert http.get(message, by="user:bob").json()["content"] == {"text": "one"}
    edited = http.patch(message, {"content": {"text": "two"}}, by="user:alice").json()
    assert (edited["content"], edited["metadata"]) == ({"text": "two"}, {"a": 1})
    assert refusal(http.patch(message, {"content": {}}, by="user:bob")) == (403, "forbidden")
    assert refusal(http.delete(message, by="user:bob")) == (403, "forbidden")
    left = http.delete(message, by="user:alice").json()
    assert (left["content"], left["deleted_at"] is None) == ({}, False)
    assert refusal(http.patch(message, {"content": {}}, by="user:alice")) == (409, "conflict")


def test_there_is_no_such_message(http, talk):
    assert refusal(http.get(f"{talk}/messages/nothing", by="user:bob")) == (404, "not_found")


def test_what_is_unread_is_in_the_inbox_until_it_is_read(http, talk):
    for number in range(3):
        say(http, talk, str(number))
    (item,) = http.get("/inbox", by="user:bob").json()["items"]
    assert (item["unread"], item["last_message"]["text"]) == (3, "2")
    assert http.get("/inbox", by="user:alice").json()["items"][0]["unread"] == 0
    assert http.post(f"{talk}/read", {"seq": 2}, by="user:bob").json()["last_read_seq"] == 2
    assert http.get("/inbox", by="user:bob").json()["items"][0]["unread"] == 1
    assert http.post(f"{talk}/read", by="user:bob").json()["last_read_seq"] == 3
    assert http.post(f"{talk}/read", {}, by="user:bob").json()["moved"] is False


def test_a_place_that_is_not_there_cannot_be_marked(http, talk):
    assert refusal(http.post(f"{talk}/read", {"seq": 1}, by="user:bob")) == (404, "not_found")


# -- agents ------------------------------------------------------------------------------------------------------------


ROBOT = {
    "agent": "agent:robot",
    "url": "https://robot.example/chat",
    "auth": "hmac",
    "secret": "s3cret-of-the-robot",
    "headers": {"X-Key": "k3y-of-the-robot"},
}


def test_an_agent_is_registered_changed_and_disabled_and_its_secrets_stay_here(http):
    answers = [
        http.post("/agents", ROBOT, by="admin"),
        http.get("/agents/agent:robot", by="admin"),
        http.patch("/agents/agent:robot", {"timeout": 5, "secret": "an0ther-secret"}, by="admin"),
        http.post("/agents/agent:robot/disable", by="admin"),
        http.post("/agents/agent:robot/enable", by="admin"),
        http.get("/agents/agent:robot/deliveries", by="admin"),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 200]
    said = b"".join(answer.content for answer in answers)
    assert not [secret for secret in (b"s3cret", b"an0ther", b"k3y") if secret in said]
    shown = answers[-2].json()
    assert (shown["timeout"], shown["headers"], shown["has_secret"]) == (5, ["X-Key"], True)
    assert answers[-1].json() == {"deliveries": [], "cursor": None}
    assert storage.agent_endpoint("agent:robot").secret == "an0ther-secret"


@pytest.mark.parametrize("headers", [{"a b": "x"}, {"": "x"}, {"ä": "x"}, {"X": "ä"}, {"X": "a\r\nb: c"}, {"X": "\0"}])
def test_headers_that_http_has_not_are_refused_when_they_are_given(http, headers):
    response = http.post("/agents", {**ROBOT, "headers": headers}, by="admin")
    assert refusal(response) == (422, "invalid")
    assert list(response.json()["fields"]) == ["headers"]


def test_an_agent_is_registered_once_and_must_be_one(http):
    http.post("/agents", ROBOT, by="admin")
    assert refusal(http.post("/agents", ROBOT, by="admin")) == (409, "conflict")
    assert refusal(http.post("/agents", {**ROBOT, "agent": "user:bob"}, by="admin")) == (422, "invalid")
    assert refusal(http.post("/agents", {**ROBOT, "agent": "user:x"}, by="admin")) == (404, "not_found")
    assert refusal(http.get("/agents/user:bob", by="admin")) == (404, "not_found")


# -- what makes no sense -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"{", b"nonsense", b"\xff", b'{"content": NaN}', b'{"content": "\\ud800"}', b"[" * 100_000, b'{"a":1}x']
)
def test_a_body_that_is_no_json_is_400(http, talk, body):
    assert refusal(http.post(f"{talk}/messages", body, by="user:alice")) == (400, "malformed")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "content"),
        ({"content": "text"}, "content"),
        ({"content": None}, "content"),
        ({"content": []}, "content"),
        ({"content": {}, "kind": "shout"}, "kind"),
        ({"content": {}, "kind": 1}, "kind"),
        ({"content": {}, "metadata": None}, "metadata"),
        ({"content": {}, "client_id": 1}, "client_id"),
        ({"content": {}, "client_id": "x" * 129}, "client_id"),
        ({"content": {}, "client_id": ""}, "client_id"),
        ({"content": {}, "sender": "user:bob"}, "sender"),
        ({"content": {"text": "\0"}}, "content"),
        ([], "body"),
        ("text", "body"),
        (1, "body"),
        (b"", "body"),
        (b"null", "body"),
    ],
)
def test_what_is_missing_unknown_or_of_a_wrong_type_is_422_and_said(http, talk, body, field):
    response = http.post(f"{talk}/messages", body, by="user:alice")
    assert refusal(response) == (422, "invalid")
    assert list(response.json()["fields"]) == [field]


@pytest.mark.parametrize(("kind", "status"), [("text", 201), ("tool_call", 201), ("assistant", 422), ("system", 422)])
def test_people_send_what_people_say(http, talk, kind, status):
    response = say(http, talk, "one", kind=kind)
    assert response.status_code == status
    assert status == 201 or list(response.json()["fields"]) == ["kind"]


@pytest.mark.parametrize("number", ["1", 1.5, True, "x", [1], -1, 0, 10**30])
def test_a_read_mark_is_a_number(http, talk, number):
    assert refusal(http.post(f"{talk}/read", {"seq": number}, by="user:alice"))[0] in (404, 422)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "limit=", "after_seq=-1", "before_seq=0", f"after_seq={10**30}", "limit=1e9"],
)
def test_a_query_that_makes_no_sense_is_422(http, talk, query):
    assert refusal(http.get(f"{talk}/messages?{query}", by="user:alice")) == (422, "invalid")


def test_after_and_before_together_are_what_is_between(http, talk):
    for number in range(5):
        say(http, talk, str(number))
    page = http.get(f"{talk}/messages?after_seq=1&before_seq=5&limit=2", by="user:alice").json()
    assert [each["seq"] for each in page["messages"]] == [2, 3]
    assert http.get(f"{talk}/messages?after_seq=5&before_seq=1", by="user:alice").json()["messages"] == []


@pytest.mark.parametrize("path", ["/inbox", "/conversations", "/agents/agent:robot/deliveries"])
@pytest.mark.parametrize("cursor", ["x", "%00", "2020-01-01T00:00:00Z/%00", "1/2", "9999-99-99T00:00:00Z/x"])
def test_a_cursor_of_ones_own_is_422(http, path, cursor):
    assert refusal(http.get(f"{path}?cursor={cursor}", by="admin")) == (422, "invalid")


@pytest.mark.parametrize("cursor", ["%00", "a/b", "a%20b"])
def test_a_cursor_that_is_no_participants_id_is_422(http, cursor):
    response = http.get(f"/participants?cursor={cursor}", by="admin")
    assert refusal(response) == (422, "invalid")
    assert list(response.json()["fields"]) == ["cursor"]


@pytest.mark.parametrize("id", ["x", "%00", "%F0%9F%A6%8A", "..", "x" * 500])
def test_a_conversation_of_whatever_name_is_not_ones_own(http, id):
    assert refusal(http.get(f"/conversations/{id}/messages", by="user:alice")) == (403, "unauthorized")


def test_what_is_too_large_is_413(http, talk):
    assert refusal(say(http, talk, "x" * 70_000)) == (413, "too_large")
    assert refusal(say(http, talk, "x", metadata={"x": "x" * 20_000})) == (413, "too_large")
    assert refusal(say(http, talk, "x" * 3_000_000)) == (413, "too_large")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_only_json_is_a_body(http, talk, kind):
    response = http.ask("POST", f"{talk}/messages", b"content=1", by="user:alice", content_type=kind)
    assert refusal(response) == (415, "unsupported_type")


def test_another_method_is_405_and_says_which_there_are(http, talk):
    response = http.ask("PUT", talk, {}, by="user:alice")
    assert refusal(response) == (405, "method_not_allowed")
    assert response["Allow"] == "GET, PATCH"


@pytest.mark.parametrize("path", ["/", "/nothing", "/conversations/a/b/c", "/participants/a%2Fb"])
def test_what_is_not_there_is_404_in_our_own_words(http, path):
    assert refusal(http.get(path, by="user:alice")) == (404, "not_found")


# -- when to come again ------------------------------------------------------------------------------------------------


def test_who_sends_too_often_is_told_when_to_come_again(chat, settings, dm):
    use_tokens(settings, SENDS_PER_SECOND=0.5)
    http = Http()
    assert say(http, f"/conversations/{dm}", "one").status_code == 201
    response = say(http, f"/conversations/{dm}", "two")
    assert refusal(response) == (429, "rate_limited")
    assert 1 <= int(response["Retry-After"]) <= 2


def test_a_worker_that_stops_says_when_to_come_again_and_still_shows(http, talk, settings):
    gateway.drain(20)
    try:
        response = say(http, talk, "one")
        assert refusal(response) == (503, "backpressure")
        assert response["Retry-After"] == "1"
        assert http.get(talk, by="user:bob").status_code == 200
    finally:
        gateway.begin_again()


def test_a_database_that_is_away_is_503_and_its_own_words_go_to_the_log_only(sqlite, settings, tmp_path, caplog):
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": sqlite}
    use_tokens(settings)
    connections[sqlite].close()
    connections.settings[sqlite]["NAME"] = str(tmp_path / "nowhere" / "x.sqlite3")
    del connections[sqlite]
    response = Http().get("/inbox", by="user:alice")
    assert refusal(response) == (503, "unavailable")
    assert response["Retry-After"] == "1"
    assert b"unable to open" not in response.content
    assert "unable to open" in caplog.text


# -- sessions ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def seven(http, settings):
    """The API as the user 7, who is logged in, and the CSRF token of the page."""
    use_sessions(settings)
    storage.create_participant("user:7")
    return http, log_in(http.client, "7")


def test_whoever_is_logged_in_reads(seven):
    http, _ = seven
    assert http.get("/inbox").json() == {"items": [], "cursor": None}


def test_a_session_changes_nothing_without_the_csrf_token(seven):
    http, csrf = seven
    body = {"members": ["user:bob"]}
    assert refusal(http.post("/conversations", body)) == (403, "forbidden")
    assert refusal(http.post("/conversations", body, headers={"X-CSRFToken": "x" * 32})) == (403, "forbidden")
    assert http.post("/conversations", body, headers={"X-CSRFToken": csrf}).status_code == 201


def test_a_session_of_another_origin_changes_nothing(seven):
    http, csrf = seven
    headers = {"X-CSRFToken": csrf, "Origin": "https://evil.example"}
    assert refusal(http.post("/conversations", {"members": ["user:bob"]}, headers=headers)) == (403, "forbidden")


def test_staff_administers_by_its_session_and_others_do_not(http, settings):
    use_sessions(settings)
    log_in(http.client, "8")
    assert http.get("/participants").status_code == 200
    log_in(http.client, "7")
    assert refusal(http.get("/participants")) == (403, "forbidden")


# -- the document ------------------------------------------------------------------------------------------------------


def test_the_document_and_its_page_are_there(client):
    document = client.get("/chat/openapi.json").json()
    assert "/chat/conversations/{conversation}/messages" in document["paths"]
    assert client.get("/chat/docs").status_code == 200


def test_the_document_says_of_an_answer_what_it_is():
    schemas = api.get_openapi_schema(path_prefix="")["components"]["schemas"]
    assert list(schemas["Conversation"]["properties"]) == list(Conversation.__struct_fields__)
    assert schemas["HistoryPage"]["properties"]["messages"]["items"] == {"$ref": "#/components/schemas/Message"}
    assert "secret" not in schemas["Agent"]["properties"]


async def test_an_asgi_server_answers_the_same(chat, settings):
    use_tokens(settings)
    http = Http(AsyncClient())
    made = await http.post("/conversations", {"members": ["user:bob"]}, by="user:alice")
    path = f"/conversations/{made.json()['id']}/messages"
    sent = await http.post(path, {"content": {"text": "one"}, "client_id": "c"}, by="user:alice")
    assert sent.status_code == 201
    page = await http.get(path, by="user:bob")
    assert [each["content"] for each in page.json()["messages"]] == [{"text": "one"}]
    assert refusal(await http.get(path)) == (401, "unauthenticated")


def test_nothing_is_kept_by_caches(http):
    assert http.get("/inbox", by="user:alice")["Cache-Control"] == "no-store"
