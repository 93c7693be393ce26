"""The socket of a conversation: every message once, in order, to every member, and nothing else to anybody."""

import asyncio
import random

import pytest
from chat.talking import KEY, joined, talking

from phoenix_sessions import sessions
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.models import ConversationRow, Membership, MessageRow, ParticipantRow
from phoenix_sessions.contrib.chat.types import Draft


@pytest.fixture
def chat(chat, settings):
    """The chat, with tokens, for as many messages as one likes."""
    given = settings.PHOENIX_SESSIONS_CHAT
    settings.PHOENIX_SESSIONS_CHAT = {**given, "JWT_KEY": KEY, "SENDS_PER_SECOND": None}
    return chat


@pytest.fixture
def small_pages(chat, settings):
    """A chat in which a page has three messages, and a gap of more than five is too large."""
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "JOIN_PAGE": 3, "LARGEST_GAP": 5}
    return chat


on_sqlite = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)


async def send(conversation, sender, count, prefix=""):
    """Send so many messages, one after the other."""
    for number in range(count):
        await gateway.aappend(Draft(conversation, sender, {"n": number}, client_id=f"{prefix}{number}"))


# -- joining -----------------------------------------------------------------------------------------------------------


@on_sqlite
async def test_who_joins_is_given_the_newest_messages_ascending(small_pages, dm):
    await send(dm, small_pages.alice, 10)
    async with talking(f"/conversation/{dm}", small_pages.bob) as bob:
        page = await bob.join()
    assert [message["seq"] for message in page["messages"]] == [8, 9, 10]
    assert (page["last_seq"], page["truncated"], page["more_before"]) == (10, False, True)
    assert [member["participant"] for member in page["conversation"]["members"]] == ["user:alice", "user:bob"]


@on_sqlite
async def test_who_comes_back_is_given_exactly_what_is_missing(small_pages, dm):
    await send(dm, small_pages.alice, 10)
    async with talking(f"/conversation/{dm}", small_pages.bob) as bob:
        page = await bob.join(6)
    assert [message["seq"] for message in page["messages"]] == [7, 8, 9, 10]
    assert (page["last_seq"], page["truncated"]) == (10, False)


@on_sqlite
async def test_who_comes_back_to_nothing_new_is_given_nothing(chat, dm):
    await send(dm, chat.alice, 3)
    async with talking(f"/conversation/{dm}", chat.bob) as bob:
        page = await bob.join(3)
        assert (page["messages"], page["last_seq"], page["truncated"]) == ([], 3, False)
        await bob.post()
        assert await bob.caught_up(4) == [4]


@on_sqlite
async def test_a_gap_that_is_too_large_is_said_with_a_full_page(small_pages, dm):
    await send(dm, small_pages.alice, 10)
    async with talking(f"/conversation/{dm}", small_pages.bob) as bob:
        page = await bob.join(4)
        assert [message["seq"] for message in page["messages"]] == [8, 9, 10]
        assert (page["last_seq"], page["truncated"], page["more_before"]) == (10, True, True)
        await bob.post()
        assert await bob.caught_up(11) == [8, 9, 10, 11]


@on_sqlite
async def test_what_would_make_the_page_too_large_follows(chat, dm, monkeypatch):
    monkeypatch.setattr("phoenix_sessions.contrib.chat.consumers.ConversationConsumer.page_bytes", 1000)
    for _ in range(10):
        await gateway.aappend(Draft(dm, chat.alice, {"text": "x" * 300}))
    async with talking(f"/conversation/{dm}", chat.bob) as bob:
        page = await bob.join()
        assert 1 <= len(page["messages"]) < 4
        assert page["last_seq"] == 10
        await bob.post()
        assert await bob.caught_up(11) == list(range(1, 12))


@on_sqlite
async def test_who_joined_cannot_join_again(chat, dm):
    async with joined(dm, chat.bob) as bob:
        await bob.say("join")
        assert (await bob.until("error"))["code"] == "conflict"
        await bob.post()


# -- sending -----------------------------------------------------------------------------------------------------------


async def test_a_message_is_acknowledged_and_comes_once_to_every_socket_of_every_member(chat, dm):
    async with joined(dm, chat.alice) as alice, joined(dm, chat.alice) as tablet, joined(dm, chat.bob) as bob:
        first = await alice.post("one")
        second = await bob.post("two")
        assert (first["seq"], second["seq"]) == (1, 2)
        for each in (alice, tablet, bob):
            assert await each.caught_up(2) == [1, 2]
            message = each.of("message")[0]["message"]
            assert (message["id"], message["sender"], message["content"]) == (first["id"], chat.alice, {"text": "one"})
            assert (message["kind"], message["conversation"]) == ("text", dm)


@on_sqlite
async def test_sending_again_by_the_same_client_id_is_acknowledged_alike_and_tells_nobody(chat, dm):
    async with joined(dm, chat.alice) as alice, joined(dm, chat.bob) as bob:
        first = await alice.post("one", client_id="a")
        again = await alice.post("another", client_id="a")
        assert (again["seq"], again["id"]) == (first["seq"], first["id"])
        await alice.post("two")
        assert await bob.caught_up(2) == [1, 2]
        assert await alice.caught_up(2) == [1, 2]


async def test_messages_of_one_socket_keep_their_order(chat, dm):
    async with joined(dm, chat.alice) as alice:
        for number in range(30):
            await alice.say("send", client_id=str(number), content={"n": number})
        await alice.caught_up(30)
        while len(alice.of("ack")) < 30:
            await alice.frame()
    assert [frame["message"]["content"]["n"] for frame in alice.of("message")] == list(range(30))
    assert {frame["client_id"]: frame["seq"] for frame in alice.of("ack")} == {str(n): n + 1 for n in range(30)}


async def test_there_is_no_hole_and_no_duplicate_wherever_one_joins_while_others_send(chat, group):
    chance = random.Random(7)
    total = 3 * 60

    async def watch(participant):
        """Come and go, each time from where one was, and return all that was seen."""
        seen = []
        while total not in seen:
            async with talking(f"/conversation/{group}", participant) as client:
                await client.join(seen[-1] if seen else 0)
                enough = min(total, (seen[-1] if seen else 0) + chance.randrange(1, 40))
                seen += await client.caught_up(enough)
        return seen

    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(watch(each)) for each in (chat.alice, chat.bob, chat.carol)]
        for each in (chat.alice, chat.bob, chat.carol):
            tasks.create_task(send(group, each, total // 3, each))
    for watched in watching:
        assert watched.result() == list(range(1, total + 1))


@on_sqlite
async def test_who_may_send_which_kind(chat, settings):
    robot_dm = (await gateway.acreate_conversation(chat.alice, [chat.robot])).conversation.id
    async with joined(robot_dm, chat.alice) as alice, joined(robot_dm, chat.robot) as robot:
        for kind in ("assistant", "system"):
            await alice.say("send", client_id=kind, content={}, kind=kind)
            refused = await alice.until("error", client_id=kind)
            assert (refused["code"], list(refused["fields"])) == ("invalid", ["kind"])
        await robot.say("send", client_id="system", content={}, kind="system")
        assert (await robot.until("error", client_id="system"))["code"] == "invalid"
        await alice.post(kind="tool_call")
        await robot.post(kind="assistant")
        await robot.post(kind="text")
        await alice.caught_up(3)
    assert [frame["message"]["kind"] for frame in alice.of("message")] == ["tool_call", "assistant", "text"]


@on_sqlite
async def test_the_system_may_send_all_kinds(chat):
    await gateway.acreate_participant("system:clock", "system")
    dm = (await gateway.acreate_conversation(chat.alice, ["system:clock"])).conversation.id
    async with joined(dm, "system:clock") as clock:
        for kind in ("text", "system", "tool_call", "assistant"):
            await clock.post(kind=kind)


# -- what else happens -------------------------------------------------------------------------------------------------


@on_sqlite
async def test_changes_are_told(chat, group):
    async with joined(group, chat.alice) as alice, joined(group, chat.bob) as bob:
        first, second = await alice.post("one"), await alice.post("two")
        await gateway.aedit(group, chat.alice, first["id"], {"text": "other"})
        await gateway.adelete(group, chat.alice, second["id"])
        await gateway.arename(group, chat.alice, "renamed")
        assert (await bob.until("edited"))["message"]["content"] == {"text": "other"}
        assert (await bob.until("deleted"))["message"]["id"] == second["id"]
        assert (await bob.until("conversation"))["conversation"]["title"] == "renamed"


@on_sqlite
async def test_reading_on_one_device_updates_the_others(chat, dm):
    async with joined(dm, chat.alice) as alice, joined(dm, chat.bob) as phone, joined(dm, chat.bob) as tablet:
        await alice.post()
        await alice.post()
        await phone.say("read", seq=1)
        for each in (phone, tablet, alice):
            told = await each.until("read")
            assert (told["participant"], told["last_read_seq"]) == (chat.bob, 1)
        await tablet.say("read")
        for each in (phone, tablet, alice):
            assert (await each.until("read"))["last_read_seq"] == 2


@on_sqlite
async def test_a_mark_of_what_is_not_there_is_an_error_and_one_that_goes_back_changes_nothing(chat, dm):
    async with joined(dm, chat.bob) as bob, joined(dm, chat.alice) as alice:
        await alice.post()
        await bob.say("read", seq=9)
        assert (await bob.until("error"))["code"] == "not_found"
        await bob.say("read", seq=1)
        await bob.say("read", seq=0)
        await bob.until("error", code="not_found")
        assert len(bob.of("read")) == 1


@on_sqlite
async def test_typing_is_told_to_the_others_with_its_end(chat, dm):
    async with joined(dm, chat.alice) as alice, joined(dm, chat.bob) as bob:
        await alice.say("typing")
        told = await bob.until("typing")
        assert (told["participant"], told["expires_in_ms"]) == (chat.alice, 6000)
        await bob.post()
        await alice.caught_up(1)
        assert not alice.of("typing")
    async with joined(dm, chat.bob) as later:
        await later.post()
        await later.caught_up(2)
        assert not later.of("typing")


@on_sqlite
async def test_presence_is_told(chat, dm):
    async with talking(f"/conversation/{dm}", chat.alice) as alice:
        assert (await alice.join())["present"] == [chat.alice]
        async with talking(f"/conversation/{dm}", chat.bob) as bob:
            assert (await bob.join())["present"] == [chat.alice, chat.bob]
            assert (await alice.until("presence"))["online"] is True
        told = await alice.until("presence")
        assert (told["participant"], told["online"]) == (chat.bob, False)


@on_sqlite
async def test_typing_and_presence_are_not_stored(chat, dm):
    before = await asyncio.to_thread(everything, chat.alias)
    async with joined(dm, chat.alice) as alice, joined(dm, chat.bob) as bob:
        await alice.say("typing")
        await bob.until("typing")
        await alice.until("presence")
    assert await asyncio.to_thread(everything, chat.alias) == before


@on_sqlite
async def test_chunks_of_an_answer_come_before_the_one_message(chat):
    dm = (await gateway.acreate_conversation(chat.alice, [chat.robot])).conversation.id
    async with joined(dm, chat.alice) as alice:
        for index, text in enumerate(("Hel", "lo")):
            await gateway.achunk(dm, chat.robot, "s", index, text)
        await send(dm, chat.robot, 1)
        await alice.caught_up(1)
    assert [(frame["index"], frame["text"], frame["stream"]) for frame in alice.of("stream_chunk")] == [
        (0, "Hel", "s"),
        (1, "lo", "s"),
    ]


# -- the end -----------------------------------------------------------------------------------------------------------


@on_sqlite
async def test_who_is_removed_is_told_and_let_go_and_hears_nothing_more(chat, group):
    async with joined(group, chat.alice) as alice, joined(group, chat.bob) as bob:
        await gateway.aremove_member(group, chat.alice, chat.bob)
        await gateway.aappend(Draft(group, chat.alice, {"text": "secret"}))
        assert await bob.close_code() == 4403
        assert bob.seen[-1] | {"frame": 0} == {
            "frame": 0,
            "type": "removed",
            "conversation": group,
            "participant": chat.bob,
        }
        assert bob.seqs() == []
        assert (await alice.until("removed"))["participant"] == chat.bob
        await alice.caught_up(1)


@on_sqlite
async def test_the_stop_of_the_worker_sends_clients_elsewhere(chat, dm):
    async with joined(dm, chat.alice) as alice:
        await sessions.astop(10)
        assert await alice.close_code() == 4012


@on_sqlite
async def test_while_the_worker_drains_a_message_is_to_be_sent_again(chat, dm):
    async with joined(dm, chat.alice) as alice:
        await alice.post()
        await gateway.adrain(10)
        await alice.say("send", client_id="late", content={})
        told = await alice.until("backpressure")
        assert (told["client_id"], told["reason"]) == ("late", "draining")
        assert told["retry_after_ms"] > 0


def everything(alias):
    """Return all that is stored."""
    models = (ParticipantRow, ConversationRow, Membership, MessageRow)
    try:
        return [list(model.objects.using(alias).order_by("pk").values()) for model in models]
    finally:
        from django.db import connections

        connections[alias].close()
