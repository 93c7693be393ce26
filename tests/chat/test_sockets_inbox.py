"""The socket of an inbox: the snapshot at once, and then what changes."""

import pytest
from chat.talking import KEY, joined, talking

from phoenix_sessions import sessions
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.types import Draft


@pytest.fixture
def chat(chat, settings):
    """The chat, with tokens, for as many messages as one likes."""
    given = settings.PHOENIX_SESSIONS_CHAT
    settings.PHOENIX_SESSIONS_CHAT = {**given, "JWT_KEY": KEY, "SENDS_PER_SECOND": None}
    return chat


on_sqlite = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)


def inbox(participant):
    return talking(f"/inbox/{participant}", participant)


async def until_unread(client, conversation, count):
    """Read until the conversation has so many unread messages, and return the frame that says so."""
    while True:
        frame = await client.frame()
        assert frame["type"] in ("snapshot", "delta")
        for item in frame["items"]:
            if item["conversation"]["id"] == conversation and item["unread"] == count:
                return frame


async def test_the_snapshot_comes_at_once_by_activity(chat, dm, group):
    await gateway.aappend(Draft(dm, chat.alice, {"text": "hello"}))
    async with inbox(chat.bob) as bob:
        frame = await bob.frame()
    assert frame["type"] == "snapshot"
    assert [(item["conversation"]["id"], item["unread"]) for item in frame["items"]] == [(dm, 1), (group, 0)]
    assert frame["items"][0]["last_message"]["text"] == "hello"


async def test_what_is_sent_changes_the_inboxes_of_all_members_and_the_senders_stays_read(chat, dm):
    async with inbox(chat.alice) as alice, inbox(chat.bob) as bob:
        await alice.until("snapshot")
        await bob.until("snapshot")
        await gateway.aappend(Draft(dm, chat.alice, {"text": "one"}))
        assert (await until_unread(bob, dm, 1))["type"] == "delta"
        while True:
            (item,) = (await alice.until("delta"))["items"]
            assert item["unread"] == 0
            if item["last_message"] is not None:
                break


@on_sqlite
async def test_reading_in_a_conversation_updates_the_inboxes_of_all_devices(chat, dm):
    await gateway.aappend(Draft(dm, chat.alice, {"text": "one"}))
    async with inbox(chat.bob) as phone, inbox(chat.bob) as tablet, joined(dm, chat.bob) as page:
        await until_unread(phone, dm, 1)
        await until_unread(tablet, dm, 1)
        await page.say("read")
        await until_unread(phone, dm, 0)
        await until_unread(tablet, dm, 0)


@on_sqlite
async def test_deltas_are_sorted_by_activity(chat, dm, group):
    async with inbox(chat.bob) as bob:
        for number in range(20):
            await gateway.aappend(Draft(group if number % 2 else dm, chat.alice, {"n": number}))
        seen = {}
        while any(seen.get(each) != 10 for each in (dm, group)):
            items = (await bob.frame())["items"]
            assert [item["active_at"] for item in items] == sorted((item["active_at"] for item in items), reverse=True)
            seen |= {item["conversation"]["id"]: item["unread"] for item in items}


@on_sqlite
async def test_a_new_conversation_comes(chat):
    async with inbox(chat.bob) as bob:
        assert (await bob.frame())["items"] == []
        created = (await gateway.acreate_conversation(chat.alice, [chat.bob])).conversation
        assert [item["conversation"]["id"] for item in (await bob.until("delta"))["items"]] == [created.id]


@on_sqlite
async def test_what_is_archived_and_what_one_is_no_more_in_goes(chat, dm, group):
    async with inbox(chat.bob) as bob:
        await bob.until("snapshot")
        await gateway.aarchive(dm, chat.alice)
        assert await gone_next(bob) == [dm]
        await gateway.aremove_member(group, chat.alice, chat.bob)
        assert await gone_next(bob) == [group]


async def gone_next(client):
    """What the next frame that says so says has gone."""
    while True:
        if gone := (await client.until("delta"))["gone"]:
            return gone


@on_sqlite
async def test_nothing_but_acknowledgements_is_taken(chat, dm):
    async with inbox(chat.bob) as bob:
        await bob.until("snapshot")
        for frame in ({"type": "join"}, {"type": "typing"}, {"type": "send", "client_id": "a", "content": {}}):
            await bob.say(**frame)
            refused = await bob.until("error")
            assert (refused["code"], refused.get("client_id")) == ("bad_frame", frame.get("client_id"))
        await gateway.aappend(Draft(dm, chat.alice, {"text": "one"}))
        await until_unread(bob, dm, 1)


@on_sqlite
async def test_the_stop_of_the_worker_sends_clients_elsewhere(chat, dm):
    async with inbox(chat.bob) as bob:
        await bob.until("snapshot")
        await sessions.astop(10)
        assert await bob.close_code() == 4012
