"""What a client sends in vain is answered, and what it does not read costs no more than its window."""

import asyncio
import gc
import json

import pytest
from channels.layers import get_channel_layer
from chat.talking import KEY, application, joined, talking, token

from phoenix_sessions import pump
from phoenix_sessions.contrib.chat.consumers import ConversationConsumer, codes
from phoenix_sessions.contrib.chat.consumers.flood import Bucket
from phoenix_sessions.contrib.chat.consumers.frames import BadFrame, Joined, decode
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.types import Draft

pytestmark = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)


@pytest.fixture
def chat(chat, settings):
    """The chat, with tokens, for as many messages as one likes."""
    given = settings.PHOENIX_SESSIONS_CHAT
    settings.PHOENIX_SESSIONS_CHAT = {**given, "JWT_KEY": KEY, "SENDS_PER_SECOND": None}
    return chat


MALFORMED = {
    "binary": b"\x00\xff",
    "binary JSON": b'{"type":"typing"}',
    "empty": "",
    "no JSON": "hello",
    "half of it": '{"type":"send"',
    "no object": "[1,2,3]",
    "nothing": "null",
    "no type": "{}",
    "an unknown type": '{"type":"shout"}',
    "a type that is no text": '{"type":7}',
    "an event of the server's": '{"type":"message","message":{}}',
    "a field too many": '{"type":"typing","for":"ever"}',
    "a place that is no number": '{"type":"join","after_seq":"1"}',
    "a place before the first": '{"type":"read","seq":-1}',
    "a place beyond all": '{"type":"read","seq":1e300}',
    "no content": '{"type":"send","client_id":"a"}',
    "content that is text": '{"type":"send","client_id":"a","content":"hello"}',
    "content that is nothing": '{"type":"send","client_id":"a","content":null}',
    "no client_id": '{"type":"send","content":{}}',
    "an empty client_id": '{"type":"send","client_id":"","content":{}}',
    "a long client_id": json.dumps({"type": "send", "client_id": "x" * 129, "content": {}}),
    "an unknown kind": '{"type":"send","client_id":"a","content":{},"kind":"shout"}',
    "an acknowledgement of nothing": '{"type":"ack","ack":999}',
    "deep": "[" * 100_000,
    "a lone surrogate": '"\ud800"',
}


@pytest.mark.parametrize("malformed", MALFORMED)
@pytest.mark.parametrize("before", [True, False], ids=["before joining", "after joining"])
async def test_what_is_malformed_gets_an_error_and_the_socket_lives_on(chat, dm, malformed, before):
    async with talking(f"/conversation/{dm}", chat.alice) as alice:
        if not before:
            await alice.join()
        await alice.put(MALFORMED[malformed])
        assert (await alice.until("error"))["code"] == "bad_frame"
        if before:
            await alice.join()
        assert (await alice.post())["seq"] == 1


async def test_a_bad_message_is_named_if_that_can_be_read(chat, dm):
    async with joined(dm, chat.alice) as alice:
        await alice.say("send", client_id="mine", content="hello")
        assert (await alice.until("error"))["client_id"] == "mine"


async def test_a_huge_frame_gets_an_error_and_the_socket_lives_on(chat, dm):
    async with joined(dm, chat.alice) as alice:
        await alice.say("send", client_id="a", content={"text": "x" * 5_000_000})
        assert (await alice.until("error"))["code"] == "too_large"
        assert (await alice.post())["seq"] == 1


@pytest.mark.parametrize("text", ["x" * 64 * 1024, "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 22_000])
async def test_content_that_is_too_large_is_refused_by_name(chat, dm, text):
    async with joined(dm, chat.alice) as alice:
        await alice.say("send", client_id="a", content={"text": text})
        assert (await alice.until("error", client_id="a"))["code"] == "too_large"


async def test_what_storage_refuses_says_which_field(chat, dm):
    async with joined(dm, chat.alice) as alice:
        await alice.say("send", client_id="a", content={"text": "\0"})
        refused = await alice.until("error", client_id="a")
        assert (refused["code"], list(refused["fields"])) == ("invalid", ["content"])


async def test_no_message_goes_to_a_closed_conversation(chat, dm):
    async with joined(dm, chat.alice) as alice:
        await gateway.aclose(dm, chat.alice)
        await alice.say("send", client_id="a", content={})
        assert (await alice.until("error", client_id="a"))["code"] == "closed"


async def test_a_flood_of_errors_closes(chat, dm):
    async with joined(dm, chat.alice) as alice:
        for _ in range(1000):
            await alice.put("nonsense")
        assert await alice.close_code() == 4008
        assert len(alice.of("error")) <= 150


async def test_a_flood_of_frames_is_rate_limited(chat, dm, monkeypatch):
    monkeypatch.setattr(ConversationConsumer, "frames_per_second", 0.001)
    monkeypatch.setattr(ConversationConsumer, "frame_burst", 3)
    async with joined(dm, chat.alice) as alice:
        for _ in range(3):
            await alice.say("read")
        refused = await alice.until("error")
        assert refused["code"] == "rate_limited"
        assert refused["retry_after_ms"] > 0
        await alice.post()


async def test_too_many_messages_in_a_second_are_rate_limited(chat, dm, settings):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "SENDS_PER_SECOND": 0.001}
    async with joined(dm, chat.alice) as alice:
        await alice.post()
        await alice.say("send", client_id="second", content={})
        refused = await alice.until("error", client_id="second")
        assert refused["code"] == "rate_limited"
        assert refused["retry_after_ms"] > 0


async def test_too_many_messages_without_an_answer_are_pushed_back(chat, dm, monkeypatch):
    monkeypatch.setattr(ConversationConsumer, "max_unanswered", 2)
    async with joined(dm, chat.alice) as alice:
        for number in range(5):
            await alice.say("send", client_id=str(number), content={})
        pushed = [await alice.until("backpressure") for _ in range(3)]
        assert [frame["client_id"] for frame in pushed] == ["2", "3", "4"]
        assert {(frame["reason"], frame["retry_after_ms"] > 0) for frame in pushed} == {("socket", True)}
        while len(alice.of("ack")) < 2:
            await alice.frame()
        assert (await alice.post(client_id="2"))["seq"] == 3


async def test_an_error_does_not_repeat_all_that_came(chat, dm):
    async with joined(dm, chat.alice) as alice:
        for field in ("type", "kind", "x"):
            await alice.put(json.dumps({"type": "send", "client_id": "a", "content": {}, field: "y" * 200_000}))
            await alice.put(json.dumps({"type": "send", "client_id": "a", "content": {}, "y" * 200_000: 1}))
            for _ in range(2):
                assert len((await alice.until("error"))["message"]) < 300


async def test_refusals_are_counted_by_their_codes(chat, dm, monkeypatch):
    before = gateway.counters.now().refusals
    monkeypatch.setattr(ConversationConsumer, "max_unanswered", 1)
    async with joined(dm, chat.alice) as alice:
        await alice.put("nonsense")
        await alice.say("read", seq=9)
        await alice.say("typing")  # too much is not answered yet
        assert {(await alice.frame())["type"] for _ in range(3)} == {"error", "backpressure"}
    for bearer, code in ((token(chat.carol), 4403), ("wrong", 4401)):
        async with talking(f"/conversation/{dm}", bearer=bearer) as stranger:
            await stranger.say("join")
            assert await stranger.close_code() == code
    after = gateway.counters.now().refusals
    new = {code: count - before.get(code, 0) for code, count in after.items() if count != before.get(code, 0)}
    assert new == {"bad_frame": 1, "not_found": 1, "backpressure": 1, "unauthorized": 1, "unauthenticated": 1}


async def test_the_first_page_is_not_kept_once_it_is_sent(chat, dm):
    await gateway.aappend(Draft(dm, chat.alice, {"text": "one"}))
    async with joined(dm, chat.bob) as bob:
        await bob.say("read")
        await bob.until("read")
        assert not [each for each in gc.get_objects() if type(each) is Joined]  # isinstance would wake lazy objects


async def test_a_sites_channel_layer_is_not_listened_to(chat, dm, settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    async with joined(dm, chat.bob):
        assert not get_channel_layer().channels


async def test_what_a_server_does_not_take_any_more_is_no_fault(chat, dm, caplog):
    """As with uvicorn, once pings were in vain: it raises, and says later that the client has gone."""
    incoming, outgoing, in_vain = asyncio.Queue(), asyncio.Queue(), asyncio.Event()

    async def send(message):
        if in_vain.is_set() or "hello" in message.get("text", ""):
            in_vain.set()
            raise RuntimeError("Unexpected ASGI message")
        await outgoing.put(message)

    scope = {"type": "websocket", "path": f"/conversation/{dm}", "subprotocols": [f"bearer.{token(chat.bob)}"]}
    serving = asyncio.create_task(application(scope, incoming.get, send))
    for message in ({"type": "websocket.connect"}, {"type": "websocket.receive", "text": '{"type":"join"}'}):
        await incoming.put(message)
        await outgoing.get()
    await gateway.aappend(Draft(dm, chat.alice, {"text": "hello"}))
    await in_vain.wait()
    await gateway.aappend(Draft(dm, chat.alice, {"text": "hello"}))
    await incoming.put({"type": "websocket.disconnect", "code": 1006})
    await serving
    assert not [record for record in caplog.records if record.name.startswith("phoenix_sessions")]


# -- clients that do not read ------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(monkeypatch):
    """Sockets with a window of four frames, and little patience."""
    monkeypatch.setattr(ConversationConsumer, "window_size", 4)
    monkeypatch.setattr(ConversationConsumer, "ack_timeout", 0.5)


async def test_who_does_not_acknowledge_is_sent_no_more_than_the_window_and_let_go(chat, dm, narrow):
    async with joined(dm, chat.bob, acknowledges=False) as bob:
        for number in range(30):
            await gateway.aappend(Draft(dm, chat.alice, {"n": number}))
        assert await bob.close_code() == 4408
        assert len(bob.seen) == 4


async def test_errors_too_wait_for_the_window(chat, dm, narrow):
    async with joined(dm, chat.bob, acknowledges=False) as bob:
        for _ in range(50):
            await bob.put("nonsense")
        assert await bob.close_code() == 4408
        assert len(bob.seen) == 4


async def test_who_is_slow_is_given_everything(chat, dm, monkeypatch):
    monkeypatch.setattr(ConversationConsumer, "window_size", 2)
    async with joined(dm, chat.bob) as bob:
        for number in range(50):
            await gateway.aappend(Draft(dm, chat.alice, {"n": number}))
        assert await bob.caught_up(50) == list(range(1, 51))


async def test_what_was_sent_is_stored_and_told_though_its_sender_has_left(chat, dm):
    async with joined(dm, chat.bob) as bob:
        async with joined(dm, chat.alice) as alice:
            await alice.say("send", client_id="last", content={"text": "bye"})
            await alice.until("ack", client_id="last")
        assert await bob.caught_up(1) == [1]


# -- parts -------------------------------------------------------------------------------------------------------------


def test_a_bucket_holds_its_burst_and_refills(alias):
    bucket = Bucket(rate=2, burst=3)
    assert [bucket.take(100.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert [bucket.take(101.0) for _ in range(3)] == [0, 0, 0.5]
    assert [bucket.take(999.0) for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_frame_may_be_as_large_as_is_said(alias):
    text = '{"type":"auth","token":"xx"}'
    assert decode(text, len(text)).token == "xx"
    with pytest.raises(BadFrame) as caught:
        decode(text, len(text) - 1)
    assert caught.value.code == "too_large"


async def test_a_client_that_was_closed_is_not_listened_to(chat, dm):
    async with joined(dm, chat.alice) as alice:
        for _ in range(300):
            await alice.put("nonsense")
        await alice.say("send", client_id="late", content={})
        assert await alice.close_code() == 4008
    assert (await gateway.ahistory(dm, chat.bob)).last_seq == 0


def test_close_codes_are_the_cores_for_what_they_mean_there(alias):
    same = ("POLICY", "RECONNECT", "SERVER_ERROR", "TOO_SLOW", "TRY_LATER")
    assert [getattr(codes, name) for name in same] == [getattr(pump, name) for name in same]
    assert pump.NO_SESSION == codes.UNAUTHENTICATED
    assert codes.FORBIDDEN not in vars(pump).values()
