"""Conversations, and who is in them."""

import threading

import pytest
from chat.refusing import code
from django.db import connections
from django.db.transaction import atomic

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.types import Draft

NOWHERE = "0" * 26


def roles(conversation):
    return {member.participant: member.role.value for member in conversation.members}


def test_the_kind_follows_from_who_is_in_it(chat):
    kinds = [
        storage.create_conversation(chat.alice, others, group=group).conversation.kind
        for others, group in (
            ([chat.bob], False),
            ([chat.robot], False),
            ([chat.bob, chat.robot], False),
            ([chat.bob], True),
            ([], True),
        )
    ]
    assert kinds == ["human_dm", "agent_dm", "group", "group", "group"]


def test_a_conversation_is_shown_as_it_was_made(chat):
    made = storage.create_conversation(chat.alice, [chat.bob], title="t", metadata={"m": 1})
    assert made.new
    assert storage.show_conversation(made.conversation.id, chat.bob) == made.conversation
    assert roles(made.conversation) == {chat.alice: "owner", chat.bob: "member"}


@pytest.mark.parametrize(
    ("others", "options", "expected"),
    [
        (["user:alice"], {}, "invalid"),
        (["user:bob", "user:bob"], {}, "invalid"),
        ([], {}, "invalid"),
        ("user:bob", {}, "invalid"),
        (["user:nobody"], {}, "not_found"),
        (["user:bob", "user:carol"], {"once": True}, "invalid"),
        (["user:bob"], {"title": "x" * 256}, "invalid"),
    ],
)
def test_what_makes_no_sense_is_refused(chat, others, options, expected):
    assert code(storage.create_conversation, chat.alice, others, **options) == expected
    assert storage.list_conversations(chat.alice) == ((), None)


def test_who_is_disabled_begins_nothing(chat):
    storage.set_participant_status(chat.alice, "disabled")
    assert code(storage.create_conversation, chat.alice, [chat.bob]) == "disabled"


def test_a_conversation_has_its_most_members(chat, settings):
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat.alias, "MAX_MEMBERS": 2}
    assert code(storage.create_conversation, chat.alice, [chat.bob, chat.carol]) == "invalid"
    pair = storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id
    assert code(storage.add_member, pair, chat.alice, chat.carol) == "invalid"


def test_a_pair_gets_its_own_conversation_whoever_asks(chat):
    first = storage.create_conversation(chat.alice, [chat.bob], once=True)
    again = storage.create_conversation(chat.bob, [chat.alice], once=True)
    beside = storage.create_conversation(chat.alice, [chat.bob])
    assert (first.new, again.new, beside.new) == (True, False, True)
    assert first.conversation == again.conversation != beside.conversation


def test_a_pair_whose_conversation_was_closed_gets_another(chat):
    first = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    storage.close_conversation(first, chat.bob)
    again = storage.create_conversation(chat.alice, [chat.bob], once=True)
    assert again.new
    assert again.conversation.id != first


def test_racing_wishes_for_a_pairs_own_conversation_get_one(chat):
    made, start = [], threading.Barrier(6)

    def create(creator, other):
        start.wait()
        made.append(storage.create_conversation(creator, [other], once=True))
        connections[chat.alias].close()

    pairs = [(chat.alice, chat.bob), (chat.bob, chat.alice)] * 3
    threads = [threading.Thread(target=create, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert len({each.conversation.id for each in made}) == 1
    assert [each.new for each in made].count(True) == 1


def test_a_pairs_conversation_that_an_isolated_transaction_cannot_see_is_asked_for_again(chat_on_server):
    chat = chat_on_server
    with atomic(using=chat.alias), connections[chat.alias].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        other = threading.Thread(target=create_and_leave, args=[chat.alias, chat.alice, chat.bob])
        other.start()
        other.join()
        assert code(storage.create_conversation, chat.alice, [chat.bob], once=True) == "unavailable"
    assert not storage.create_conversation(chat.alice, [chat.bob], once=True).new


def create_and_leave(alias, creator, other):
    storage.create_conversation(creator, [other])
    connections[alias].close()


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        (storage.show_conversation, ()),
        (storage.rename_conversation, ("title",)),
        (storage.close_conversation, ()),
        (storage.archive_conversation, ()),
        (storage.list_members, ()),
        (storage.add_member, ("user:carol",)),
        (storage.remove_member, ("user:alice",)),
        (storage.history, ()),
        (storage.mark_read, ()),
        (storage.find_message, ("id",)),
        (storage.edit_message, ("id", {})),
        (storage.delete_message, ("id",)),
    ],
)
def test_who_is_no_member_learns_nothing(chat, dm, verb, args):
    answers = []
    for conversation in (dm, NOWHERE, "\0", "no id", "\ud800", 7):
        with pytest.raises(ChatError) as caught:
            verb(conversation, chat.carol, *args)
        answers.append((caught.value.code, str(caught.value), caught.value.fields))
    assert set(map(str, answers)) == {str(answers[0])}
    assert answers[0][0] == "unauthorized"


@pytest.mark.parametrize("nobody", ["\0", "\ud800", "ü", 7])
def test_what_cannot_be_an_id_is_nobodys(chat, dm, nobody):
    """A lone surrogate is what a JSON parser makes of a broken escape, and no database takes it."""
    assert code(storage.history, dm, nobody) == "unauthorized"
    assert code(storage.mark_read, dm, nobody) == "unauthorized"
    assert code(storage.find_message, dm, chat.alice, nobody) == "not_found"
    assert code(storage.show_participant, nobody) == "invalid"
    assert storage.inbox_items(chat.alice, [nobody, dm])[0].conversation.id == dm
    assert storage.inbox_items(nobody, [dm]) == ()


def test_the_site_itself_sees_everything(chat, dm):
    assert storage.show_conversation(dm, None).id == dm
    assert code(storage.show_conversation, NOWHERE, None) == "not_found"
    assert storage.rename_conversation(dm, None, "by the site").title == "by the site"


def test_both_of_a_dm_and_the_owners_of_a_group_change_it(chat, dm, group):
    assert storage.rename_conversation(dm, chat.bob, "ours").title == "ours"
    assert code(storage.rename_conversation, group, chat.bob, "mine") == "forbidden"
    assert storage.rename_conversation(group, chat.alice, "mine").title == "mine"
    storage.set_participant_status(chat.alice, "disabled")
    assert code(storage.rename_conversation, group, chat.alice, "again") == "disabled"


def test_a_conversation_is_closed_and_archived_and_never_goes_back(chat, dm):
    assert storage.close_conversation(dm, chat.alice).status == "closed"
    assert code(storage.rename_conversation, dm, chat.alice, "x") == "closed"
    assert storage.archive_conversation(dm, chat.alice).status == "archived"
    assert storage.close_conversation(dm, chat.alice).status == "archived"
    assert storage.history(dm, chat.bob).last_seq == 0


def test_who_joins_has_read_what_was_there(chat, group):
    storage.append_batch([Draft(group, chat.alice, {})])
    joined = storage.add_member(group, chat.alice, chat.robot)
    assert roles(joined)[chat.robot] == "member"
    assert [item.unread for item in storage.inbox(chat.robot).items] == [0]
    assert storage.add_member(group, chat.alice, chat.robot, "owner") == joined
    assert storage.list_members(group, chat.robot) == joined.members


def test_only_owners_say_who_is_in_a_group_and_everybody_may_leave(chat, group):
    assert code(storage.add_member, group, chat.bob, chat.robot) == "forbidden"
    assert code(storage.remove_member, group, chat.bob, chat.carol) == "forbidden"
    assert chat.bob not in roles(storage.remove_member(group, chat.bob, chat.bob))
    assert code(storage.history, group, chat.bob) == "unauthorized"
    assert code(storage.remove_member, group, chat.alice, chat.bob) == "not_found"
    assert code(storage.add_member, group, chat.alice, "user:nobody") == "not_found"


def test_after_the_last_owner_it_is_who_joined_first(chat, group):
    left = storage.remove_member(group, chat.alice, chat.alice)
    assert roles(left) == {chat.bob: "owner", chat.carol: "member"}
    assert roles(storage.remove_member(group, chat.bob, chat.carol)) == {chat.bob: "owner"}
    assert roles(storage.remove_member(group, chat.bob, chat.bob)) == {}


def test_a_dm_keeps_its_two(chat, dm):
    assert code(storage.add_member, dm, chat.alice, chat.carol) == "invalid"
    assert code(storage.remove_member, dm, chat.alice, chat.alice) == "invalid"


def test_nobody_joins_what_is_closed(chat, group):
    storage.close_conversation(group, chat.alice)
    assert code(storage.add_member, group, chat.alice, chat.robot) == "closed"
