"""What is too old goes, and what stays is as it was."""

import datetime
import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from racing import race

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.endpoints import Delivery
from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.kinds import DeliveryStatus
from phoenix_sessions.contrib.chat.models import MessageRow
from phoenix_sessions.contrib.chat.storage import appending, retention
from phoenix_sessions.contrib.chat.storage.connection import now
from phoenix_sessions.contrib.chat.types import Draft

LONG_AGO = now() - datetime.timedelta(days=40)


def id_at(moment, number):
    return retention._id_of(moment)[:10] + f"{number:016}"


def send(monkeypatch, conversation, sender, numbers, at=None):
    """Send messages as if it were another day."""
    with monkeypatch.context() as patch:
        if at is not None:
            patch.setattr(appending, "now", lambda: at)
        drafts = [
            Draft(conversation, sender, {"text": str(number)}, client_id=str(number), id=id_at(at or now(), number))
            for number in numbers
        ]
        return [stored.message for stored in storage.append_batch(drafts)]


def run(*args):
    out = io.StringIO()
    call_command("chat_retention", "--days", "30", *args, stdout=out)
    return out.getvalue().splitlines()


def seqs(page):
    return [message.seq for message in page.messages]


def test_history_begins_later_and_says_that_nothing_is_before(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, range(5), LONG_AGO)
    kept = send(monkeypatch, dm, chat.bob, range(5, 8))
    assert run("--only", "messages") == ["Removed 5 messages, and the content of 0 more that were the last."]
    page = storage.history(dm, chat.alice)
    assert (page.messages, page.last_seq) == (tuple(kept), 8)
    assert (page.more_before, page.more_after) == (False, False)


def test_a_reader_of_what_is_gone_is_told_that_there_is_no_more(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, range(5), LONG_AGO)
    send(monkeypatch, dm, chat.bob, range(5, 8))
    run()
    older = storage.history(dm, chat.alice, before_seq=6)
    assert (older.messages, older.more_before, older.more_after) == ((), False, True)
    assert seqs(storage.history(dm, chat.alice, after_seq=2)) == [6, 7, 8]
    assert storage.history(dm, chat.alice, after_seq=2, limit=1).more_before is False
    assert storage.history(dm, chat.alice, after_seq=6).more_before is True


def test_the_next_message_has_the_next_place(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, range(5), LONG_AGO)
    run()
    assert send(monkeypatch, dm, chat.bob, [5])[0].seq == 6


def test_the_last_message_keeps_its_place_and_says_nothing(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, range(3), LONG_AGO)
    assert run("--only", "messages") == ["Removed 2 messages, and the content of 1 more that were the last."]
    [last] = storage.history(dm, chat.bob).messages
    assert (last.seq, last.content, last.deleted_at is not None) == (3, {}, True)
    [item] = storage.inbox(chat.bob).items
    assert (item.last_message.deleted, item.last_message.text, item.unread) == (True, "", 1)
    assert run("--only", "messages") == ["Removed 0 messages, and the content of 0 more that were the last."]


def test_what_is_gone_counts_as_read_and_nobody_has_own_messages_unread(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, range(4), LONG_AGO)
    send(monkeypatch, dm, chat.alice, range(4, 6))
    run()
    [mine], [theirs] = storage.inbox(chat.alice).items, storage.inbox(chat.bob).items
    assert (mine.unread, theirs.unread) == (0, 2)
    assert theirs.last_read_seq == 4
    assert storage.delivered_seq(dm, chat.bob) == 4


def test_a_mark_that_is_further_stays(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, range(4), LONG_AGO)
    send(monkeypatch, dm, chat.alice, range(4, 6))
    storage.mark_read(dm, chat.bob)
    run()
    assert storage.inbox(chat.bob).items[0].last_read_seq == 6


def test_many_batches_do_what_one_does(chat, dm, group, monkeypatch):
    for number in range(7):
        send(monkeypatch, dm, chat.alice, [number], LONG_AGO)
        send(monkeypatch, group, chat.carol, [100 + number], LONG_AGO)
    send(monkeypatch, group, chat.bob, [200])
    expected = ["messages, and the content of 1 more that were the last.", "logged deliveries."]
    assert run("--batch", "3", "--dry-run") == [f"Would remove 13 {expected[0]}", f"Would remove 0 {expected[1]}"]
    assert run("--batch", "3") == [f"Removed 13 {expected[0]}", f"Removed 0 {expected[1]}"]
    assert seqs(storage.history(dm, None)) == [7]
    assert seqs(storage.history(group, None)) == [8]


def test_it_goes_on_where_it_was_stopped(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, range(7), LONG_AGO)
    before = now() - datetime.timedelta(days=30)
    retention.remove_messages(before, limit=3)
    assert run("--only", "messages") == ["Removed 3 messages, and the content of 1 more that were the last."]
    assert seqs(storage.history(dm, chat.bob)) == [7]


def test_two_at_once_while_messages_are_sent_keep_the_order_and_what_is_unread(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, range(60), LONG_AGO)
    removing = [lambda: remove_all(chat.alias)] * 2
    assert race(*removing, lambda: send_more(chat, dm, range(60, 90))) == [None] * 3
    page = storage.history(dm, chat.bob, limit=200)
    assert seqs(page)[0] in (60, 61)
    assert seqs(page) == list(range(seqs(page)[0], 91))
    [mine], [theirs] = storage.inbox(chat.alice).items, storage.inbox(chat.bob).items
    assert (mine.unread, theirs.unread) == (0, len(page.messages))
    assert theirs.last_message.seq == page.last_seq == 90


def remove_all(alias):
    before, cursor = now() - datetime.timedelta(days=30), ""
    while cursor is not None:
        cursor = patiently(lambda cursor=cursor: retention.remove_messages(before, cursor=cursor, limit=7)).cursor
    connections[alias].close()


def send_more(chat, conversation, numbers):
    for number in numbers:
        draft = Draft(conversation, chat.alice, {}, client_id=str(number))
        patiently(lambda draft=draft: storage.append_batch([draft]))
    connections[chat.alias].close()


def patiently(verb):
    """Do something again while SQLite's file is taken."""
    while True:
        try:
            return verb()
        except ChatError as error:
            if error.code != "unavailable":
                raise


def test_a_dry_run_removes_nothing(chat, dm, monkeypatch):
    sent = send(monkeypatch, dm, chat.alice, range(3), LONG_AGO)
    assert run("--dry-run")[0] == "Would remove 2 messages, and the content of 1 more that were the last."
    assert storage.history(dm, chat.alice).messages == tuple(sent)


def test_a_message_whose_id_is_not_of_its_time_goes_with_its_neighbours(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, [0], LONG_AGO)
    MessageRow.objects.using(chat.alias).filter(conversation=dm).update(id="Z" * 26)
    send(monkeypatch, dm, chat.alice, [1], LONG_AGO)
    send(monkeypatch, dm, chat.alice, [2])
    run()
    assert seqs(storage.history(dm, chat.alice)) == [3]


def test_messages_without_their_conversation_go(chat, dm, monkeypatch):
    send(monkeypatch, dm, chat.alice, range(3), LONG_AGO)
    MessageRow.objects.using(chat.alias).update(conversation="0" * 26)
    assert run("--only", "messages")[0].startswith("Removed 3 messages")


def test_deliveries_go_in_batches_and_young_ones_stay(chat):
    talk = storage.create_conversation(chat.alice, [chat.robot]).conversation.id
    for attempt, at in enumerate([LONG_AGO] * 5 + [now()], 1):
        tried = Delivery(chat.robot, talk, "w" * 26, 1, attempt, DeliveryStatus.FAILED, created_at=at)
        storage.log_delivery(tried)
    assert run("--only", "deliveries", "--batch", "2", "--dry-run") == ["Would remove 5 logged deliveries."]
    assert run("--only", "deliveries", "--batch", "2") == ["Removed 5 logged deliveries."]
    assert [each.attempt for each in storage.list_deliveries(chat.robot).deliveries] == [6]


@pytest.mark.parametrize("days", ["0", "-1", "many", "99999999"])
def test_days_that_make_no_sense_are_refused(sqlite, days):
    with pytest.raises(CommandError):
        call_command("chat_retention", f"--days={days}")


def test_a_database_that_does_not_answer_is_said(sqlite, settings):
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": sqlite}
    with connections[sqlite].cursor() as cursor:
        cursor.execute("ALTER TABLE phoenix_chat_message RENAME TO gone")
    with pytest.raises(CommandError, match="0 were done, and then: the database does not answer"):
        run()
