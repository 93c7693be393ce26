"""Whoever has no business in a conversation is told of nothing there, and changes nothing there."""

import asyncio
import json

import pytest
from chat.refusing import code
from chat.talking import KEY, joined, talking, token
from chat.test_socket_fuzz import stored
from chat.test_sockets_strangers import WRONG
from django.db import connections
from django.test.utils import CaptureQueriesContext

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.joins import read_join
from phoenix_sessions.contrib.chat.types import Draft

pytestmark = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)

SECRET = "the-secret-that-was-said"
UNKNOWN = "01HZZZZZZZZZZZZZZZZZZZZZZZ"

FRAMES = [
    {"type": "join"},
    {"type": "join", "after_seq": 0},
    {"type": "send", "client_id": "x", "content": {"text": "hello"}},
    {"type": "read"},
    {"type": "typing"},
    {"type": "ack", "ack": 1},
]
"""All that a client may send, but for who it is."""

TOLD = {
    "message", "edited", "deleted", "read", "conversation", "removed", "typing", "presence", "stream_chunk",
}  # fmt: skip
"""All that a member is told of others."""

STRANGERS = {
    "no member": (lambda: token("user:carol"), 4403),
    "disabled": (lambda: token("user:eve"), 4403),
    "no participant": (lambda: token("user:nobody"), 4403),
    **{f"with a token {wrong}": (make, 4401) for wrong, make in WRONG.items()},
}


@pytest.fixture
def chat(chat, settings):
    """The chat, with tokens, and with Eve, who is disabled."""
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "JWT_KEY": KEY}
    storage.create_participant("user:eve")
    return chat


@pytest.fixture
def talk(chat):
    """A group of Alice, Bob and Eve, in which something was said."""
    talk = storage.create_conversation(chat.alice, [chat.bob, "user:eve"], title=SECRET).conversation.id
    gateway.append(Draft(talk, chat.alice, {"text": SECRET}))
    storage.set_participant_status("user:eve", "disabled")
    return talk


async def turned_away(client, frame):
    """Send a frame, and join; return the close code. Nothing is said but why."""
    await client.say(**frame)
    await client.say("join")
    code = await client.close_code()
    assert {frame["type"] for frame in client.seen} <= {"error"}
    assert SECRET not in json.dumps(client.seen)
    return code


@pytest.mark.parametrize("who", STRANGERS)
async def test_no_frame_of_a_stranger_changes_or_tells_anything(chat, talk, who):
    make, expected = STRANGERS[who]
    async with joined(talk, chat.alice) as alice:
        before = await asyncio.to_thread(stored, chat.alias)
        for frame in FRAMES:
            for path in (f"/conversation/{talk}", f"/inbox/{chat.alice}"):
                async with talking(path, bearer=make()) as stranger:
                    assert await turned_away(stranger, frame) == expected
        assert await asyncio.to_thread(stored, chat.alias) == before
        await alice.post()
        await alice.caught_up(2)
    assert {frame["type"] for frame in alice.seen} == {"joined", "ack", "message"}


async def test_nothing_that_happens_is_told_to_strangers(chat, talk):
    async with (
        joined(talk, chat.alice) as alice,
        talking(f"/conversation/{talk}", chat.carol) as carol,
        talking(f"/inbox/{chat.carol}", chat.carol) as inbox,
        talking(f"/conversation/{talk}") as nobody,
    ):
        await everything_happens(chat, talk, alice)
        assert {frame["type"] for frame in alice.seen} >= TOLD
        for each, code in ((carol, 4403), (nobody, None)):
            await each.say("join")
            assert (await each.frame())["type"] == "error"
            assert len(each.seen) == 1
            if code is not None:
                assert await each.close_code() == code
        await gateway.acreate_conversation(chat.carol, [chat.bob])
        await inbox.until("delta")
        assert [len(frame["items"]) for frame in inbox.seen] == [0, 1]
        assert SECRET not in json.dumps(inbox.seen)


async def everything_happens(chat, talk, alice):
    """Have a member see one of each."""
    async with joined(talk, chat.bob) as bob:
        sent = await bob.post(SECRET)
        await bob.say("typing")
        await bob.say("read")
        await gateway.achunk(talk, chat.bob, "s", 0, SECRET)
        await gateway.aedit(talk, chat.bob, sent["id"], {"text": f"{SECRET}!"})
        await gateway.adelete(talk, chat.bob, sent["id"])
        await gateway.arename(talk, chat.alice, f"{SECRET}?")
        await gateway.aremove_member(talk, chat.alice, chat.bob)
        await bob.close_code()
    while not {frame["type"] for frame in alice.seen} >= TOLD:
        await alice.frame()


def test_a_conversation_of_others_is_asked_for_as_one_that_is_not_there(chat, talk):
    asked = []
    for conversation in (talk, UNKNOWN):
        with CaptureQueriesContext(connections[chat.alias]) as queries:
            assert code(read_join, conversation, chat.carol, None) == "unauthorized"
        asked.append([query["sql"].replace(conversation, "…") for query in queries])
    assert asked[0] == asked[1]
