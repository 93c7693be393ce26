"""Verbs in a transaction of the caller's: told after its commit, and not at all if it is rolled back."""

import threading

import pytest
from chat.refusing import code
from django.db import connections
from django.db.transaction import atomic, set_rollback
from racing import until

from phoenix_sessions import Gap
from phoenix_sessions.contrib.chat import live, storage
from phoenix_sessions.contrib.chat.events import Changed, Deleted, Edited, Read, Removed, Sent, event_of
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.types import Draft


@pytest.fixture
def heard(chat, group):
    """What is told of the group."""
    events = []

    def receiver(event):
        if not isinstance(event, Gap):
            events.append(event_of(event.payload))

    with live.conversation_stream(group).subscribe(receiver):
        yield events


@pytest.fixture
def hints(chat):
    """Of which conversations Bob's inbox is told."""
    told = []
    with live.inbox_stream(chat.bob).subscribe(
        lambda each: isinstance(each, Gap) or told.extend(each.payload["conversations"])
    ):
        yield told


def change_all(chat, group):
    """Call each verb that tells something, and return what it is to tell."""
    stored = gateway.append(Draft(group, chat.alice, {"text": "hello"}, client_id="a")).message
    edited = gateway.edit(group, chat.alice, stored.id, {"text": "better"})
    deleted = gateway.delete(group, chat.alice, stored.id)
    gateway.mark_read(group, chat.carol)
    renamed = gateway.rename(group, chat.alice, "other")
    removed = gateway.remove_member(group, chat.alice, chat.carol)
    added = gateway.add_member(group, chat.alice, chat.carol)
    closed = gateway.close(group, chat.alice)
    archived = gateway.archive(group, chat.alice)
    marked = [Read(group, chat.carol, 1), Changed(renamed), Removed(group, chat.carol), Changed(removed)]
    return [Sent(stored), Edited(edited), Deleted(deleted), *marked, *map(Changed, (added, closed, archived))]


def test_what_is_done_in_a_transaction_is_told_after_its_commit(chat, group, heard, hints):
    with atomic(using=chat.alias):
        to_tell = change_all(chat, group)
        made = gateway.create_conversation(chat.alice, [chat.bob]).conversation.id
        gateway._telling.drain(20)
        assert (heard, hints) == ([], [])
    assert heard == to_tell
    until(lambda: {group, made} <= set(hints), 20)


def test_what_is_rolled_back_is_not_told(chat, group, heard, hints):
    with atomic(using=chat.alias):
        change_all(chat, group)
        gateway.create_conversation(chat.alice, [chat.bob])
        set_rollback(True, using=chat.alias)
    gateway._telling.drain(20)
    assert (heard, hints) == ([], [])
    assert gateway.history(group, chat.alice).messages == ()


def test_what_was_rolled_back_may_be_sent_again(chat, group, heard):
    draft = Draft(group, chat.alice, {"text": "hello"}, client_id="a")
    with atomic(using=chat.alias):
        gateway.append(draft)
        set_rollback(True, using=chat.alias)
    stored = gateway.append(draft)
    assert (stored.repeat, stored.message.seq) == (False, 1)
    assert heard == [Sent(stored.message)]


def test_a_message_in_a_transaction_sees_what_that_has_done(chat, heard):
    with atomic(using=chat.alias):
        made = gateway.create_conversation(chat.alice, [chat.bob]).conversation.id
        assert gateway.append(Draft(made, chat.alice, {"text": "hello"})).message.seq == 1
        assert code(gateway.append, Draft(made, chat.carol, {})) == "unauthorized"
    assert gateway.append(Draft(made, chat.bob, {"text": "hi"})).message.seq == 2


def test_two_changes_in_a_transaction_do_not_wait_for_who_waits_for_it(chat_on_server):
    chat = chat_on_server
    group = storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id

    def rename():
        gateway.rename(group, chat.alice, "third")
        connections.close_all()

    other = threading.Thread(target=rename)
    with atomic(using=chat.alias):
        gateway.rename(group, chat.alice, "first")
        other.start()
        until(lambda: len(gateway._turns) == 1, 20)
        gateway.rename(group, chat.alice, "second")
    other.join(20)
    assert gateway.show_conversation(group, None).title == "third"
