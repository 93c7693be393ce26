"""What is hot in memory: right from the start, after gaps, holes and repeats, and with other workers about."""

import random
import threading
from concurrent.futures import wait

import pytest
from asgiref.sync import async_to_sync
from chat.workers import Engine, Silent, say, send, tell, tell_from, two_workers
from django.test import override_settings
from racing import race, until

from phoenix_sessions import Gap, SessionNotFound, conf, sessions
from phoenix_sessions.contrib.chat import live, processes, readers, storage
from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.events import (
    Changed,
    ChangedLarge,
    Deleted,
    Edited,
    Read,
    Removed,
    Sent,
    SentLarge,
    Typing,
)
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.intake import MANY
from phoenix_sessions.contrib.chat.types import Draft

LIMIT = 20


@pytest.fixture
def configure(monkeypatch):
    """Changes the defaults of the core's settings."""

    def configure(**values):
        monkeypatch.setattr(conf, "DEFAULTS", {**conf.DEFAULTS, **values})
        conf.get_config.cache_clear()
        sessions.reconfigure()

    yield configure
    conf.get_config.cache_clear()


@pytest.fixture
def there(own_sessions, clock):
    """Another worker."""
    with two_workers(own_sessions, clock, Engine({}, clock)) as worker:
        yield worker


@pytest.fixture
def silent_there(own_sessions, clock):
    """Another worker, of which nothing is heard."""
    with two_workers(own_sessions, clock, Silent({}, clock)) as worker:
        yield worker


def start(conversation):
    return async_to_sync(processes.aconversation)(conversation)


def start_inbox(participant):
    return async_to_sync(processes.ainbox)(participant)


def state(ref):
    """What it knows when it has taken all that has come."""
    ref.cast("used")
    return ref.state


def tail(ref):
    return list(state(ref)["tail"])


def assert_right(ref, alias_conversation):
    """It becomes what the database says."""
    truth = storage.read_newest(alias_conversation, None, readers.HOT)
    until(lambda: state(ref)["tail"] == truth.messages, LIMIT)
    until(lambda: state(ref)["conversation"] == truth.conversation, LIMIT)
    assert state(ref)["last_seq"] == truth.conversation.last_seq


# -- how it begins -----------------------------------------------------------------------------------------------------


def test_fleetlm_a_cold_tail_held_the_oldest_hundred(chat, group):
    sent = send(group, chat.alice, 130)
    assert tail(start(group)) == sent[-100:]


def test_an_append_that_starts_the_process_is_counted_once(chat, group):
    sent = send(group, chat.alice)
    ref = start(group)
    tell(group, Sent(sent[0]))
    assert tail(ref) == sent
    assert state(ref)["last_seq"] == 1


def test_what_is_told_while_it_begins_is_not_missed(chat, group, monkeypatch):
    read = processes._read_conversation

    def read_and_say(conversation):
        found = read(conversation)
        said.extend(say(conversation, chat.bob, 3))
        return found

    said = []
    monkeypatch.setattr(processes, "_read_conversation", read_and_say)
    assert_right(start(group), group)
    assert len(said) == 3


def test_there_is_one_process_whoever_starts_it_first(chat, group):
    refs = race(*[lambda: start(group)] * 6)
    assert {ref.id for ref in refs} == {f"chat-c-{group}"}
    sent = say(group, chat.alice, 3)
    assert tail(refs[0]) == sent
    assert processes.conversation(group) == refs[0]


@pytest.mark.parametrize("name", ["nothing", "no name at all", "", "x" * 300])
def test_what_is_no_conversation_has_no_process(chat, name):
    with pytest.raises(ChatError, match="unauthorized"):
        start(name)
    with pytest.raises(ChatError, match="unauthorized"):
        async_to_sync(processes.members_of)(name)
    assert sessions.list_sessions() == []


def test_it_ends_after_fifteen_minutes_in_which_nobody_uses_it(chat, group, clock):
    ref = start(group)
    clock.advance(800)
    start(group)
    clock.advance(800)
    assert ref.started()
    clock.advance(101)
    until(lambda: not ref.started(), LIMIT)
    assert tail(start(group)) == []


def test_one_that_has_ended_listens_no_more(chat, group):
    ref = start(group)
    assert len(sessions._streams()) == 1
    ref.terminate()
    until(lambda: len(sessions._streams()) == 0, LIMIT)


def test_however_fast_they_are_wanted_processes_start(chat, dm, group, configure):
    configure(RATE_LIMIT="1/h")
    sessions.start_session("other")
    assert [start(each).started() for each in (dm, group)] == [True, True]
    assert start_inbox(chat.alice).started()


def test_who_finds_no_room_for_its_inbox_is_told_to_come_again_and_loses_nothing(chat, dm, configure):
    configure(MAX_SESSIONS=1)
    sessions.start_session("other")
    with pytest.raises(ChatError) as caught:
        start_inbox(chat.bob)
    assert (caught.value.code, caught.value.reason) == ("backpressure", "full")
    assert caught.value.retry_after_ms > 0
    assert gateway.append(Draft(dm, chat.alice, {"text": "hello"})).message.seq == 1
    configure(MAX_SESSIONS=10)
    assert [item.unread for item in start_inbox(chat.bob).state["items"]] == [1]


def test_where_no_process_can_be_members_are_known_all_the_same(chat, group, configure):
    configure(MAX_SESSIONS=1)
    sessions.start_session("other")
    with pytest.raises(ChatError, match="backpressure"):
        start(group)
    assert async_to_sync(processes.members_of)(group) == (chat.alice, chat.bob, chat.carol)
    with pytest.raises(ChatError, match="unauthorized"):
        async_to_sync(processes.members_of)("nothing")


# -- how it follows ----------------------------------------------------------------------------------------------------


def test_it_follows_what_is_told(chat, group):
    ref = start(group)
    sent = say(group, chat.alice, 120)
    assert tail(ref) == sent[-100:]
    assert_right(ref, group)


def test_edits_and_tombstones_are_in_the_tail(chat, group):
    ref = start(group)
    one, two = say(group, chat.alice, 2)
    edited = storage.edit_message(group, chat.alice, one.id, {"text": "better"})
    deleted = storage.delete_message(group, chat.alice, two.id)
    tell(group, Edited(edited), Deleted(deleted))
    assert tail(ref) == [edited, deleted]


def test_an_edit_that_was_overtaken_changes_nothing(chat, group):
    ref = start(group)
    (message,) = say(group, chat.alice)
    first = storage.edit_message(group, chat.alice, message.id, {"text": "first"})
    second = storage.edit_message(group, chat.alice, message.id, {"text": "second"})
    tell(group, Edited(second), Edited(first))
    assert tail(ref) == [second]


def test_marks_are_kept_and_never_go_back(chat, group):
    ref = start(group)
    say(group, chat.alice, 5)
    tell(group, Read(group, chat.bob, 4), Read(group, chat.bob, 2))
    marks = {each.participant: each.last_read_seq for each in state(ref)["conversation"].members}
    assert marks == {chat.alice: 0, chat.bob: 4, chat.carol: 0}


def test_a_message_that_was_too_large_to_be_told_is_read(chat, group):
    ref = start(group)
    send(group, chat.alice)
    tell(group, SentLarge(group, 1))
    assert_right(ref, group)
    message = storage.edit_message(group, chat.alice, state(ref)["tail"][0].id, {"text": "large"})
    tell(group, ChangedLarge(group, message.id))
    assert_right(ref, group)


def test_who_was_removed_is_no_member_at_once(chat, group):
    ref = start(group)
    conversation = storage.remove_member(group, chat.alice, chat.bob)
    tell(group, Removed(group, chat.bob))
    assert async_to_sync(processes.members_of)(group) == (chat.alice, chat.carol)
    tell(group, Changed(conversation))
    assert_right(ref, group)


def test_a_read_from_before_does_not_bring_back_who_was_removed(chat, group, monkeypatch):
    ref = start(group)
    newest, entered, go_on = storage.read_newest, threading.Event(), threading.Event()

    def slowly(*args):
        found = newest(*args)
        entered.set()
        assert go_on.wait(LIMIT)
        return found

    seen = []
    monkeypatch.setattr(storage, "read_newest", slowly)
    ref.cast("read")
    assert entered.wait(LIMIT)
    monkeypatch.setattr(storage, "read_newest", newest)
    storage.remove_member(group, chat.alice, chat.bob)
    tell(group, Removed(group, chat.bob))
    with ref.subscribe("conversation", receiver=lambda _, value: seen.append(value)):
        go_on.set()
        assert_right(ref, group)
    assert chat.bob not in [member.participant for conversation in seen for member in conversation.members]


def test_changes_that_overtake_each_other_end_as_the_database_says(chat, group):
    ref = start(group)
    first = storage.rename_conversation(group, chat.alice, "first")
    second = storage.rename_conversation(group, chat.alice, "second")
    tell(group, Changed(second), Changed(first))
    assert_right(ref, group)


def test_what_is_not_stored_and_what_is_not_known_changes_nothing(chat, group):
    ref = start(group)
    before = state(ref)
    tell(group, Typing(group, chat.bob))
    live.conversation_stream(group).publish("of-tomorrow", {"type": "of-tomorrow"})
    live.conversation_stream(group).publish("message", 7)
    assert state(ref) == before


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_order_and_whatever_is_lost_it_becomes_right(chat_on_server, own_sessions, seed):
    chance = random.Random(seed)
    chat = chat_on_server
    group = storage.create_conversation(chat.alice, [chat.bob, chat.carol], title="three").conversation.id
    send(group, chat.alice, chance.randrange(3))
    ref = start(group)
    events = []
    for _ in range(40):
        match chance.randrange(6):
            case 0 if messages := storage.history(group, None).messages:
                message = chance.choice(messages)
                if message.deleted_at is None:
                    events.append(
                        Edited(storage.edit_message(group, chat.alice, message.id, {"text": str(chance.random())}))
                    )
            case 1 if messages := storage.history(group, None).messages:
                events.append(Deleted(storage.delete_message(group, None, chance.choice(messages).id)))
            case 2:
                mark = storage.mark_read(group, chat.bob)
                events.append(Read(group, chat.bob, mark.last_read_seq))
            case _:
                events += map(Sent, send(group, chat.alice, chance.randrange(1, 4)))
        chance.shuffle(events)
        for _ in range(chance.randrange(4)):
            if events:
                live.tell(group, events.pop())
                if chance.random() < 0.2:
                    events += events[:1]  # twice
    chance.shuffle(events)
    lost = events[: len(events) // 3]
    tell(group, *events[len(lost) :])
    own_sessions._streams()._taps[f"chat.c.{group}"].put(Gap("missed", live=True))
    assert_right(ref, group)


# -- other workers -----------------------------------------------------------------------------------------------------


def test_what_another_worker_tells_is_followed(chat, group, there):
    ref = start(group)
    sent = send(group, chat.bob, 2)
    tell_from(there, group, *map(Sent, sent))
    assert_right(ref, group)


def test_a_hole_is_read_and_what_came_too_early_waits(chat, group, there):
    ref = start(group)
    sent = send(group, chat.bob, 6)
    tell_from(there, group, *map(Sent, sent[3:]))  # the first three are lost
    assert_right(ref, group)


def test_a_worker_that_was_interrupted_reads_what_it_missed(chat, group, there):
    ref = start(group)
    hub = sessions._streams()._engine.hub
    hub.lost()
    send(group, chat.bob, 3)
    hub.watching(f"stream:chat.c.{group}")
    assert_right(ref, group)


def test_while_it_is_interrupted_it_looks_every_second(chat, group, there, clock):
    ref = start(group)
    sessions._streams()._engine.hub.lost()
    until(lambda: not state(ref)["tail"], LIMIT)
    for count in (3, 6):
        send(group, chat.bob, 3)
        until(lambda count=count: second_passes(clock, group) or state(ref)["last_seq"] == count, LIMIT)
    assert_right(ref, group)


def second_passes(clock, group):
    """Let a second pass, and what that begins come to its end."""
    clock.advance(1)
    wait([readers.reader_of(group).fresh()], LIMIT)


def test_where_nothing_is_heard_of_other_workers_it_looks_every_second(chat, group, silent_there, clock):
    ref = start(group)
    sent = send(group, chat.bob, 3)
    tell_from(silent_there, group, *map(Sent, sent))
    assert tail(ref) == []
    clock.advance(1)
    assert_right(ref, group)
    storage.edit_message(group, chat.bob, sent[0].id, {"text": "other"})
    clock.advance(1)
    assert_right(ref, group)


def test_looking_does_not_keep_it_for_ever(chat_on_server, silent_there, clock):
    group = storage.create_conversation(chat_on_server.alice, [chat_on_server.bob]).conversation.id
    ref = start(group)

    def ended():
        for _ in range(50):  # more than the looks need, as a busy machine may be late with some
            clock.advance(1)
        return not ref.started()

    until(ended, LIMIT)


def test_while_the_database_does_not_answer_it_stays_as_it_was_and_catches_up(chat, group, clock, monkeypatch):
    ref = start(group)
    (message,) = say(group, chat.alice)
    newest = storage.read_newest
    asked = []

    def away(*args):
        asked.append(args)
        raise ChatError("unavailable", "as asked")

    monkeypatch.setattr(storage, "read_newest", away)
    send(group, chat.alice)
    tell(group, SentLarge(group, 2))
    until(lambda: asked, LIMIT)
    assert tail(ref) == [message]
    monkeypatch.setattr(storage, "read_newest", newest)
    until(lambda: second_passes(clock, group) or state(ref)["last_seq"] == 2, LIMIT)
    assert_right(ref, group)


# -- inboxes -----------------------------------------------------------------------------------------------------------


def inbox_right(ref, participant):
    truth = storage.inbox(participant).items
    until(lambda: state(ref)["items"] == truth, LIMIT)


def test_messages_wait_until_somebody_asks_or_many_have_come(chat, group):
    ref = start(group)
    sent = say(group, chat.alice, MANY - 1)
    assert ref.state["last_seq"] == 0
    sent += say(group, chat.alice)
    assert ref.state["last_seq"] == MANY
    sent += say(group, chat.alice)
    assert (ref.state["last_seq"], tail(ref)) == (MANY, sent)


def test_what_waits_is_taken_before_what_has_to_be_known_at_once(chat, group):
    ref = start(group)
    (message,) = say(group, chat.alice)
    edited = storage.edit_message(group, chat.alice, message.id, {"text": "better"})
    tell(group, Edited(edited))
    assert ref.state["tail"] == (edited,)


def test_an_inbox_begins_with_what_there_is(chat, dm, group):
    send(dm, chat.bob)
    inbox_right(start_inbox(chat.alice), chat.alice)
    with pytest.raises(SessionNotFound):
        sessions.ref(f"chat-i-{live.inbox_key(chat.bob)}").get_state()


def test_an_inbox_follows_what_changes(chat, dm, group):
    ref = start_inbox(chat.alice)
    send(dm, chat.bob, 3)
    live.tell_inboxes(dm, [chat.alice])
    inbox_right(ref, chat.alice)
    assert [item.unread for item in state(ref)["items"]] == [3, 0]
    storage.mark_read(dm, chat.alice)
    live.tell_inboxes(dm, [chat.alice])
    inbox_right(ref, chat.alice)


def test_a_conversation_that_one_is_no_more_in_leaves_the_inbox(chat, dm, group):
    ref = start_inbox(chat.bob)
    storage.remove_member(group, chat.alice, chat.bob)
    live.tell_inboxes(group, [chat.bob])
    inbox_right(ref, chat.bob)
    assert len(state(ref)["items"]) == 1


def test_an_inbox_has_the_fifty_newest_and_fills_up_when_one_goes(chat_on_server):
    chat = chat_on_server
    groups = [storage.create_conversation(chat.alice, [chat.bob, chat.carol]).conversation.id for _ in range(53)]
    ref = start_inbox(chat.bob)
    assert [item.conversation.id for item in state(ref)["items"]] == groups[:2:-1]
    storage.remove_member(groups[-1], chat.alice, chat.bob)
    live.tell_inboxes(groups[-1], [chat.bob])
    inbox_right(ref, chat.bob)
    send(groups[0], chat.alice)
    live.tell_inboxes(groups[0], [chat.bob])
    inbox_right(ref, chat.bob)
    assert len(state(ref)["items"]) == 50


@pytest.mark.parametrize("payload", [{"conversations": None}, {"conversations": "x"}, None, 7])
def test_what_names_no_conversations_has_all_read(chat, dm, group, payload):
    ref = start_inbox(chat.alice)
    send(dm, chat.bob)
    send(group, chat.bob)
    live.inbox_stream(chat.alice).publish("changed", payload)
    inbox_right(ref, chat.alice)


def test_an_inbox_of_which_nothing_is_heard_looks_every_second(chat, dm, silent_there, clock):
    ref = start_inbox(chat.alice)
    send(dm, chat.bob)
    clock.advance(1)
    inbox_right(ref, chat.alice)


def test_an_inbox_is_told_by_other_workers(chat, dm, there):
    ref = start_inbox(chat.alice)
    send(dm, chat.bob)
    there.stream(f"chat.i.{live.inbox_key(chat.alice)}").publish("changed", {"conversations": [dm]})
    inbox_right(ref, chat.alice)


def test_an_inbox_reads_all_after_a_gap(chat, dm, group, there):
    ref = start_inbox(chat.alice)
    hub = sessions._streams()._engine.hub
    hub.lost()
    send(dm, chat.bob)
    hub.watching(f"stream:chat.i.{live.inbox_key(chat.alice)}")
    inbox_right(ref, chat.alice)


def test_who_can_be_nobody_has_no_inbox(chat):
    with pytest.raises(ChatError, match="invalid"):
        start_inbox("nobody at all")


@override_settings()
def test_a_page_that_is_small_by_the_settings_makes_a_small_inbox(chat, dm, group, settings):
    settings.PHOENIX_SESSIONS_CHAT = {
        **settings.PHOENIX_SESSIONS_CHAT,
        "PAGE_SIZE": 1,
        "MAX_PAGE_SIZE": 1,
        "JOIN_PAGE": 1,
    }
    assert len(start_inbox(chat.alice).state["items"]) == 1
