"""History, edits, deletes, marks and inboxes."""

import datetime

import pytest
from chat.refusing import code
from django.db import connections
from django.test.utils import CaptureQueriesContext

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.types import Draft


@pytest.fixture
def ten(chat, dm):
    """Alice's ten messages to Bob."""
    storage.append_batch([Draft(dm, chat.alice, {"text": str(seq)}) for seq in range(1, 11)])
    return dm


@pytest.mark.parametrize(
    ("wanted", "seqs", "more_before", "more_after"),
    [
        ({}, range(1, 11), False, False),
        ({"limit": 3}, range(8, 11), True, False),
        ({"before_seq": 8, "limit": 3}, range(5, 8), True, True),
        ({"before_seq": 3, "limit": 3}, range(1, 3), False, True),
        ({"before_seq": 1}, (), False, True),
        ({"before_seq": 100, "limit": 2}, range(9, 11), True, False),
        ({"after_seq": 0, "limit": 3}, range(1, 4), False, True),
        ({"after_seq": 7}, range(8, 11), True, False),
        ({"after_seq": 10}, (), True, False),
        ({"after_seq": 99}, (), True, False),
        ({"after_seq": 2, "before_seq": 5}, range(3, 5), True, True),
    ],
)
def test_a_page_of_history(chat, ten, wanted, seqs, more_before, more_after):
    page = storage.history(ten, chat.bob, **wanted)
    assert [each.seq for each in page.messages] == list(seqs)
    assert (page.more_before, page.more_after, page.last_seq) == (more_before, more_after, 10)


def test_an_empty_conversation_has_an_empty_page(chat, dm):
    for wanted in ({}, {"after_seq": 0}, {"before_seq": 5}):
        page = storage.history(dm, chat.alice, **wanted)
        assert (page.messages, page.last_seq, page.more_before, page.more_after) == ((), 0, False, False)


@pytest.mark.parametrize("wrong", [{"after_seq": -1}, {"before_seq": 0}, {"limit": 201}, {"after_seq": "1"}])
def test_a_page_that_makes_no_sense_is_invalid(chat, ten, wrong):
    assert code(storage.history, ten, chat.alice, **wrong) == "invalid"


def test_the_newest_of_more_than_a_page_are_the_newest(chat, dm):
    storage.append_batch([Draft(dm, chat.alice, {}) for _ in range(300)])
    assert [each.seq for each in storage.history(dm, chat.bob).messages] == list(range(251, 301))


def test_a_message_is_edited_by_its_sender(chat, ten):
    last = storage.history(ten, chat.alice).messages[-1]
    edited = storage.edit_message(ten, chat.alice, last.id, {"text": "new"}, {"why": "typo"})
    assert storage.find_message(ten, chat.bob, last.id) == edited
    assert (edited.seq, edited.content, edited.metadata) == (10, {"text": "new"}, {"why": "typo"})
    assert edited.edited_at > edited.created_at
    assert storage.edit_message(ten, chat.alice, last.id, {}).metadata == {"why": "typo"}


def test_each_change_has_a_later_moment_though_a_workers_clock_is_late(chat, ten, monkeypatch):
    """Whoever hears of two changes in the wrong order keeps the later one."""
    last = storage.history(ten, chat.alice).messages[-1]
    early = last.created_at - datetime.timedelta(seconds=9)
    monkeypatch.setattr("phoenix_sessions.contrib.chat.storage.changing.now", lambda: early)
    edited = [storage.edit_message(ten, chat.alice, last.id, {"text": text}).edited_at for text in "ab"]
    deleted = storage.delete_message(ten, chat.alice, last.id)
    assert last.created_at < edited[0] < edited[1] < deleted.deleted_at
    assert storage.find_message(ten, chat.bob, last.id) == deleted


def test_metadata_that_would_be_too_large_today_does_not_stand_in_the_way_of_an_edit(chat, dm, settings):
    (stored,) = storage.append_batch([Draft(dm, chat.alice, {}, metadata={"x": "y" * 100})])
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat.alias, "MAX_METADATA_BYTES": 50}
    assert storage.edit_message(dm, chat.alice, stored.message.id, {"a": 1}).metadata == stored.message.metadata
    assert storage.find_message(dm, chat.bob, stored.message.id).metadata == stored.message.metadata


def test_a_message_is_deleted_with_what_it_says(chat, ten):
    first = storage.history(ten, chat.alice).messages[0]
    deleted = storage.delete_message(ten, chat.alice, first.id)
    assert storage.history(ten, chat.bob).messages[0] == deleted == storage.delete_message(ten, chat.alice, first.id)
    assert (deleted.seq, deleted.content, deleted.metadata) == (1, {}, {})
    assert code(storage.edit_message, ten, chat.alice, first.id, {}) == "conflict"


def test_who_may_not_edit_and_delete(chat, ten, group):
    id = storage.history(ten, chat.alice).messages[0].id
    assert code(storage.edit_message, ten, chat.bob, id, {}) == "forbidden"
    assert code(storage.delete_message, ten, chat.bob, id) == "forbidden"
    assert code(storage.edit_message, group, chat.alice, id, {}) == "not_found"
    assert code(storage.edit_message, ten, chat.alice, id, {"x": "y" * 70_000}) == "too_large"
    storage.set_participant_status(chat.alice, "disabled")
    assert code(storage.edit_message, ten, chat.alice, id, {}) == "disabled"
    assert code(storage.delete_message, ten, chat.alice, id) == "disabled"


def test_an_owner_deletes_what_others_said_in_the_group_also_when_it_is_closed(chat, group):
    (stored,) = storage.append_batch([Draft(group, chat.bob, {"text": "rude"})])
    storage.close_conversation(group, chat.alice)
    assert code(storage.edit_message, group, chat.bob, stored.message.id, {}) == "closed"
    assert code(storage.delete_message, group, chat.carol, stored.message.id) == "forbidden"
    assert storage.delete_message(group, chat.alice, stored.message.id).content == {}


def test_a_mark_never_goes_back(chat, ten):
    assert storage.mark_read(ten, chat.bob, 4).moved
    back = storage.mark_read(ten, chat.bob, 2)
    assert (back.last_read_seq, back.moved) == (4, False)
    last = storage.mark_read(ten, chat.bob)
    assert (last.last_read_seq, last.moved) == (10, True)
    assert not storage.mark_read(ten, chat.bob).moved


@pytest.mark.parametrize("seq", [0, -1, 11, "1", True])
def test_a_mark_is_set_at_a_message_that_is_there(chat, ten, seq):
    assert code(storage.mark_read, ten, chat.bob, seq) == "not_found"


def test_nothing_is_read_of_an_empty_conversation(chat, dm):
    assert storage.mark_read(dm, chat.alice).last_read_seq == 0


def test_unread_is_what_others_sent_after_the_mark_also_in_the_same_second(chat, ten):
    storage.append_batch([Draft(ten, chat.bob, {}), Draft(ten, chat.alice, {}), Draft(ten, chat.bob, {})])
    assert [item.unread for item in storage.inbox(chat.bob).items] == [11]
    assert [item.unread for item in storage.inbox(chat.alice).items] == [2]
    storage.mark_read(ten, chat.bob, 9)
    storage.mark_read(ten, chat.alice, 11)
    assert [item.unread for item in storage.inbox(chat.bob).items] == [2]
    assert [item.unread for item in storage.inbox(chat.alice).items] == [1]


def test_unread_has_no_limit(chat, dm):
    storage.append_batch([Draft(dm, chat.alice, {}) for _ in range(2500)])
    assert storage.inbox(chat.bob).items[0].unread == 2500
    assert storage.inbox(chat.alice).items[0].unread == 0


def test_an_inbox_has_the_last_activity_first_with_the_last_message(chat, ten, group):
    empty = storage.create_conversation(chat.bob, [chat.robot]).conversation.id
    storage.append_batch([Draft(group, chat.carol, {"text": "é" * 300})])
    items = storage.inbox(chat.bob).items
    assert [item.conversation.id for item in items] == [group, empty, ten]
    assert (items[0].last_message.text, items[0].last_message.sender) == ("é" * 200, chat.carol)
    assert (items[1].last_message, items[1].unread) == (None, 0)
    assert [each.participant for each in items[2].conversation.members] == [chat.alice, chat.bob]
    assert items[0].conversation.members == ()


@pytest.mark.parametrize("content", [{}, {"text": 5}, {"text": True}, {"text": None}, {"text": {"a": 1}}])
def test_a_preview_of_any_content(chat, dm, content):
    (stored,) = storage.append_batch([Draft(dm, chat.alice, content)])
    preview = storage.inbox(chat.bob).items[0].last_message
    assert (preview.seq, preview.text) == (1, "")
    storage.delete_message(dm, chat.alice, stored.message.id)
    preview = storage.inbox(chat.bob).items[0].last_message
    assert (preview.deleted, preview.text) == (True, "")


def test_an_inbox_is_paged(chat):
    made = [storage.create_conversation(chat.alice, [chat.bob]).conversation.id for _ in range(7)]
    storage.append_batch([Draft(made[3], chat.bob, {}), Draft(made[0], chat.bob, {})])
    found, cursor = [], None
    while True:
        page = storage.inbox(chat.alice, cursor=cursor, limit=3)
        found += [item.conversation.id for item in page.items]
        if (cursor := page.cursor) is None:
            break
    assert found == [made[3], made[0], made[6], made[5], made[4], made[2], made[1]] or found == [
        made[0],
        made[3],
        made[6],
        made[5],
        made[4],
        made[2],
        made[1],
    ]
    assert [each.id for each in storage.list_conversations(chat.alice)[0]] == found


@pytest.mark.parametrize(
    "cursor", ["", "x", "2026-01-01T00:00:00/x", "2026-01-01T00:00:00+00:00/", "2026-01-01T00:00:00+00:00/\ud800", 7]
)
def test_a_cursor_is_that_of_a_page(chat, cursor):
    assert code(storage.inbox, chat.alice, cursor=cursor) == "invalid"


def test_what_is_archived_is_in_no_inbox_unless_it_is_asked_for(chat, dm, group):
    storage.archive_conversation(dm, chat.alice)
    assert [item.conversation.id for item in storage.inbox(chat.alice).items] == [group]
    assert len(storage.inbox(chat.alice, archived=True).items) == 2


def test_an_inbox_page_is_two_statements(chat, ten, group):
    with CaptureQueriesContext(connections[chat.alias]) as queries:
        storage.inbox(chat.bob)
    assert len(queries) == 2


def test_nobodys_inbox_is_empty(chat):
    assert storage.inbox("user:nobody").items == ()
