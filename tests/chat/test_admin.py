"""The admin: the same rules as everywhere, no secret comes out, and no page grows with the tables."""

import pytest
from chat.conftest import begin
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.urls import reverse
from django.utils.html import escape

from phoenix_sessions.contrib.chat import admin_pages, live, storage
from phoenix_sessions.contrib.chat.endpoints import Delivery
from phoenix_sessions.contrib.chat.kinds import DeliveryStatus
from phoenix_sessions.contrib.chat.models import Membership
from phoenix_sessions.contrib.chat.types import Draft

PAGES = ["participantrow", "conversationrow", "membership", "agentendpoint", "deliverylog", "messagerow"]

pytestmark = [pytest.mark.django_db, pytest.mark.urls("chat.admin_site")]


@pytest.fixture
def chat(sqlite, settings):
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    return begin(sqlite, settings)


@pytest.fixture
def site(client, chat):
    """A browser of somebody who may do everything."""
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def told(group):
    """What those who follow the group are told."""
    events = []
    with live.conversation_stream(group).subscribe(lambda event: events.append(event.name)):
        yield events


def url(model, action="changelist", *args, **query):
    return reverse(f"admin:phoenix_sessions_chat_{model}_{action}", args=args, query=query)


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def done(answer):
    """Follow to what is said then."""
    assert answer.status_code == 302, answer.context["errors"]


def act(site, model, action, *ids, **more):
    return text(site.post(url(model), {"action": action, "_selected_action": ids, **more}, follow=True))


def fill(chat, group):
    storage.register_agent(chat.robot, "https://robot.example", auth="hmac", secret="s3cr3t", headers={"X-Key": "k3y"})
    storage.append_batch([Draft(group, chat.alice, {"text": f"hello {n}"}) for n in range(3)])
    talk = storage.create_conversation(chat.alice, [chat.robot]).conversation.id
    storage.log_delivery(Delivery(chat.robot, talk, "w" * 26, 1, 1, DeliveryStatus.FAILED, 503, 12, "busy"))


@pytest.mark.parametrize("model", PAGES)
def test_every_list_and_every_row_has_a_page(site, chat, group, model):
    fill(chat, group)
    answer = site.get(url(model))
    assert "At most 1,000 are listed" in text(answer)
    rows = answer.context["cl"].result_list
    assert rows
    assert str(rows[0]) in text(site.get(url(model, "change", rows[0].pk)))


@pytest.mark.parametrize("model", PAGES)
def test_no_page_tells_a_secret_also_to_those_who_may_only_look(client, chat, group, model):
    fill(chat, group)
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    for user in (looker, User.objects.create_superuser("root")):
        client.force_login(user)
        answer = client.get(url(model))
        rows = answer.context["cl"].result_list
        pages = [text(answer), *(text(client.get(url(model, "change", row.pk))) for row in rows)]
        assert not [page for page in pages if "s3cr3t" in page or "k3y" in page]


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("agentendpoint", {"secret__startswith": "s3"}),
        ("agentendpoint", {"headers__X-Key": '"k3y"'}),
        ("participantrow", {"endpoint__secret__startswith": "s3"}),
        ("deliverylog", {"agent__endpoint__secret__startswith": "s3"}),
        ("messagerow", {"content__text__contains": "hello"}),
        ("messagerow", {"sender__display_name": "Alice"}),
    ],
)
def test_no_secret_is_guessed_and_no_table_is_read_by_a_lists_address(site, chat, group, model, query):
    fill(chat, group)
    assert site.get(url(model, **query)).status_code == 400


def test_what_no_database_takes_is_refused_wherever_it_comes(site, chat, group):
    answers = [
        site.get(url("messagerow", conversation="\0")),
        site.get(url("messagerow", "change", "\0")),
        site.get(url("messagerow", "history", "\0")),
        site.get(url("participantrow", who="\0.active")),
        site.post(url("conversationrow"), {"action": "close", "_selected_action": ["\0"]}),
        site.post(url("participantrow", "add"), {"id": "user:x", "kind": "user", "display_name": "\0"}),
    ]
    assert [answer.status_code for answer in answers] == [400] * 6


@pytest.mark.parametrize("written", ['{"a": "\\ud800"}', "{", '["x"]'])
def test_what_is_wrong_with_an_object_is_told_and_it_is_shown_as_it_was_written(site, chat, written):
    given = {"id": "user:x", "kind": "user", "metadata": written}
    answer = site.post(url("participantrow", "add"), given)
    assert list(answer.context["adminform"].form.errors) == ["metadata"]
    assert escape(written) in text(answer)


def test_a_participant_is_added_named_disabled_and_enabled(site, chat):
    done(site.post(url("participantrow", "add"), {"id": "user:dora", "kind": "user", "metadata": '{"a": 1}'}))
    page = url("participantrow", "change", "user:dora")
    done(site.post(page, {"display_name": "Dora", "metadata": ""}))
    dora = storage.show_participant("user:dora")
    assert (dora.display_name, dora.metadata) == ("Dora", {})
    assert "Disabled: 1" in act(site, "participantrow", "disable", "user:dora")
    assert storage.show_participant("user:dora").status == "disabled"
    act(site, "participantrow", "enable", "user:dora")
    assert storage.show_participant("user:dora").status == "active"


def test_what_the_rules_refuse_is_told_at_its_field(site, chat):
    answer = site.post(url("participantrow", "add"), {"id": "not an id", "kind": "user"})
    assert "must be 1 to 128 of" in str(answer.context["adminform"].form.errors["id"])
    answer = site.post(url("participantrow", "add"), {"id": chat.alice, "kind": "user"})
    assert "already" in str(answer.context["adminform"].form.errors)
    answer = site.post(url("participantrow", "change", chat.alice), {"metadata": "[1]"})
    assert "must be a JSON object" in str(answer.context["adminform"].form.errors["metadata"])


def test_a_conversation_is_renamed_closed_and_archived_and_all_are_told(site, chat, group, told):
    done(site.post(url("conversationrow", "change", group), {"title": "new"}))
    assert storage.show_conversation(group, None).title == "new"
    act(site, "conversationrow", "close", group)
    assert storage.show_conversation(group, None).status == "closed"
    assert "Archived: 1" in act(site, "conversationrow", "archive", group)
    assert storage.show_conversation(group, None).status == "archived"
    assert told == ["conversation"] * 3


def test_what_the_rules_refuse_an_action_is_said_and_the_others_are_done(site, chat, group, dm):
    members = [row.pk for row in Membership.objects.using(chat.alias).filter(participant=chat.bob)]
    said = act(site, "membership", "remove", *members)
    assert "a DM keeps its two members" in said
    assert "Removed: 1" in said
    assert chat.bob not in [member.participant for member in storage.list_members(group, None)]
    assert chat.bob in [member.participant for member in storage.list_members(dm, None)]


def test_a_member_is_added_to_a_group_and_not_to_a_dm(site, chat, dm):
    group = storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id
    done(site.post(url("membership", "add"), {"group": group, "who": chat.carol, "role": "owner"}))
    assert {member.participant: member.role for member in storage.list_members(group, None)}[chat.carol] == "owner"
    for where, who in [(dm, chat.carol), (group, "user:nobody"), ("x", chat.bob), (group, "not an id")]:
        answer = site.post(url("membership", "add"), {"group": where, "who": who, "role": "member"})
        assert answer.context["adminform"].form.errors


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("atomic_requests", [False, True])
def test_what_is_told_is_committed(client, settings, monkeypatch, atomic_requests):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", atomic_requests)
    chat = begin("default", settings)
    client.force_login(User.objects.create_superuser("root"))
    group = storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id
    open_transactions = []

    def note(event):
        open_transactions.append(connections["default"].in_atomic_block)

    with live.conversation_stream(group).subscribe(note):
        done(client.post(url("conversationrow", "change", group), {"title": "new"}))
        done(client.post(url("membership", "add"), {"group": group, "who": chat.carol, "role": "member"}))
        act(client, "conversationrow", "close", group)
    assert open_transactions == [False, False, False]


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1/", "http://[::1]:8000/", "http://2130706433/", "http://a@8.8.8.8/"]
)
def test_no_endpoint_is_inside_the_sites_network(site, chat, address):
    given = {"url": address, "auth": "none", "timeout": "5"}
    answer = site.post(url("agentendpoint", "add"), {"who": chat.robot, **given})
    assert list(answer.context["adminform"].form.errors) == ["url"]
    storage.register_agent(chat.robot, "https://robot.example")
    answer = site.post(url("agentendpoint", "change", chat.robot), given)
    assert list(answer.context["adminform"].form.errors) == ["url"]
    assert storage.agent_endpoint(chat.robot).url == "https://robot.example"


def test_an_endpoint_that_is_inside_already_keeps_its_address_when_something_else_is_changed(site, chat):
    storage.register_agent(chat.robot, "http://127.0.0.1/")
    given = {"url": "http://127.0.0.1/", "auth": "none", "timeout": "7"}
    done(site.post(url("agentendpoint", "change", chat.robot), given))
    assert storage.agent_endpoint(chat.robot).timeout == 7


def test_an_endpoint_is_registered_changed_disabled_and_keeps_its_secret(site, chat):
    given = {"url": "https://robot.example", "auth": "hmac", "timeout": "5"}
    answer = site.post(url("agentendpoint", "add"), {"who": chat.robot, **given})
    assert "must be given for hmac" in str(answer.context["adminform"].form.errors["new_secret"])
    secret = {"new_secret": " s3cr3t", "new_headers": '{"X-Key": "k3y"}'}
    answer = site.post(url("agentendpoint", "add"), {"who": chat.robot, **given, **secret, "auth": "nonsense"})
    assert "s3cr3t" not in text(answer)
    done(site.post(url("agentendpoint", "add"), {"who": chat.robot, **given, **secret}))
    page = url("agentendpoint", "change", chat.robot)
    done(site.post(page, {**given, "timeout": "7"}))
    endpoint = storage.agent_endpoint(chat.robot)
    assert (endpoint.secret, endpoint.headers, endpoint.timeout) == (" s3cr3t", {"X-Key": "k3y"}, 7)
    done(site.post(page, {**given, "new_secret": "other", "new_headers": "{}"}))
    endpoint = storage.agent_endpoint(chat.robot)
    assert (endpoint.secret, endpoint.headers) == ("other", {})
    act(site, "agentendpoint", "disable", chat.robot)
    assert storage.agent_endpoint(chat.robot).status == "disabled"
    act(site, "agentendpoint", "enable", chat.robot)
    assert storage.agent_endpoint(chat.robot).status == "active"


def test_a_message_loses_what_it_says_and_all_are_told(site, chat, group, told):
    [stored] = storage.append_batch([Draft(group, chat.alice, {"text": "bad"})])
    assert "Deleted: 1" in act(site, "messagerow", "delete_content", stored.message.id)
    assert storage.find_message(group, None, stored.message.id).content == {}
    assert told == ["deleted"]


def test_nobody_without_the_permission_acts(client, chat, group):
    fill(chat, group)
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(looker)
    for model in PAGES:
        assert client.get(url(model)).context["action_form"] is None
    act(client, "conversationrow", "close", group)
    assert storage.show_conversation(group, None).status == "open"
    assert client.post(url("conversationrow", "change", group), {"title": "x"}).status_code == 403
    assert client.post(url("agentendpoint", "change", chat.robot), {"url": "http://x"}).status_code == 403


@pytest.mark.parametrize("model", PAGES)
def test_nothing_is_deleted_by_the_admins_own_way(site, chat, group, model):
    fill(chat, group)
    row = site.get(url(model)).context["cl"].result_list[0]
    assert site.get(url(model, "delete", row.pk)).status_code == 403


@pytest.mark.parametrize(
    ("model", "term", "count"),
    [
        ("participantrow", "user:alice", 1),
        ("participantrow", "user:ali", 0),
        ("conversationrow", "user:alice", 2),
        ("conversationrow", "agent:robot", 1),
        ("membership", "user:bob", 1),
        ("agentendpoint", "agent:robot", 1),
        ("deliverylog", "agent:robot", 1),
        ("deliverylog", "user:alice", 0),
        ("messagerow", "nothing", 0),
        ("messagerow", " ", 3),
    ],
)
def test_a_search_is_exact(site, chat, group, model, term, count):
    fill(chat, group)
    assert len(site.get(url(model, q=term)).context["cl"].result_list) == count


def test_messages_are_found_by_their_id_and_by_their_conversation(site, chat, group):
    fill(chat, group)
    [first, *_] = storage.history(group, None).messages
    for query, seqs in [({"q": first.id}, [1]), ({"q": group}, [3, 2, 1]), ({"conversation": group}, [3, 2, 1])]:
        found = site.get(url("messagerow", **query)).context["cl"].result_list
        assert [row.seq for row in found] == seqs


def test_participants_are_filtered_by_kind_and_status(site, chat):
    storage.set_participant_status(chat.bob, "disabled")
    found = site.get(url("participantrow", who="user.disabled")).context["cl"].result_list
    assert [row.pk for row in found] == [chat.bob]


@pytest.mark.parametrize("model", PAGES)
def test_a_list_counts_no_more_than_it_lists_and_asks_no_more_for_more_rows(site, chat, group, model, monkeypatch):
    fill(chat, group)
    monkeypatch.setattr(admin_pages, "MOST", 2)
    asked = []

    def note(execute, sql, params, many, context):
        asked.append(sql)
        return execute(sql, params, many, context)

    with connections[chat.alias].execute_wrapper(note):
        answer = site.get(url(model))
    assert answer.context["cl"].result_count <= 2
    assert [sql for sql in asked if "COUNT(*)" in sql and "LIMIT 2" not in sql] == []
    assert len(asked) == 2
    assert answer.context["cl"].can_show_all is False
    assert "Show counts" not in text(answer)


def test_an_action_takes_no_more_than_a_list_holds(site, chat, monkeypatch):
    monkeypatch.setattr(admin_pages, "MOST", 2)
    said = act(site, "participantrow", "disable", chat.alice, chat.bob, chat.carol)
    assert "select at most 2" in said
    assert storage.show_participant(chat.alice).status == "active"
