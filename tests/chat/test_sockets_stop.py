"""The worker's stop: every socket is told to come back elsewhere, whatever it is at."""

import pytest
from chat.talking import KEY, joined, talking

from phoenix_sessions import sessions
from phoenix_sessions.contrib.chat.consumers import ConversationConsumer, leaving
from phoenix_sessions.contrib.chat.consumers.leaving import OpenSockets, open_sockets
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.types import Draft

pytestmark = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)


@pytest.fixture
def chat(chat, settings):
    """The chat, with tokens."""
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "JWT_KEY": KEY}
    return chat


async def test_who_has_not_joined_and_who_has_not_said_who_it_is_are_sent_elsewhere(chat, dm):
    path = f"/conversation/{dm}"
    async with talking(path, chat.alice) as alice, talking(path) as nobody, joined(dm, chat.bob) as bob:
        await sessions.astop(10)
        assert [await each.close_code() for each in (alice, nobody, bob)] == [4012] * 3
        assert not len(open_sockets)


async def test_who_comes_to_a_worker_that_stops_is_sent_elsewhere_at_once(chat, dm):
    await sessions.astop(10)
    for path in (f"/conversation/{dm}", f"/inbox/{chat.alice}"):
        async with talking(path, chat.alice) as alice:
            assert await alice.close_code() == 4012
            assert alice.seen == []


async def test_who_does_not_read_is_sent_elsewhere_too(chat, dm, monkeypatch):
    monkeypatch.setattr(ConversationConsumer, "window_size", 2)
    async with joined(dm, chat.bob, acknowledges=False) as bob:
        for number in range(4):
            await gateway.aappend(Draft(dm, chat.alice, {"n": number}))
        await sessions.astop(10)
        assert await bob.close_code() == 4012


async def test_what_was_sent_before_the_stop_is_acknowledged(chat, dm):
    async with joined(dm, chat.alice) as alice:
        for number in range(10):
            await alice.say("send", client_id=str(number), content={})
        await alice.until("ack")
        await sessions.astop(10)
        assert await alice.close_code() == 4012
        assert {frame["client_id"] for frame in alice.of("ack")} == {str(number) for number in range(10)}


async def test_sockets_are_forgotten_when_they_are_closed(chat, dm):
    async with joined(dm, chat.alice):
        assert len(open_sockets) == 1
    assert not len(open_sockets)


class Deaf:
    """A socket whose client never goes."""

    following = True

    def send_away(self):
        pass


async def test_the_stop_does_not_wait_for_ever_for_those_who_stay(chat, monkeypatch):
    monkeypatch.setattr(leaving, "LEAVE_SECONDS", 0.05)
    monkeypatch.setattr(leaving, "open_sockets", sockets := OpenSockets())
    sockets.add(deaf := Deaf())
    assert await sessions.astop(10)
    sockets.discard(deaf)
