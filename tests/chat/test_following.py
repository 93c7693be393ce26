"""What whoever follows reads again."""

import pytest

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.models import MessageRow
from phoenix_sessions.contrib.chat.types import Draft


def send(conversation, sender, count=1):
    drafts = [Draft(conversation, sender, {"text": str(number)}) for number in range(count)]
    return [outcome.message for outcome in storage.append_batch(drafts)]


def test_the_newest_are_ascending_and_as_many_as_were_asked_for(chat, group):
    sent = send(group, chat.alice, 250)
    found = storage.read_newest(group, None, 220)
    assert found.messages == tuple(sent[-220:])
    assert found.conversation == storage.show_conversation(group, None)


def test_what_is_after_a_place_begins_there(chat, group):
    sent = send(group, chat.alice, 20)
    assert storage.read_after(group, chat.bob, 12, 5).messages == tuple(sent[12:17])
    assert storage.read_after(group, chat.bob, 20, 5).messages == ()


@pytest.mark.parametrize("read", [storage.read_newest, lambda *given: storage.read_after(*given[:2], 0, 9)])
def test_only_members_follow(chat, dm, read):
    for conversation in (dm, "nothing"):
        with pytest.raises(ChatError, match="unauthorized"):
            read(conversation, chat.carol, 9)
    with pytest.raises(ChatError, match="not_found"):
        read("nothing", None, 9)


def test_a_conversation_whose_beginning_is_gone_is_followed_from_what_is_left(chat, group):
    sent = send(group, chat.alice, 20)
    MessageRow.objects.using(chat.alias).filter(conversation=group, seq__lt=15).delete()
    assert storage.read_after(group, chat.bob, 3, 100).messages == tuple(sent[14:])


def test_items_of_an_inbox_are_those_of_its_page(chat, dm, group):
    send(group, chat.alice, 3)
    page = storage.inbox(chat.bob).items
    assert {item.conversation.id: item for item in storage.inbox_items(chat.bob, [dm, group])} == {
        item.conversation.id: item for item in page
    }
    assert storage.inbox_items(chat.bob, [group]) == tuple(item for item in page if item.conversation.id == group)


def test_what_is_not_in_an_inbox_is_left_out(chat, dm, group):
    storage.archive_conversation(group, chat.alice)
    assert storage.inbox_items(chat.carol, [dm]) == storage.inbox_items(chat.bob, [group, "nothing"]) == ()
    assert storage.inbox_items("user:nobody", [group]) == ()
