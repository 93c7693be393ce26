"""What a socket is given: no hole, no duplicate, nothing for who is no member, whatever happens to what is told."""

import asyncio
import datetime
import random
import uuid

import msgspec
import pytest
from asgiref.sync import sync_to_async
from chat.workers import Engine, Silent, on_thread, tell, tell_from, two_workers
from chat.workers import say as say_now
from chat.workers import send as send_now
from conftest import require

from phoenix_sessions import Gap, sessions
from phoenix_sessions.contrib.chat import feeds, inbox_feed, live, processes, storage
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
from phoenix_sessions.contrib.chat.feeds import ConversationFeed, InboxFeed
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.storage.connection import now
from phoenix_sessions.contrib.chat.storage.retention import remove_messages
from phoenix_sessions.contrib.chat.types import InboxChange
from phoenix_sessions.contrib.chat.versions import Versions
from phoenix_sessions.manager import SessionManager
from phoenix_sessions.runtime.clock import SystemClock

SECONDS = 20


def beside(function):
    """The function on a thread of its own, which keeps no connection."""

    def call(*args, **kwargs):
        return on_thread(function, *args, **kwargs)

    return sync_to_async(call, thread_sensitive=False)


send, say = beside(send_now), beside(say_now)


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


@pytest.fixture
def redis_there(own_sessions):
    """Another worker on real Redis, with a connection of its own."""
    redis = pytest.importorskip("redis")
    from phoenix_sessions.backends.redis import RedisBackend

    try:
        redis.Redis().ping()
    except redis.ConnectionError:
        require(False, "no Redis answers at 127.0.0.1:6379")
    options = {"prefix": f"test-{uuid.uuid4().hex}:"}
    made = [RedisBackend(options), RedisBackend(options)]
    own_sessions.replace(None, SystemClock(), made[0])
    there = SessionManager()
    there.replace(None, SystemClock(), made[1])
    yield there
    for worker in (own_sessions, there):
        worker.supervisor.stop()
        worker.disconnect()


@pytest.fixture
def room(chat_on_server):
    """A group on the server, with Alice, Bob and Carol."""
    chat = chat_on_server
    chat.group = storage.create_conversation(chat.alice, [chat.bob, chat.carol], title="three").conversation.id
    return chat


class Reading:
    """What a feed gives, as far as it has come."""

    def __init__(self, feed):
        self.feed = feed

    async def next(self):
        async with asyncio.timeout(SECONDS):
            return await self.feed.next()

    async def sent(self, count):
        """The next so many messages; everything else is left out."""
        found = []
        while len(found) < count:
            event = await self.next()
            assert event is not None
            if isinstance(event, Sent):
                found.append(event.message)
        return found

    async def until(self, condition):
        """All that comes up to the first event that the condition holds for."""
        found = []
        while not found or not condition(found[-1]):
            found.append(await self.next())
        return found


@pytest.fixture
async def join():
    """Joins, and leaves in the end."""
    made = []

    async def join(conversation, viewer, after_seq=None):
        feed = ConversationFeed(conversation, viewer)
        made.append(feed)
        return Reading(feed), await feed.join(after_seq)

    yield join
    for feed in made:
        await feed.close()


def seqs(messages):
    return [message.seq for message in messages]


# -- joining -----------------------------------------------------------------------------------------------------------


async def test_who_joins_is_given_the_newest_page_ascending(chat, group, join):
    sent = await send(group, chat.alice, 60)
    _, joined = await join(group, chat.bob)
    assert joined.messages == tuple(sent[-50:])
    assert (joined.last_seq, joined.truncated, joined.more_before) == (60, False, True)
    assert [member.participant for member in joined.conversation.members] == [chat.alice, chat.bob, chat.carol]


async def test_who_joins_an_empty_conversation_is_given_nothing(chat, group, join):
    _, joined = await join(group, chat.bob)
    assert (joined.messages, joined.last_seq, joined.truncated, joined.more_before) == ((), 0, False, False)


@pytest.mark.parametrize(("after_seq", "missing"), [(0, 12), (5, 7), (11, 1), (12, 0)])
async def test_who_comes_back_is_given_exactly_what_is_missing(chat, group, join, after_seq, missing):
    sent = await send(group, chat.alice, 12)
    _, joined = await join(group, chat.bob, after_seq)
    assert joined.messages == tuple(sent[after_seq:])
    assert len(joined.messages) == missing
    assert (joined.truncated, joined.more_before) == (False, after_seq > 0)


async def test_a_gap_too_large_is_said_with_a_full_page(room, join, settings):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "LARGEST_GAP": 300}
    sent = await send(room.group, room.alice, 302)
    _, joined = await join(room.group, room.bob, 1)
    assert joined.messages == tuple(sent[-50:])
    assert joined.truncated
    _, joined = await join(room.group, room.bob, 2)
    assert joined.messages == tuple(sent[2:])
    assert not joined.truncated


async def test_what_was_removed_as_too_old_is_a_hole_with_nothing_before_it(chat, group, join):
    sent = await send(group, chat.alice, 10)
    await beside(remove_messages)(now() + datetime.timedelta(seconds=1), limit=6)
    for after_seq, first, truncated, more_before in [
        (None, 7, False, False),
        (0, 7, True, False),
        (3, 7, True, False),
        (5, 7, True, False),
        (6, 7, False, False),
        (7, 8, False, True),
        (10, 11, False, True),
    ]:
        _, joined = await join(group, chat.bob, after_seq)
        assert joined.messages == tuple(sent[first - 1 :])
        assert (joined.truncated, joined.more_before) == (truncated, more_before), after_seq


async def test_a_place_that_is_not_there_yet_is_answered_with_a_page(room, join):
    sent = await send(room.group, room.alice, 3)
    _, joined = await join(room.group, room.bob, 7)
    assert joined.messages == tuple(sent)
    assert joined.truncated


@pytest.mark.parametrize("after_seq", [-1, True, "1", 1.5, 2**63])
async def test_what_is_no_place_is_refused(room, join, after_seq):
    with pytest.raises(ChatError, match="invalid"):
        await join(room.group, room.bob, after_seq)


async def test_only_members_join_and_nobody_learns_what_there_is(chat, dm, join):
    refusals = set()
    for conversation in (dm, "01HNOTHERE", "no name at all", "", "x" * 300):
        with pytest.raises(ChatError) as caught:
            await join(conversation, chat.carol)
        refusals.add((caught.value.code, caught.value.message))
    assert refusals == {("unauthorized", "only members of a conversation may do this")}
    assert len(sessions._streams()) == 0


async def test_who_joins_a_worker_that_stops_is_sent_on(room, join, own_sessions):
    await own_sessions.astop(5)
    with pytest.raises(ChatError) as caught:
        await join(room.group, room.bob)
    assert (caught.value.code, caught.value.reason) == ("backpressure", "draining")


async def test_between_the_page_and_what_follows_nothing_is_missing_or_twice(room, join):
    writing = asyncio.create_task(say(room.group, room.alice, 300))
    feeds = [await join(room.group, room.bob, 0) for _ in range(10)]
    await writing
    for reading, joined in feeds:
        rest = await reading.sent(300 - joined.last_seq)
        assert seqs([*joined.messages, *rest]) == list(range(1, 301))


# -- what comes --------------------------------------------------------------------------------------------------------


async def test_each_append_comes_once_in_its_order(chat, group, join):
    reading, _ = await join(group, chat.bob)
    sent = await say(group, chat.alice, 20)
    assert await reading.sent(20) == sent


async def test_repeats_and_what_comes_out_of_order_change_nothing(chat, group, join):
    reading, _ = await join(group, chat.bob)
    one, two, three, four = map(Sent, await send(group, chat.alice, 4))
    tell(group, three, one, one, four, two, three, two)
    assert seqs(await reading.sent(4)) == [1, 2, 3, 4]
    tell(group, four, Typing(group, chat.alice))
    assert await reading.next() == Typing(group, chat.alice)


async def test_what_was_stored_and_never_told_comes_before_what_follows_it(chat, group, join):
    reading, _ = await join(group, chat.bob)
    await send(group, chat.alice, 150)  # its worker died before it could tell
    await say(group, chat.alice)
    assert seqs(await reading.sent(151)) == list(range(1, 152))


async def test_what_was_never_told_is_found_also_if_nothing_follows(chat, group, join, monkeypatch):
    monkeypatch.setattr(feeds, "CHECK", 0.2)
    reading, _ = await join(group, chat.bob)
    sent = await send(group, chat.alice, 2)
    assert await reading.sent(2) == sent


async def test_a_message_too_large_to_be_told_comes_all_the_same(chat, group, join):
    reading, _ = await join(group, chat.bob)
    (one,) = await send(group, chat.alice)
    tell(group, SentLarge(group, 1), SentLarge(group, 1))
    assert await reading.next() == Sent(one)
    edited = await beside(storage.edit_message)(group, chat.alice, one.id, {"text": "large"})
    tell(group, ChangedLarge(group, one.id))
    assert await reading.next() == Edited(edited)
    deleted = await beside(storage.delete_message)(group, chat.alice, one.id)
    tell(group, ChangedLarge(group, one.id), ChangedLarge(group, "gone"), Typing(group, chat.carol))
    assert [await reading.next() for _ in range(2)] == [Deleted(deleted), Typing(group, chat.carol)]


async def test_changes_of_messages_come_and_those_that_were_overtaken_do_not(chat, group, join):
    reading, _ = await join(group, chat.bob)
    (message,) = await say(group, chat.alice)
    first = await beside(storage.edit_message)(group, chat.alice, message.id, {"text": "first"})
    second = await beside(storage.edit_message)(group, chat.alice, message.id, {"text": "second"})
    tell(group, Edited(second), Edited(first), Edited(second), Typing(group, chat.carol))
    assert await reading.until(lambda event: isinstance(event, Typing)) == [
        Sent(message),
        Edited(second),
        Typing(group, chat.carol),
    ]


async def test_which_changes_were_given_is_known_of_the_last_five_hundred(chat, group):
    (message,) = await send(group, chat.alice)
    edited = await beside(storage.edit_message)(group, chat.alice, message.id, {"text": "other"})
    versions = Versions()
    assert [versions.is_news(each) for each in (message, edited, edited, message)] == [False, True, False, False]
    for number in range(600):
        assert versions.is_news(msgspec.structs.replace(edited, id=str(number)))
    assert len(versions) == 500


async def test_who_leaves_while_it_waits_is_let_go(chat, group, join):
    reading, _ = await join(group, chat.bob)
    waiting = asyncio.create_task(reading.feed.next())
    await asyncio.sleep(0)
    await reading.feed.close()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_change_of_the_conversation_comes_as_the_database_has_it(chat, group, join):
    reading, _ = await join(group, chat.bob)
    first = await beside(storage.rename_conversation)(group, chat.alice, "first")
    second = await beside(storage.rename_conversation)(group, chat.alice, "second")
    tell(group, Changed(second), Changed(first), Typing(group, chat.carol))
    assert await reading.until(lambda event: isinstance(event, Typing)) == [Changed(second), Typing(group, chat.carol)]


async def test_what_is_not_known_is_left_out(chat, group, join):
    reading, _ = await join(group, chat.bob)
    live.conversation_stream(group).publish_nowait("of-tomorrow", {"type": "of-tomorrow"})
    tell(group, Read(group, chat.alice, 0))
    assert await reading.next() == Read(group, chat.alice, 0)


async def test_a_wait_that_is_cancelled_loses_nothing(room, join):
    reading, _ = await join(room.group, room.bob)
    writing = asyncio.create_task(say(room.group, room.alice, 50))
    found = []
    while len(found) < 50:
        try:
            async with asyncio.timeout(0.001):
                event = await reading.feed.next()
        except TimeoutError:
            continue
        found.append(event.message)
    assert seqs(found) == list(range(1, 51))
    await writing


async def test_who_has_not_joined_waits_for_nothing(chat):
    with pytest.raises(RuntimeError, match="join first"):
        await ConversationFeed("01H", chat.bob).next()


async def test_who_joins_again_begins_again(chat, group, join):
    reading, _ = await join(group, chat.bob)
    sent = await say(group, chat.alice, 3)
    joined = await reading.feed.join(1)
    assert joined.messages == tuple(sent[1:])
    await say(group, chat.alice)
    assert seqs(await reading.sent(1)) == [4]
    assert len(sessions._streams()) == 1


async def test_who_leaves_is_forgotten(chat, group, join):
    reading, _ = await join(group, chat.bob)
    await reading.feed.close()
    await reading.feed.close()
    assert len(sessions._streams()) == 0


async def test_a_worker_that_stops_says_so(chat, group, join, own_sessions):
    reading, _ = await join(group, chat.bob)
    await own_sessions.astop(5)
    assert await reading.next() is None
    assert await reading.next() is None


# -- who may see it ----------------------------------------------------------------------------------------------------


async def test_who_is_removed_is_cut_off_at_once(chat, group, join):
    reading, _ = await join(group, chat.bob)
    other, _ = await join(group, chat.carol)
    conversation = await beside(storage.remove_member)(group, chat.alice, chat.bob)
    tell(group, Removed(group, chat.bob), Changed(conversation))
    sent = await say(group, chat.alice)
    for _ in range(2):
        with pytest.raises(ChatError, match="unauthorized"):
            await reading.next()
    with pytest.raises(ChatError, match="unauthorized"):
        await reading.feed.join()
    assert await other.next() == Removed(group, chat.bob)
    changed, message = sorted([await other.next(), await other.next()], key=lambda event: isinstance(event, Sent))
    assert changed.conversation.members == conversation.members
    assert message == Sent(sent[0])


@pytest.mark.parametrize("told", [False, True])
async def test_who_was_removed_and_not_told_is_found_out_by_the_next_read(chat, group, join, monkeypatch, told):
    monkeypatch.setattr(feeds, "CHECK", 0.2)
    reading, _ = await join(group, chat.bob)
    conversation = await beside(storage.remove_member)(group, chat.alice, chat.bob)
    if told:
        tell(group, Changed(conversation))
    with pytest.raises(ChatError, match="unauthorized"):
        await reading.next()


async def test_who_is_far_behind_when_it_is_removed_is_given_nothing_more(room, join):
    reading, _ = await join(room.group, room.bob)
    await say(room.group, room.alice, 1200)  # more than may wait
    await beside(storage.remove_member)(room.group, room.alice, room.bob)
    with pytest.raises(ChatError, match="unauthorized"):
        await reading.next()


async def test_who_is_disabled_is_cut_off_at_once(chat, group, join, follow):
    reading, _ = await join(group, chat.bob)
    other, _ = await join(group, chat.carol)
    inbox, _ = await follow(chat.bob)
    await gateway.aset_participant_status(chat.bob, "disabled")
    await say(group, chat.alice)
    for each in (reading, inbox):
        with pytest.raises(ChatError, match="disabled"):
            await each.next()
    assert seqs(await other.sent(1)) == [1]


async def test_who_is_enabled_again_meanwhile_goes_on(chat, group, join, follow):
    reading, _ = await join(group, chat.bob)
    inbox, _ = await follow(chat.bob)
    await gateway.aset_participant_status(chat.bob, "disabled")
    await gateway.aset_participant_status(chat.bob, "active")
    await say(group, chat.alice)
    live.tell_inboxes(group, [chat.bob])
    assert seqs(await reading.sent(1)) == [1]
    assert [item.unread for item in (await inbox.next()).items] == [1]


async def test_a_participant_that_is_called_otherwise_is_so_everywhere(chat, dm, group, join, follow):
    reading, _ = await join(group, chat.carol)
    inbox, _ = await follow(chat.bob)
    await gateway.aupdate_participant(chat.alice, display_name="Alicia")
    event = await reading.next()
    assert [member.display_name for member in event.conversation.members] == ["Alicia", "Bob", "Carol"]
    (item,) = (await inbox.next()).items
    assert [member.display_name for member in item.conversation.members] == ["Alicia", "Bob"]


@pytest.mark.parametrize(("verb", "status", "goes"), [("aclose", "closed", False), ("aarchive", "archived", True)])
async def test_a_conversation_that_ends_is_told_to_sockets_and_inboxes(chat, group, join, follow, verb, status, goes):
    reading, _ = await join(group, chat.bob)
    inbox, _ = await follow(chat.bob)
    await getattr(gateway, verb)(group, chat.alice)
    assert (await reading.next()).conversation.status == status
    change = await inbox.next()
    assert ([item.conversation.status for item in change.items], change.gone) == (
        ([], (group,)) if goes else ([status], ())
    )


# -- who does not take what comes --------------------------------------------------------------------------------------


async def test_who_is_too_slow_is_given_all_by_reading(room, join):
    reading, _ = await join(room.group, room.bob)
    await say(room.group, room.alice, 1500)
    assert len(reading.feed._progress.ready) == 0
    most, found = 0, []
    while len(found) < 1500:
        found += await reading.sent(1)
        most = max(most, len(reading.feed._progress.ready))
    assert seqs(found) == list(range(1, 1501))
    assert most <= feeds.PAGE + 100


async def test_after_a_gap_changes_are_given_too(room, join, own_sessions):
    reading, _ = await join(room.group, room.bob)
    one, two, _ = await say(room.group, room.alice, 3)
    await reading.sent(3)
    edited = await beside(storage.edit_message)(room.group, room.alice, one.id, {"text": "other"})
    deleted = await beside(storage.delete_message)(room.group, room.alice, two.id)
    await beside(storage.mark_read)(room.group, room.carol, 2)
    own_sessions._streams()._taps[f"chat.c.{room.group}"].put(Gap("missed", live=True))
    await say(room.group, room.alice)
    assert (await reading.until(lambda event: isinstance(event, Sent)))[:2] == [Edited(edited), Deleted(deleted)]
    assert await reading.next() == Read(room.group, room.carol, 2)


# -- other workers -----------------------------------------------------------------------------------------------------


async def test_what_another_worker_tells_comes_once(chat, group, join, there):
    reading, _ = await join(group, chat.bob)
    sent = await send(group, chat.alice, 30)
    tell_from(there, group, *map(Sent, sent[:10]))
    tell(group, *map(Sent, sent[8:20]))
    tell_from(there, group, *map(Sent, sent[15:]))
    assert await reading.sent(30) == sent


async def test_two_workers_that_say_at_once_are_seen_in_one_order(room, join, there):
    readings = [(await join(room.group, viewer))[0] for viewer in (room.bob, room.carol)]
    writers = [say(room.group, room.alice, 5) for _ in range(10)]
    writers += [beside(say_there)(there, room.group, room.carol) for _ in range(10)]
    await asyncio.gather(*writers)
    first, second = [await reading.sent(100) for reading in readings]
    assert first == second
    assert seqs(first) == list(range(1, 101))


def say_there(worker, conversation, sender):
    tell_from(worker, conversation, *map(Sent, send_now(conversation, sender, 5)))


async def test_what_another_worker_tells_comes_over_redis(room, join, redis_there):
    (first, _), (second, _) = await join(room.group, room.bob), await join(room.group, room.carol)
    writers = [say(room.group, room.alice, 5) for _ in range(4)]
    writers += [beside(say_there)(redis_there, room.group, room.carol) for _ in range(4)]
    await asyncio.gather(*writers)
    assert seqs(await first.sent(40)) == seqs(await second.sent(40)) == list(range(1, 41))


async def test_while_the_stream_is_interrupted_it_reads(chat, group, join, there):
    reading, _ = await join(group, chat.bob)
    hub = sessions._streams()._engine.hub
    hub.lost()
    sent = await send(group, chat.alice, 3)
    assert await reading.sent(3) == sent
    sent = await send(group, chat.alice, 3)  # a second later, and still nothing is told
    assert await reading.sent(3) == sent
    sent = await send(group, chat.alice, 120)
    hub.watching(f"stream:chat.c.{group}")
    assert await reading.sent(120) == sent
    tell_from(there, group, *map(Sent, await send(group, chat.alice)))
    assert seqs(await reading.sent(1)) == [127]


async def test_where_nothing_is_heard_of_other_workers_it_reads_every_second(chat, group, join, silent_there):
    reading, _ = await join(group, chat.bob)
    sent = await send(group, chat.alice, 3)
    tell_from(silent_there, group, *map(Sent, sent))
    assert await reading.sent(3) == sent
    edited = await beside(storage.edit_message)(group, chat.alice, sent[0].id, {"text": "other"})
    assert await reading.next() == Edited(edited)
    await beside(storage.mark_read)(group, chat.carol, 2)
    assert await reading.next() == Read(group, chat.carol, 2)
    renamed = await beside(storage.rename_conversation)(group, chat.alice, "other")
    assert (await reading.next()).conversation.title == renamed.title
    await beside(storage.remove_member)(group, chat.alice, chat.bob)
    with pytest.raises(ChatError, match="unauthorized"):
        await reading.next()


async def test_while_the_database_does_not_answer_it_waits(room, join, monkeypatch):
    reading, _ = await join(room.group, room.bob)
    newest, away = storage.read_newest, asyncio.Event()
    loop = asyncio.get_running_loop()

    def unavailable(*args):
        loop.call_soon_threadsafe(away.set)
        raise ChatError("unavailable", "as asked")

    monkeypatch.setattr(storage, "read_newest", unavailable)
    sent = await send(room.group, room.alice, 2)
    tell(room.group, Sent(sent[1]))
    waiting = asyncio.create_task(reading.sent(2))
    await away.wait()
    monkeypatch.setattr(storage, "read_newest", newest)
    assert await waiting == sent


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_is_lost_late_or_twice_each_message_comes_once_and_all_do(room, join, there, seed):
    chance = random.Random(seed)
    readers = [asyncio.create_task(read_all(join, room, chance)) for _ in range(2)]
    await asyncio.sleep(0)
    writing = asyncio.create_task(write_badly(room, there, chance))
    for _ in range(3):
        await asyncio.sleep(0.01)
        readers.append(asyncio.create_task(read_all(join, room, chance)))
    last_seq = await writing
    for found in await asyncio.gather(*readers):
        assert seqs(found) == list(range(1, last_seq + 1))


async def write_badly(room, there, chance):
    """Store messages in their order, and tell them in any, some twice, some never; with gaps."""
    late = []
    for _ in range(30):
        late += map(Sent, await send(room.group, chance.choice((room.alice, room.carol)), chance.randrange(1, 5)))
        chance.shuffle(late)
        for _ in range(chance.randrange(8)):
            match chance.randrange(8):
                case 0:
                    for tap in list(sessions._streams()._taps.values()):
                        tap.put(Gap("missed", live=True))
                case 1 if late:
                    late.pop()  # it is lost
                case 2 if late:
                    tell_from(there, room.group, late[0])  # it comes again
                case 3 | 4 if late:
                    tell_from(there, room.group, late.pop())
                case _ if late:
                    tell(room.group, late.pop())
    (last,) = await send(room.group, room.alice, metadata={"last": True})
    tell_from(there, room.group, Sent(last))
    return last.seq


async def read_all(join, room, chance):
    """Join, and read up to the last message."""
    reading, joined = await join(room.group, room.bob, 0)
    found = list(joined.messages)
    while not found or not found[-1].metadata:
        found += await reading.sent(1)
        if chance.random() < 0.1:
            await asyncio.sleep(0.005)
    return found


# -- inboxes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def follow():
    made = []

    async def follow(participant):
        feed = InboxFeed(participant)
        made.append(feed)
        return Reading(feed), await feed.snapshot()

    yield follow
    for feed in made:
        await feed.close()


async def test_an_inbox_begins_with_all_and_goes_on_with_what_changes(chat, dm, group, follow):
    reading, items = await follow(chat.alice)
    assert [item.conversation.id for item in items] == [group, dm]
    await send(dm, chat.bob, 2)
    live.tell_inboxes(dm, [chat.alice])
    (item,) = (await reading.next()).items
    assert (item.conversation.id, item.unread, item.last_message.text) == (dm, 2, "1")


async def test_what_has_changed_meanwhile_comes_at_once_newest_first(chat, dm, group, follow):
    reading, _ = await follow(chat.alice)
    await send(group, chat.bob)
    await send(dm, chat.bob)
    live.inbox_stream(chat.alice).publish_nowait("changed", {"conversations": None})
    change = await reading.next()
    assert ([item.conversation.id for item in change.items], change.gone) == ([dm, group], ())


async def test_reading_on_one_device_updates_the_other(chat, dm, follow):
    await send(dm, chat.bob)
    (reading, _), (other, items) = await follow(chat.alice), await follow(chat.alice)
    assert items[0].unread == 1
    await beside(storage.mark_read)(dm, chat.alice)
    live.tell_inboxes(dm, [chat.alice])
    for each in (reading, other):
        assert [(item.unread, item.last_read_seq) for item in (await each.next()).items] == [(0, 1)]


async def test_if_the_process_of_an_inbox_ends_the_next_one_is_followed(chat, dm, follow):
    reading, _ = await follow(chat.alice)
    await send(dm, chat.bob)
    await sessions.aterminate(f"chat-i-{live.inbox_key(chat.alice)}")
    assert [item.unread for item in (await reading.next()).items] == [1]
    await send(dm, chat.bob)
    live.inbox_stream(chat.alice).publish_nowait("changed", {"conversations": [dm]})
    assert [item.unread for item in (await reading.next()).items] == [2]


async def test_what_has_gone_from_an_inbox_is_said(chat, dm, group, follow):
    reading, _ = await follow(chat.bob)
    await beside(storage.archive_conversation)(dm, None)
    live.tell_inboxes(dm, [chat.bob])
    assert await reading.next() == InboxChange((), (dm,))
    await beside(storage.remove_member)(group, chat.alice, chat.bob)
    live.inbox_stream(chat.bob).publish_nowait("changed", {"conversations": None})
    assert await reading.next() == InboxChange((), (group,))
    await beside(storage.add_member)(group, chat.alice, chat.bob)
    live.tell_inboxes(group, [chat.bob])
    change = await reading.next()
    assert ([item.conversation.id for item in change.items], change.gone) == ([group], ())


async def test_what_has_gone_between_two_processes_is_said(chat, dm, group, follow):
    reading, _ = await follow(chat.bob)
    await beside(storage.archive_conversation)(dm, None)
    await sessions.aterminate(f"chat-i-{live.inbox_key(chat.bob)}")
    assert await reading.next() == InboxChange((), (dm,))


async def test_of_too_much_that_has_gone_nothing_is_missed(chat, follow, monkeypatch):
    for module in (processes, inbox_feed):
        monkeypatch.setattr(module, "GONE", 3)
    ids = [
        (await beside(storage.create_conversation)(chat.alice, [chat.bob], group=True)).conversation.id
        for _ in range(9)
    ]
    reading, _ = await follow(chat.bob)
    gone = set()
    for id in ids:
        await beside(storage.archive_conversation)(id, None)
    live.inbox_stream(chat.bob).publish_nowait("changed", {"conversations": ids})
    while len(gone) < 9:
        gone |= set((await reading.next()).gone)
    assert gone == set(ids)


async def test_what_others_have_pushed_out_of_an_inbox_has_not_gone(chat, dm, group, follow, settings):
    settings.PHOENIX_SESSIONS_CHAT = {
        **settings.PHOENIX_SESSIONS_CHAT,
        "PAGE_SIZE": 1,
        "MAX_PAGE_SIZE": 1,
        "JOIN_PAGE": 1,
    }
    reading, items = await follow(chat.bob)
    assert [item.conversation.id for item in items] == [group]
    await send(dm, chat.alice)
    live.inbox_stream(chat.bob).publish_nowait("changed", {"conversations": None})
    change = await reading.next()
    assert ([item.conversation.id for item in change.items], change.gone) == ([dm], ())
    await beside(storage.archive_conversation)(group, None)
    live.inbox_stream(chat.bob).publish_nowait("changed", {"conversations": [group]})
    assert await reading.next() == InboxChange((), (group,))


async def test_an_inbox_that_is_not_told_looks_by_itself(chat, dm, follow, monkeypatch):
    monkeypatch.setattr(inbox_feed, "CHECK", 0.2)
    reading, _ = await follow(chat.alice)
    await send(dm, chat.bob)
    assert [item.unread for item in (await reading.next()).items] == [1]


async def test_an_inbox_says_that_its_worker_stops(chat, dm, follow, own_sessions):
    reading, _ = await follow(chat.alice)
    waiting = asyncio.create_task(reading.next())
    await asyncio.sleep(0)
    await own_sessions.astop(5)
    assert await waiting is None
    assert await reading.next() is None
