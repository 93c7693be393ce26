"""The gateway: what is committed is told, once, to whom it concerns; and what it refuses."""

import asyncio
import threading
from concurrent.futures import Future

import pytest
from chat.refusing import code
from chat.workers import Engine, two_workers
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from racing import race, until

from phoenix_sessions import Gap
from phoenix_sessions.contrib.chat import live, storage
from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.events import (
    Changed,
    Chunk,
    Deleted,
    Edited,
    Read,
    Removed,
    Sent,
    SentLarge,
    Typing,
    event_of,
)
from phoenix_sessions.contrib.chat.gateway import LARGEST_CHUNK, Gateway, gateway
from phoenix_sessions.contrib.chat.kinds import ConversationStatus, DeliveryStatus, MessageKind, Role
from phoenix_sessions.contrib.chat.types import Draft

NOTHING = ()


def draft(conversation, sender, client_id=None, text="hello"):
    return Draft(conversation, sender, {"text": text}, client_id=client_id)


def refusal(verb, *args):
    with pytest.raises(ChatError) as caught:
        verb(*args)
    return caught.value


def unread(participant):
    return [item.unread for item in storage.inbox(participant).items]


@pytest.fixture
def listen():
    """Has somebody listen to a conversation; returns the list of what is told."""
    listeners = []

    def listen(conversation):
        events = []

        def receiver(event):
            if not isinstance(event, Gap):
                events.append(event_of(event.payload))

        listeners.append(live.conversation_stream(conversation).subscribe(receiver))
        return events

    yield listen
    for listener in listeners:
        listener.unsubscribe()


@pytest.fixture
def heard(listen, dm):
    """What is told of Alice's conversation with Bob."""
    return listen(dm)


@pytest.fixture
def hints(chat):
    """What Alice's, Bob's and Carol's inboxes are told: which conversations have changed."""
    told = {chat.alice: [], chat.bob: [], chat.carol: []}

    def receiver(mine):
        return lambda each: isinstance(each, Gap) or mine.extend(each.payload["conversations"])

    listeners = [live.inbox_stream(who).subscribe(receiver(mine)) for who, mine in told.items()]
    yield told
    for listener in listeners:
        listener.unsubscribe()


def hinted(hints, conversation):
    """Return whose inboxes were told of a conversation."""
    return {who for who, told in hints.items() if conversation in told}


@pytest.fixture
def called():
    """What ``on_sent`` is called with."""
    calls = []

    def hook(conversation, message):
        calls.append((conversation, message))

    gateway.on_sent.append(hook)
    yield calls
    gateway.on_sent.remove(hook)


@pytest.fixture
def fails():
    """A hook that fails."""

    def hook(conversation, message):
        raise OSError("a side effect")

    gateway.on_sent.insert(0, hook)
    yield
    gateway.on_sent.remove(hook)


@pytest.fixture
def dead_engine(own_sessions, monkeypatch):
    """Streams go through a Redis that is not there."""
    pytest.importorskip("redis")
    from phoenix_sessions.backends.redis import RedisBackend

    backend = RedisBackend({"url": "redis://127.0.0.1:1/0", "timeout": 0.1})
    monkeypatch.setattr(own_sessions, "_backend", backend)
    own_sessions.reconfigure()
    yield
    backend.close()


def configure(chat, settings, **changes):
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat.alias, **changes}


# -- sending ----------------------------------------------------------------------------------------------------------


def test_a_message_is_stored_and_told(chat, dm, heard):
    stored = gateway.append(draft(dm, chat.alice, "a"))
    assert storage.history(dm, chat.bob).messages == (stored.message,)
    assert heard == [Sent(stored.message)]


def test_a_message_is_stored_and_told_in_async_code(chat, dm, heard):
    stored = asyncio.run(gateway.aappend(draft(dm, chat.alice, "a")))
    assert storage.history(dm, chat.bob).messages == (stored.message,)
    assert heard == [Sent(stored.message)]


def test_a_repeat_is_given_the_first_and_tells_nothing(chat, dm, heard, called):
    first = gateway.append(draft(dm, chat.alice, "a"))
    again = asyncio.run(gateway.aappend(draft(dm, chat.alice, "a", "another")))
    assert (again.message, again.repeat) == (first.message, True)
    assert heard == [Sent(first.message)]
    assert called == [(dm, first.message)]


def test_retries_that_race_store_once_and_tell_once(chat, dm, heard, called):
    async def send():
        return await asyncio.gather(*(gateway.aappend(draft(dm, chat.alice, "a", str(n))) for n in range(20)))

    async_ones = asyncio.run(send())
    sync_ones = race(*[lambda: gateway.append(draft(dm, chat.alice, "a"))] * 8)
    [message] = storage.history(dm, chat.alice).messages
    assert all(each.message == message for each in [*async_ones, *sync_ones])
    assert [each.repeat for each in [*async_ones, *sync_ones]].count(False) == 1
    assert heard == [Sent(message)]
    assert called == [(dm, message)]


def test_a_retry_after_a_restart_returns_the_first_message(chat, dm):
    first = gateway.append(draft(dm, chat.alice, "a"))
    gateway.drain(20)
    gateway.begin_again()
    again = gateway.append(draft(dm, chat.alice, "a", "another"))
    assert (again.message, again.repeat) == (first.message, True)
    assert storage.history(dm, chat.alice).messages == (first.message,)


def test_what_a_worker_stored_and_did_not_tell_is_told_by_the_one_that_gets_the_retry(chat, dm, heard):
    [died] = storage.append_batch([draft(dm, chat.alice, "a")])
    again = gateway.append(draft(dm, chat.alice, "a"))
    assert again.repeat
    assert heard == [Sent(died.message)]


def test_many_appends_are_told_each_once_in_their_order(chat, dm, heard, settings):
    configure(chat, settings, SENDS_PER_SECOND=None)

    async def send():
        senders = [chat.alice, chat.bob] * 50
        return await asyncio.gather(*(gateway.aappend(draft(dm, sender)) for sender in senders))

    asyncio.run(send())
    assert [each.message.seq for each in heard] == list(range(1, 101))


def test_a_message_that_is_too_large_for_an_event_is_told_as_where_it_is(chat, dm, listen, settings, own_sessions):
    settings.DEBUG = True
    own_sessions.reconfigure()
    configure(chat, settings, MAX_CONTENT_BYTES=100_000)
    heard = listen(dm)
    gateway.append(draft(dm, chat.alice, text="x" * 70_000))
    assert heard == [SentLarge(dm, 1)]


def test_an_append_that_nobody_waits_for_any_more_is_told(chat, dm, heard, called):
    async def leave():
        sending = asyncio.create_task(gateway.aappend(draft(dm, chat.alice, "a")))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert sending.cancelled()

    asyncio.run(leave())
    until(lambda: called, 20)
    [message] = storage.history(dm, chat.alice).messages
    assert called == [(dm, message)]
    assert heard == [Sent(message)]


def test_a_sync_append_on_an_event_loop_is_refused(chat, dm):
    async def send():
        with pytest.raises(SynchronousOnlyOperation):
            gateway.append(draft(dm, chat.alice))

    asyncio.run(send())


# -- telling that fails -----------------------------------------------------------------------------------------------


def test_streams_that_do_not_answer_neither_fail_nor_double_an_append(chat, dm, dead_engine, called):
    stored = [gateway.append(draft(dm, chat.alice, str(number))).message for number in range(3)]
    stored += [asyncio.run(gateway.aappend(draft(dm, chat.alice, "async"))).message]
    assert storage.history(dm, chat.alice).messages == tuple(stored)
    assert [message for _, message in called] == stored


def test_a_listener_that_fails_neither_fails_nor_doubles_an_append(chat, dm, called):
    def listener(event):
        raise OSError("a side effect")

    with live.conversation_stream(dm).subscribe(listener):
        stored = gateway.append(draft(dm, chat.alice, "a"))
    assert storage.history(dm, chat.alice).messages == (stored.message,)
    assert called == [(dm, stored.message)]


def test_a_hook_that_fails_does_not_keep_others_from_being_told(chat, dm, heard, hints, fails, called):
    stored = gateway.append(draft(dm, chat.alice))
    assert heard == [Sent(stored.message)]
    assert called == [(dm, stored.message)]
    until(lambda: hints[chat.bob], 20)


# -- inboxes ----------------------------------------------------------------------------------------------------------


def test_both_inboxes_are_told_and_the_senders_own_unread_stays_0(chat, dm, hints):
    gateway.append(draft(dm, chat.alice))
    until(lambda: hinted(hints, dm) == {chat.alice, chat.bob}, 20)
    assert (unread(chat.alice), unread(chat.bob)) == ([0], [1])


def test_inboxes_of_a_conversation_that_is_not_there_keep_no_other_from_being_told(chat, dm, hints):
    for nobody in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "nowhere"):
        gateway._telling._inboxes.tell_members(nobody)
    gateway.append(draft(dm, chat.alice))
    until(lambda: hints[chat.bob], 20)


def test_reading_on_one_device_tells_the_others(chat, dm, heard, hints):
    gateway.append(draft(dm, chat.alice))
    until(lambda: hints[chat.bob], 20)
    hints[chat.bob].clear()
    mark = gateway.mark_read(dm, chat.bob)
    assert heard[1:] == [Read(dm, chat.bob, 1)]
    until(lambda: hints[chat.bob], 20)
    assert (mark.last_read_seq, unread(chat.bob)) == (1, [0])


def test_a_mark_that_does_not_move_tells_nothing(chat, dm, heard):
    gateway.append(draft(dm, chat.alice))
    gateway.append(draft(dm, chat.alice))
    gateway.mark_read(dm, chat.bob, 2)
    assert not gateway.mark_read(dm, chat.bob, 1).moved
    assert heard[2:] == [Read(dm, chat.bob, 2)]


def test_a_new_conversation_is_told_to_the_inboxes_once(chat, hints):
    created = gateway.create_conversation(chat.alice, [chat.bob], once=True)
    assert not gateway.create_conversation(chat.alice, [chat.bob], once=True).new
    until(lambda: hinted(hints, created.conversation.id) == {chat.alice, chat.bob}, 20)
    assert hints[chat.alice].count(created.conversation.id) == 1


# -- other changes ----------------------------------------------------------------------------------------------------


def both(verb, *args):
    """Call a verb, or its twin."""
    result = verb(*args)
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


@pytest.fixture(params=["sync", "async"])
def say(request):
    """Calls a verb of the gateway by its name, or its twin."""
    prefix = "a" if request.param == "async" else ""
    return lambda name, *args: both(getattr(gateway, prefix + name), *args)


def test_an_edit_is_told(chat, dm, heard, say):
    message = gateway.append(draft(dm, chat.alice)).message
    edited = say("edit", dm, chat.alice, message.id, {"text": "better"})
    assert storage.find_message(dm, chat.bob, message.id) == edited
    assert heard[1:] == [Edited(edited)]


def test_a_deletion_is_told_without_what_was_said(chat, dm, heard, say):
    message = gateway.append(draft(dm, chat.alice)).message
    deleted = say("delete", dm, chat.alice, message.id)
    assert (deleted.content, heard[1:]) == ({}, [Deleted(deleted)])


@pytest.mark.parametrize(
    ("verb", "args", "title", "status"),
    [
        ("rename", ["four"], "four", ConversationStatus.OPEN),
        ("close", [], "three", ConversationStatus.CLOSED),
        ("archive", [], "three", ConversationStatus.ARCHIVED),
    ],
)
def test_what_a_conversation_is_now_is_told_with_its_members(
    chat, group, listen, hints, say, verb, args, title, status
):
    heard = listen(group)
    conversation = say(verb, group, chat.alice, *args)
    assert (conversation.title, conversation.status) == (title, status)
    assert heard == [Changed(conversation)]
    until(lambda: hinted(hints, group) == {chat.alice, chat.bob, chat.carol}, 20)
    assert storage.show_conversation(group, chat.carol) == conversation


def test_who_is_added_is_told_to_all_and_to_itself(chat, listen, hints, say):
    group = storage.create_conversation(chat.alice, [chat.bob], group=True).conversation.id
    heard = listen(group)
    conversation = say("add_member", group, chat.alice, chat.carol, "owner")
    assert heard == [Changed(conversation)]
    assert [each.role for each in conversation.members if each.participant == chat.carol] == [Role.OWNER]
    until(lambda: hinted(hints, group) == {chat.alice, chat.bob, chat.carol}, 20)


def test_who_is_removed_is_told_to_all_and_to_itself(chat, group, listen, hints, say):
    heard = listen(group)
    conversation = say("remove_member", group, chat.alice, chat.carol)
    assert heard == [Removed(group, chat.carol), Changed(conversation)]
    until(lambda: hinted(hints, group) == {chat.alice, chat.bob, chat.carol}, 20)


def test_what_was_told_last_is_what_is_stored(chat, dm, heard):
    message = gateway.append(draft(dm, chat.alice)).message
    edits = [lambda n=n: gateway.edit(dm, chat.alice, message.id, {"text": str(n)}) for n in range(12)]
    told = race(*[lambda edit=edit: (edit(), connections.close_all())[0] for edit in edits])
    assert len(heard) == 1 + len(told)
    assert heard[-1] == Edited(storage.find_message(dm, chat.alice, message.id))


def test_no_turn_is_kept_that_nobody_has(chat, dm):
    message = gateway.append(draft(dm, chat.alice)).message
    gateway.edit(dm, chat.alice, message.id, {"text": "better"})
    assert len(gateway._turns) == 0


def test_async_verbs_hold_up_no_event_loop(chat_on_server):
    chat = chat_on_server
    dm, other = (storage.create_conversation(chat.alice, [chat.bob]).conversation.id for _ in range(2))
    holder = connections.create_connection(chat.alias)
    holder.inc_thread_sharing()

    def release():
        holder.cursor().execute("ROLLBACK")

    async def rename():
        renaming = asyncio.create_task(gateway.arename(dm, chat.alice, "later"))
        assert (await gateway.arename(other, chat.alice, "at once")).title == "at once"
        assert not renaming.done()
        await asyncio.to_thread(release)
        return await renaming

    try:
        holder.cursor().execute("BEGIN")
        holder.cursor().execute("SELECT 1 FROM phoenix_chat_conversation WHERE id = %s FOR UPDATE", [dm])
        assert asyncio.run(rename()).title == "later"
    finally:
        holder.close()


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_non_members_may_do_nothing_and_nobody_hears_of_it(chat, dm, heard):
    message = storage.append_batch([draft(dm, chat.alice)])[0].message
    for stranger in (chat.carol, "user:nobody"):
        refused = [
            code(gateway.append, draft(dm, stranger)),
            code(gateway.edit, dm, stranger, message.id, {}),
            code(gateway.delete, dm, stranger, message.id),
            code(gateway.mark_read, dm, stranger),
            code(gateway.history, dm, stranger),
            code(gateway.message, dm, stranger, message.id),
            code(gateway.show_conversation, dm, stranger),
            code(gateway.rename, dm, stranger, "mine"),
            code(gateway.close, dm, stranger),
            code(gateway.archive, dm, stranger),
            code(gateway.add_member, dm, stranger, stranger),
            code(gateway.typing, dm, stranger),
            code(gateway.chunk, dm, stranger, "s", 0, "a"),
        ]
        assert set(refused) == {"unauthorized"}
    assert heard == []


def test_a_conversation_that_is_not_there_is_refused_like_one_of_others(chat, dm):
    for verb in (gateway.history, gateway.show_conversation, gateway.typing):
        errors = [refusal(verb, id, chat.carol) for id in (dm, "01ARZ3NDEKTSV4RRFFQ69G5FAV")]
        assert errors[0].message == errors[1].message


def test_who_is_disabled_sends_nothing(chat, dm, heard):
    gateway.set_participant_status(chat.alice, "disabled")
    assert code(gateway.append, draft(dm, chat.alice)) == "disabled"
    gateway.append(draft(dm, chat.bob))
    assert [each.message.sender for each in heard if isinstance(each, Sent)] == [chat.bob]


MAY_SEND = {
    "user": ["text", "tool_call"],
    "agent": ["text", "tool_call", "assistant"],
    "system": ["text", "tool_call", "assistant", "system"],
}


@pytest.mark.parametrize("who", MAY_SEND)
def test_who_may_send_which_kind(chat, who):
    gateway.create_participant("one:sender", who)
    group = gateway.create_conversation(chat.alice, ["one:sender"], group=True).conversation.id
    for kind in MessageKind:
        wanted = Draft(group, "one:sender", {}, kind=kind)
        if kind in MAY_SEND[who]:
            assert gateway.append(wanted).message.kind == kind
        else:
            error = refusal(gateway.append, wanted)
            assert (error.code, list(error.fields)) == ("invalid", ["kind"])
    assert [each.kind for each in gateway.history(group, None).messages] == [
        kind for kind in MessageKind if kind in MAY_SEND[who]
    ]


def test_a_kind_that_there_is_not_is_refused(chat, dm):
    error = refusal(gateway.append, Draft(dm, chat.alice, {}, kind="shout"))
    assert (error.code, list(error.fields)) == ("invalid", ["kind"])


def test_a_kind_is_refused_alone_and_by_a_stranger_like_any_other(chat, dm):
    drafts = [Draft(dm, sender, {}, kind=kind) for sender in (chat.alice, chat.carol) for kind in ("system", "text")]
    refused, stored, stranger, other = storage.append_batch(drafts)
    assert (refused.code, stored.message.seq) == ("invalid", 1)
    assert stranger.message == other.message


def test_a_closed_conversation_takes_nothing(chat, dm, listen):
    gateway.close(dm, chat.alice)
    heard = listen(dm)
    assert code(gateway.append, draft(dm, chat.bob)) == "closed"
    assert heard == []


def test_a_closed_conversation_still_knows_its_repeats(chat, dm):
    first = gateway.append(draft(dm, chat.bob, "a"))
    gateway.close(dm, chat.alice)
    assert gateway.append(draft(dm, chat.bob, "a")).message == first.message


def test_who_sends_too_often_is_told_when_to_come_again(chat, dm, heard, settings):
    configure(chat, settings, SENDS_PER_SECOND=0.01)
    gateway.append(draft(dm, chat.alice))
    for send in (gateway.append, lambda each: asyncio.run(gateway.aappend(each))):
        error = refusal(send, draft(dm, chat.alice))
        assert error.code == "rate_limited"
        assert 0 < error.retry_after_ms <= 100_000
    gateway.append(draft(dm, chat.bob))
    assert len(heard) == len(storage.history(dm, chat.alice).messages) == 2


# -- what is not stored -----------------------------------------------------------------------------------------------


def test_typing_is_told_at_most_once_a_second(chat, dm, heard, say):
    say("typing", dm, chat.alice)
    say("typing", dm, chat.bob)
    assert heard == [Typing(dm, chat.alice), Typing(dm, chat.bob)]
    for _ in range(20):
        gateway._typing.take(f"{dm} {chat.alice}")
    assert heard[2:] == []


def test_a_part_of_an_answer_is_told(chat, dm, heard, say):
    say("chunk", dm, chat.bob, "answer", 0, "Once")
    say("chunk", dm, chat.bob, "answer", 1, " upon")
    assert heard == [Chunk(dm, chat.bob, "answer", 0, "Once"), Chunk(dm, chat.bob, "answer", 1, " upon")]
    assert storage.history(dm, chat.alice).messages == ()


def test_a_part_that_makes_no_sense_is_refused(chat, dm, heard):
    assert code(gateway.chunk, dm, chat.bob, "", 0, "a") == "invalid"
    assert code(gateway.chunk, dm, chat.bob, "answer", -1, "a") == "invalid"
    assert code(gateway.chunk, dm, chat.bob, "answer", 0, "a" * (LARGEST_CHUNK + 1)) == "too_large"
    assert heard == []


def test_the_largest_part_is_no_more_than_an_event_may_hold(chat, dm, settings, own_sessions, listen):
    settings.DEBUG = True
    own_sessions.reconfigure()
    heard = listen(dm)
    gateway.chunk(dm, chat.bob, "answer", 0, "\x01" * LARGEST_CHUNK)
    assert len(heard) == 1


# -- the stop ---------------------------------------------------------------------------------------------------------


def test_a_worker_that_drains_says_so_and_when_to_come_again(chat, dm, heard):
    message = gateway.append(draft(dm, chat.alice)).message
    assert gateway.drain(20)
    for verb, *args in [
        (gateway.append, draft(dm, chat.alice)),
        (lambda each: asyncio.run(gateway.aappend(each)), draft(dm, chat.alice)),
        (gateway.edit, dm, chat.alice, message.id, {}),
        (gateway.mark_read, dm, chat.bob),
        (gateway.create_conversation, chat.alice, [chat.bob]),
        (gateway.typing, dm, chat.alice),
    ]:
        error = refusal(verb, *args)
        assert (error.code, error.reason) == ("backpressure", "draining")
        assert error.retry_after_ms > 0
    assert gateway.history(dm, chat.bob).messages == (message,)
    assert heard == [Sent(message)]


def test_the_stop_of_the_sessions_drains_it(chat, dm, own_sessions):
    gateway.append(draft(dm, chat.alice))
    assert own_sessions.stop(20)
    assert code(gateway.append, draft(dm, chat.alice)) == "backpressure"


def test_a_worker_that_drains_loses_nothing_that_it_acknowledged(chat, dm, heard, settings):
    configure(chat, settings, SENDS_PER_SECOND=None, BATCH_MESSAGES=5)

    async def send(number):
        try:
            return (await gateway.aappend(draft(dm, chat.alice, str(number)))).message
        except ChatError as error:
            return error.reason

    async def send_all():
        sending = [asyncio.create_task(send(number)) for number in range(200)]
        await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        draining = asyncio.create_task(gateway.adrain(20))
        late = [asyncio.create_task(send(number)) for number in range(200, 220)]
        return await asyncio.gather(*sending, *late), await draining

    outcomes, drained = asyncio.run(send_all())
    stored = storage.history(dm, chat.alice, limit=200).messages
    assert drained
    assert {each for each in outcomes if isinstance(each, str)} == {"draining"}
    assert sorted((each for each in outcomes if each != "draining"), key=lambda each: each.seq) == list(stored)
    assert [each.message for each in heard] == list(stored)


def test_it_drains_although_it_never_began():
    assert Gateway().drain(0)


def test_a_drain_that_has_no_time_says_so(chat, dm):
    begun, go_on = threading.Event(), Future()

    def hook(conversation, message):
        begun.set()
        go_on.result(20)

    gateway.on_sent.append(hook)
    sending = threading.Thread(target=lambda: (gateway.append(draft(dm, chat.alice)), connections.close_all()))
    try:
        sending.start()
        assert begun.wait(20)
        assert not gateway.drain(0.01)
    finally:
        go_on.set_result(None)
        sending.join(20)
        gateway.on_sent.remove(hook)
    assert gateway.drain(20)


# -- FleetLM's faults -------------------------------------------------------------------------------------------------


def test_fleetlm_each_event_was_delivered_twice(chat, dm, heard):
    gateway.append(draft(dm, chat.alice, "a"))
    assert [type(each) for each in heard] == [Sent]


def test_fleetlm_an_append_that_starts_the_process_was_counted_twice(chat, dm, hints):
    gateway.append(draft(dm, chat.alice, "a"))
    until(lambda: hints[chat.bob], 20)
    assert unread(chat.bob) == [1]
    assert [each.seq for each in gateway.history(dm, chat.bob).messages] == [1]


def test_fleetlm_a_side_effect_that_failed_after_the_commit_inserted_the_message_again(chat, dm, dead_engine, fails):
    stored = gateway.append(draft(dm, chat.alice))
    assert storage.history(dm, chat.alice).messages == (stored.message,)


def test_fleetlm_unread_was_lost_for_messages_of_the_same_second(chat, dm):
    [first, *_] = [gateway.append(draft(dm, chat.alice)).message for _ in range(3)]
    gateway.mark_read(dm, chat.bob, first.seq)
    assert unread(chat.bob) == [2]


def test_fleetlm_non_members_could_write(chat, dm):
    assert code(gateway.append, draft(dm, chat.carol)) == "unauthorized"
    assert storage.history(dm, chat.alice).messages == ()


def test_fleetlm_unread_was_capped_at_100(chat, dm, settings):
    configure(chat, settings, SENDS_PER_SECOND=None)

    async def send():
        await asyncio.gather(*(gateway.aappend(draft(dm, chat.alice)) for _ in range(130)))

    asyncio.run(send())
    assert unread(chat.bob) == [130]


def test_fleetlm_inboxes_were_updated_on_the_local_node_alone(chat, dm, own_sessions, clock):
    with two_workers(own_sessions, clock, Engine({}, clock)) as there:
        told = []
        with there.stream(live.inbox_stream(chat.bob).name).subscribe(told.append):
            gateway.append(draft(dm, chat.alice))
            until(lambda: [each for each in told if dm in each.payload["conversations"]], 20)


def test_fleetlm_reading_an_unknown_conversation_took_down_its_neighbours(chat, dm, heard):
    assert code(gateway.history, "01ARZ3NDEKTSV4RRFFQ69G5FAV", chat.alice) == "unauthorized"
    assert code(gateway.typing, "01ARZ3NDEKTSV4RRFFQ69G5FAV", chat.alice) == "unauthorized"
    gateway.typing(dm, chat.alice)
    gateway.append(draft(dm, chat.alice))
    assert [type(each) for each in heard] == [Typing, Sent]


@pytest.mark.parametrize("content", [None, "text", ["text"], 7])
def test_fleetlm_a_payload_without_content_killed_the_channel(chat, dm, content):
    error = refusal(gateway.append, Draft(dm, chat.alice, content))
    assert (error.code, list(error.fields)) == ("invalid", ["content"])
    assert not gateway.append(draft(dm, chat.alice)).repeat


def test_fleetlm_database_errors_were_shown_to_the_caller(chat, dm, settings):
    nowhere = {**connections.settings["default"], "ENGINE": "django.db.backends.postgresql", "PORT": "1"}
    connections.settings["nowhere"] = {**nowhere, "NAME": "secret", "HOST": "127.0.0.1", "USER": "postgres"}
    try:
        settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": "nowhere", "APPEND_PATIENCE": 0.01}
        for verb, *args in [(gateway.append, draft(dm, chat.alice)), (gateway.history, dm, chat.alice)]:
            error = refusal(verb, *args)
            assert error.code == "unavailable"
            assert not any(word in error.message.lower() for word in ("secret", "connection", "postgres"))
        connections["nowhere"].close()
    finally:
        del connections.settings["nowhere"], connections["nowhere"]


def test_fleetlm_own_messages_were_counted_as_unread(chat, dm):
    gateway.append(draft(dm, chat.alice))
    gateway.append(draft(dm, chat.bob))
    assert (unread(chat.alice), unread(chat.bob)) == ([1], [1])


@pytest.mark.parametrize("alias", ["sqlite"], indirect=True)
def test_fleetlm_delivery_logs_were_never_written(chat, settings):
    configure(chat, settings, AGENTS={chat.robot: "chat.shouting.shout"}, AGENT_DEBOUNCE=0.01)
    talk = gateway.create_conversation(chat.alice, [chat.robot]).conversation.id
    gateway.append(draft(talk, chat.alice))
    until(lambda: logged(chat.robot) == [(1, DeliveryStatus.DELIVERED, "")], 20)


def logged(agent):
    return [(each.attempt, each.status, each.error) for each in gateway.list_deliveries(agent).deliveries]
