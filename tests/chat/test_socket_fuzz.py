"""Whatever comes through a socket is answered, or closes it by a documented code, and changes nothing."""

import asyncio
import json
from typing import NamedTuple

import pytest
from chat.talking import KEY, joined, talking
from django.db import connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from phoenix_sessions.contrib.chat.consumers.socket import ChatSocket
from phoenix_sessions.contrib.chat.models import (
    AgentEndpoint,
    ConversationRow,
    DeliveryLog,
    Membership,
    MessageRow,
    ParticipantRow,
)

pytestmark = [
    pytest.mark.parametrize("alias", ["sqlite"], indirect=True),
    # threads of the chat's take random numbers while hypothesis draws its own, which it takes for the strategies' doing
    pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies"),
]

BATCHES, FRAMES = 100, 100  # 10,000 frames
ERRORS = {"bad_frame", "too_large", "not_joined", "conflict", "unauthenticated", "not_found", "invalid", "forbidden"}
CLOSES = {4008, 4401}


@pytest.fixture
def chat(chat, settings):
    given = {**settings.PHOENIX_SESSIONS_CHAT, "SENDS_PER_SECOND": None, "MAX_CONTENT_BYTES": 2000}
    settings.PHOENIX_SESSIONS_CHAT = {**given, "JWT_KEY": KEY}
    return chat


@pytest.fixture
def patient(monkeypatch):
    """Sockets that answer as many bad frames as one likes, so that all are looked at."""
    for name in ("errors_per_second", "error_burst", "frames_per_second", "frame_burst"):
        monkeypatch.setattr(ChatSocket, name, 1e6)
    monkeypatch.setattr(ChatSocket, "max_unanswered", 1_000_000)


words = st.text(max_size=8)  # a hundred frames must fit into what hypothesis draws for one example
plain = st.none() | st.booleans() | st.floats() | words | st.integers()
lists, objects = st.lists(plain, max_size=3), st.dictionaries(words, plain, max_size=3)
anything = plain | lists | objects | st.lists(lists | objects, max_size=2) | st.dictionaries(words, lists, max_size=2)
no_text = st.none() | st.booleans() | st.integers() | lists | objects
no_object = st.none() | st.booleans() | st.integers() | lists | words
fractions = st.sampled_from([0.5, -7.25, 1e300, float("nan"), float("inf")])
no_place = st.booleans() | fractions | words | st.integers(-(2**70), -1) | st.integers(2**53 + 1, 2**70)
types = st.sampled_from(["auth", "join", "send", "read", "typing", "ack"])


class Large(NamedTuple):
    """A frame that is written when it is sent."""

    begin: str
    repeated: str
    times: int

    def written(self):
        return self.begin + self.repeated * self.times


def a_frame(**fields):
    """Frames with these fields."""
    return st.fixed_dictionaries(fields).map(json.dumps)


malformed_anywhere = st.one_of(
    st.text(st.characters(), max_size=30),  # lone surrogates, too
    st.binary(max_size=30),
    anything.map(json.dumps),
    types.map(lambda type: json.dumps({"type": type}).encode()),
    st.builds(Large, st.just(""), st.just("["), st.integers(1, 5000)),
    st.builds(Large, st.just('{"type":"send","client_id":"a","content":'), st.just('{"x":'), st.integers(1, 1000)),
    st.builds(Large, st.just('{"type":"send","client_id":"'), st.just("x"), st.integers(1, 100_000)),
    a_frame(type=words | no_text),
    a_frame(type=types, more=anything),
    a_frame(type=st.just("join"), after_seq=no_place),
    a_frame(type=st.just("read"), seq=no_place | st.integers(1_000_000, 2**53)),
    a_frame(type=st.just("ack"), ack=no_place | st.none() | st.integers(10_000_000, 2**53)),
    a_frame(type=st.just("auth"), token=no_text),
    a_frame(type=st.just("send"), client_id=words, content=no_object),
    a_frame(type=st.just("send"), client_id=no_text, content=st.just({})),
    a_frame(type=st.just("send"), client_id=st.just("a"), content=st.just({}), metadata=no_object),
    a_frame(type=st.just("send"), client_id=st.just("a"), content=st.just({}), kind=words | no_text),
    a_frame(type=st.just("send"), client_id=st.just("a"), content=st.just({}), kind=st.just("system")),
    a_frame(type=st.just("send"), client_id=st.just("a"), content=st.just({"x": "\0"})),
    a_frame(type=st.just("send"), client_id=st.just("a\0"), content=st.just({})),
)
too_much = a_frame(type=st.just("send"), client_id=st.just("a"), content=st.just({"x": "y" * 3000}))
malformed = malformed_anywhere | too_much


def stored(alias):
    """Return all that is stored."""
    try:
        models = (ParticipantRow, ConversationRow, Membership, MessageRow, AgentEndpoint, DeliveryLog)
        return [list(model.objects.using(alias).order_by("pk").values()) for model in models]
    finally:
        connections[alias].close()


async def attack(client, frames):
    """Send the frames and read the answer to each."""
    for frame in frames:
        await client.put(frame.written() if isinstance(frame, Large) else frame)
        answer = await client.frame()
        while answer["type"] == "presence":
            answer = await client.frame()
        assert answer["type"] == "error", (frame, answer)
        assert answer["code"] in ERRORS, (frame, answer)


wellformed = st.one_of(
    a_frame(type=st.just("send"), client_id=st.text("abc", min_size=1, max_size=3), content=objects),
    a_frame(type=st.just("read")),
    a_frame(type=st.just("read"), seq=st.integers(0, 3)),
    a_frame(type=st.just("typing")),
)

slow = settings(
    max_examples=BATCHES // 2,
    phases=[Phase.explicit, Phase.generate],  # what is wrong with a hundred frames is to be seen without shrinking
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
batches = st.lists(malformed, min_size=FRAMES, max_size=FRAMES)


@slow
@given(batches)
async def test_malformed_frames_are_answered_and_change_nothing(chat, dm, patient, batch):
    before = await asyncio.to_thread(stored, chat.alias)
    async with joined(dm, chat.bob) as other, joined(dm, chat.alice) as alice:
        await attack(alice, batch)
        assert await asyncio.to_thread(stored, chat.alias) == before
        await alice.post()
        await other.until("message")
        assert [frame["type"] for frame in other.seen if frame["type"] != "presence"] == ["joined", "message"]


@slow
@given(
    st.lists(malformed | wellformed, min_size=FRAMES, max_size=FRAMES), st.sampled_from(["a member", "a stranger", ""])
)
async def test_frames_of_who_has_not_joined_are_answered_and_change_nothing(chat, dm, patient, batch, who):
    before = await asyncio.to_thread(stored, chat.alias)
    participant = {"a member": chat.alice, "a stranger": chat.carol}.get(who)
    async with talking(f"/conversation/{dm}", participant) as client:
        await attack(client, batch)
        if participant == chat.alice:
            await client.join()
    assert await asyncio.to_thread(stored, chat.alias) == before


@settings(slow, max_examples=20)
@given(batches)
async def test_a_flood_of_them_closes_by_a_documented_code(chat, dm, batch):
    before = await asyncio.to_thread(stored, chat.alias)
    async with joined(dm, chat.alice) as client:
        for frame in 3 * batch:
            await client.put(frame.written() if isinstance(frame, Large) else frame)
        assert await client.close_code() in CLOSES
    assert await asyncio.to_thread(stored, chat.alias) == before


@settings(slow, max_examples=5)
@given(st.lists(malformed | wellformed, min_size=FRAMES, max_size=FRAMES))
async def test_frames_to_an_inbox_are_answered_and_change_nothing(chat, dm, patient, batch):
    before = await asyncio.to_thread(stored, chat.alias)
    async with talking(f"/inbox/{chat.alice}", chat.alice) as client:
        await client.until("snapshot")
        await attack(client, batch)
    assert await asyncio.to_thread(stored, chat.alias) == before
