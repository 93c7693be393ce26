"""Appends: one order, exactly once, only by members."""

import datetime
import threading

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.ids import shard_of
from phoenix_sessions.contrib.chat.storage.appending import Busy, append_prepared
from phoenix_sessions.contrib.chat.storage.checks import prepare
from phoenix_sessions.contrib.chat.types import Draft


def drafts(conversation, sender, *client_ids):
    return [Draft(conversation, sender, {"text": str(id)}, client_id=id) for id in client_ids]


def codes(outcomes):
    return [outcome.code if isinstance(outcome, ChatError) else outcome.message.seq for outcome in outcomes]


def test_messages_get_the_places_from_1_on(chat, dm):
    first = storage.append_batch(drafts(dm, chat.alice, "a", "b"))
    then = storage.append_batch(drafts(dm, chat.bob, "a"))
    assert codes(first + then) == [1, 2, 3]


def test_what_is_stored_is_what_was_answered(chat, dm):
    content = {"text": "ä😀\"'%s\\", "deep": [1, 2.5, None, True, {"x": 10**30}], "empty": {}}
    (stored,) = storage.append_batch([Draft(dm, chat.alice, content, metadata={"k": "v"})])
    assert storage.history(dm, chat.bob).messages == (stored.message,)
    assert stored.message.content == content


NUMBERS = [1e308, -1e-300, 1e23, 1.0, -0.0, 10**40, 0.1]


def test_numbers_stay_as_they_were_sent(chat, dm):
    """PostgreSQL's jsonb would give each of the first two back with 300 digits."""
    given = {"numbers": NUMBERS, "b": 1, "a": 2}
    (stored,) = storage.append_batch([Draft(dm, chat.alice, given, metadata=given)])
    edited = storage.edit_message(dm, chat.alice, stored.message.id, given, given)
    [found] = storage.history(dm, chat.bob).messages
    assert [repr(each.content) for each in (stored.message, edited, found)] == [repr(given)] * 3
    assert repr(found.metadata) == repr(given)


def test_the_numbers_of_other_metadata_stay_too(chat):
    given = {"numbers": NUMBERS}
    storage.update_participant(chat.alice, metadata=given)
    id = storage.create_conversation(chat.alice, [chat.bob], metadata=given).conversation.id
    found = [
        storage.show_participant(chat.alice).metadata,
        storage.show_conversation(id, None).metadata,
        storage.inbox(chat.bob).items[0].conversation.metadata,
    ]
    assert list(map(repr, found)) == [repr(given)] * 3


def test_moments_have_microseconds_and_a_zone_and_never_go_back(chat, dm, monkeypatch):
    later = datetime.datetime(2100, 1, 2, 3, 4, 5, 678901, datetime.UTC)
    monkeypatch.setattr("phoenix_sessions.contrib.chat.storage.appending.now", lambda: later)
    storage.append_batch(drafts(dm, chat.alice, "a"))
    monkeypatch.undo()
    storage.append_batch(drafts(dm, chat.alice, "b"))
    assert [each.created_at for each in storage.history(dm, chat.alice).messages] == [later, later]
    assert storage.show_conversation(dm, chat.alice).last_message_at == later


def test_a_repeat_returns_the_first_message_also_within_one_batch(chat, dm):
    (first,) = storage.append_batch(drafts(dm, chat.alice, "a"))
    again, new, twice = storage.append_batch(
        [*drafts(dm, chat.alice, "a", "b"), Draft(dm, chat.alice, {}, client_id="b")]
    )
    assert (again.repeat, again.message) == (True, first.message)
    assert (new.repeat, twice.repeat, twice.message) == (False, True, new.message)
    assert storage.history(dm, chat.alice).last_seq == 2


def test_a_client_id_is_its_senders_and_its_conversations_own(chat, dm, group):
    outcomes = storage.append_batch(
        [*drafts(dm, chat.alice, "a"), *drafts(dm, chat.bob, "a"), *drafts(group, chat.alice, "a")]
    )
    assert codes(outcomes) == [1, 2, 1]


def test_without_a_client_id_the_same_draft_is_stored_once_and_another_one_too(chat, dm):
    draft = Draft(dm, chat.alice, {})
    storage.append_batch([draft])
    (again,) = storage.append_batch([draft])
    (other,) = storage.append_batch([Draft(dm, chat.alice, {})])
    assert (again.repeat, again.message.seq, again.message.client_id) == (True, 1, None)
    assert other.message.seq == 2


def test_an_id_of_somebody_elses_message_tells_nothing(chat, dm, group):
    (stored,) = storage.append_batch([Draft(group, chat.alice, {"text": "private"})])
    forged = Draft(dm, "user:mallory", {}, id=stored.message.id)
    assert codes(storage.append_batch([forged])) == ["unauthorized"]


def test_each_draft_is_refused_alone(chat, dm, group):
    storage.set_participant_status(chat.carol, "disabled")
    closed = storage.create_conversation(chat.alice, [chat.carol]).conversation.id
    storage.close_conversation(closed, chat.alice)
    outcomes = storage.append_batch(
        [
            *drafts(dm, chat.alice, "1"),
            *drafts(dm, chat.carol, "2"),
            *drafts("01JDC3M4ZK8Q2W7X9Y5T6V1B0N", chat.alice, "3"),
            *drafts(closed, chat.alice, "4"),
            *drafts(group, chat.carol, "5"),
            Draft(dm, chat.alice, {"text": "x" * 70_000}),
            Draft(dm, chat.alice, {"text": "\0"}),
            Draft(dm, chat.alice, "no object"),
            Draft(dm, chat.alice, {}, client_id="x" * 129),
            *drafts(dm, chat.alice, "6"),
        ]
    )
    wanted = [1, "unauthorized", "unauthorized", "closed", "disabled", "too_large", "invalid", "invalid", "invalid", 2]
    assert codes(outcomes) == wanted


def nested(levels, innermost):
    """An object that is so many levels deep."""
    value = innermost
    for _ in range(levels - 1):
        value = [value]
    return {"deep": value}


@pytest.mark.parametrize("innermost", [1, "\0"])
@pytest.mark.parametrize("levels", [101, 1200, 5000])
def test_what_is_too_deep_is_invalid(chat, dm, levels, innermost):
    """SQLite takes apart 2000 levels, and Python some hundreds."""
    assert codes(storage.append_batch([Draft(dm, chat.alice, nested(levels, innermost))])) == ["invalid"]


def test_what_is_deep_and_wide_enough_is_stored(chat, dm):
    content = {**nested(100, 1), "wide": [{}] * 1000}
    (stored,) = storage.append_batch([Draft(dm, chat.alice, content)])
    assert storage.history(dm, chat.bob).messages[0].content == stored.message.content == content


@pytest.mark.parametrize("content", [{"a\0": 1}, {"a": ["\0"]}, {"a": [{"b": {"\0": []}}]}])
def test_no_text_and_no_key_has_a_character_that_postgresql_does_not_take(chat, dm, content):
    assert codes(storage.append_batch([Draft(dm, chat.alice, content)])) == ["invalid"]


def test_a_text_that_only_looks_like_that_is_stored(chat, dm):
    (stored,) = storage.append_batch([Draft(dm, chat.alice, {"text": "\\u0000"})])
    assert storage.history(dm, chat.bob).messages == (stored.message,)


@pytest.mark.parametrize("wrong", [{"conversation": "\0"}, {"sender": "\0"}, {"sender": "ä"}, {"conversation": None}])
def test_what_cannot_be_an_id_is_nobodys(chat, dm, wrong):
    given = {"conversation": dm, "sender": chat.alice, "content": {}, **wrong}
    assert codes(storage.append_batch([Draft(**given)])) == ["unauthorized"]


def test_nobody_learns_whether_there_is_a_conversation(chat, dm):
    there, nowhere = storage.append_batch([*drafts(dm, chat.carol, "a"), *drafts("0" * 26, chat.carol, "a")])
    assert (there.code, str(there), there.fields) == (nowhere.code, str(nowhere), nowhere.fields)


def test_a_repeat_is_answered_after_the_conversation_was_closed(chat, dm):
    storage.append_batch(drafts(dm, chat.alice, "a"))
    storage.close_conversation(dm, chat.alice)
    (again,) = storage.append_batch(drafts(dm, chat.alice, "a"))
    assert again.repeat


def test_the_shard_is_stored(chat, dm):
    storage.append_batch(drafts(dm, chat.alice, "a"))
    with connections[chat.alias].cursor() as cursor:
        cursor.execute("SELECT m.shard_key, c.shard_key FROM phoenix_chat_message m, phoenix_chat_conversation c")
        assert cursor.fetchall() == [(shard_of(dm), shard_of(dm))]


def test_nothing_is_appended_by_no_drafts(chat):
    assert storage.append_batch([]) == []


def test_racing_retries_are_stored_once(chat, dm, group):
    """Eight threads send the same hundred messages, to two conversations in different orders."""
    outcomes = []

    def send(turn):
        ids = [str(number) for number in range(100)]
        for place in range(0, 100, 10):
            both = [drafts(each, chat.alice, *ids[place : place + 10]) for each in (dm, group)]
            first, then = both if turn % 2 else reversed(both)
            while True:
                try:
                    outcomes.append(storage.append_batch([*first, *then]))
                    break
                except ChatError as error:
                    assert error.code == "unavailable"  # noqa: PT017 - the others may come
        connections[chat.alias].close()

    threads = [threading.Thread(target=send, args=[turn]) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [outcome for batch in outcomes for outcome in batch]
    assert len(stored) == 1600
    assert sum(not outcome.repeat for outcome in stored) == 200
    for conversation in (dm, group):
        page = storage.history(conversation, chat.alice, limit=200)
        assert [each.seq for each in page.messages] == list(range(1, 101))
        assert [each.client_id for each in page.messages] == [str(number) for number in range(100)]


def test_an_append_leaves_nothing_behind_in_its_connection(chat_on_server):
    """So that PgBouncer may give the connection to somebody else after each transaction."""
    chat = chat_on_server
    dm = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    with connections[chat.alias].cursor() as cursor:
        cursor.execute("SET lock_timeout = '7s'")
        for _ in range(9):  # psycopg would prepare what is said five times, if it were let
            append_prepared([prepare(draft) for draft in drafts(dm, chat.alice, None)], patience=0.5)
        cursor.execute("SELECT current_setting('lock_timeout'), (SELECT count(*) FROM pg_prepared_statements)")
        assert cursor.fetchone() == ("7s", 0)
        cursor.execute("RESET lock_timeout")


def test_an_append_is_three_statements_and_one_more_for_repeats(chat_on_server):
    chat = chat_on_server
    dm = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    with CaptureQueriesContext(connections[chat.alias]) as first:
        storage.append_batch([*drafts(dm, chat.alice, "a"), Draft(dm, chat.bob, {})])
    with CaptureQueriesContext(connections[chat.alias]) as then:
        storage.append_batch(drafts(dm, chat.alice, "a", "b"))
    assert [len([each for each in said if "phoenix_chat_" in each["sql"]]) for said in (first, then)] == [3, 4]


def test_a_conversation_that_is_held_is_busy_and_the_others_go_on(chat_on_server):
    chat = chat_on_server
    held = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    free = storage.create_conversation(chat.alice, [chat.carol]).conversation.id
    other = connections.create_connection(chat.alias)
    try:
        other.set_autocommit(False)
        other.cursor().execute("SELECT 1 FROM phoenix_chat_conversation WHERE id = %s FOR UPDATE", [held])
        prepared = [prepare(each) for each in drafts(held, chat.alice, "a") + drafts(free, chat.alice, "b")]
        with pytest.raises(Busy):
            append_prepared(prepared, patience=0.01)
        busy, stored = append_prepared(prepared, skip_held=True)
        assert isinstance(busy, Busy)
        assert stored.message.seq == 1
    finally:
        other.close()
