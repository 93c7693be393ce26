"""Who may not be here learns nothing, and is let go with a code that says why."""

import asyncio
import json
import threading

import jwt
import pytest
from channels.db import database_sync_to_async
from chat.calling import forged, make_pair
from chat.talking import KEY, joined, talking, token
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.test import Client as Browser

from phoenix_sessions.contrib.chat import auth
from phoenix_sessions.contrib.chat.consumers.socket import ChatSocket
from phoenix_sessions.contrib.chat.consumers.standing import scope_now
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.types import Draft

pytestmark = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)

SECRET = "the-secret-that-was-said"


@pytest.fixture
def chat(chat, settings):
    """The chat, with tokens."""
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "JWT_KEY": KEY}
    return chat


@pytest.fixture
def dm(chat, dm):
    """A conversation with something in it."""
    gateway.append(Draft(dm, chat.alice, {"text": SECRET}))
    return dm


def at(conversation):
    return f"/conversation/{conversation}"


async def turned_away(client):
    """Join, and return the close code; nothing else was said."""
    await client.say("join")
    code = await client.close_code()
    assert {frame["type"] for frame in client.seen} <= {"error"}
    assert SECRET not in json.dumps(client.seen)
    return code


# -- members -----------------------------------------------------------------------------------------------------------


async def test_who_is_no_member_is_told_the_same_as_of_a_conversation_that_is_not_there(chat, dm):
    told = []
    for conversation in (dm, "01HZZZZZZZZZZZZZZZZZZZZZZZ", "what's this?"):
        async with talking(at(conversation), chat.carol) as carol:
            assert await turned_away(carol) == 4403
            told.append(carol.seen)
    assert told[0] == told[1] == told[2]


async def test_who_is_disabled_is_turned_away(chat, dm):
    await gateway.aset_participant_status(chat.bob, "disabled")
    for path in (at(dm), f"/inbox/{chat.bob}"):
        async with talking(path, chat.bob) as bob:
            assert await turned_away(bob) == 4403


async def test_who_is_no_participant_is_turned_away(chat, dm):
    async with talking(at(dm), "user:nobody") as nobody:
        assert await turned_away(nobody) == 4403


async def test_another_ones_inbox_is_not_shown(chat, dm):
    async with talking(f"/inbox/{chat.alice}", chat.bob) as bob:
        assert await turned_away(bob) == 4403


# -- tokens ------------------------------------------------------------------------------------------------------------

WRONG = {
    "expired": lambda: token("user:bob", seconds=-60),
    "signed with another key": lambda: token("user:bob", key="another-key-" + "y" * 40),
    "not signed": lambda: jwt.encode({"sub": "user:bob", "exp": 2**33}, None, algorithm="none"),
    "of another algorithm": lambda: token("user:bob", key=KEY + "z" * 40, algorithm="HS512"),
    "without end": lambda: jwt.encode({"sub": "user:bob"}, KEY, algorithm="HS256"),
    "for somebody else": lambda: token("user:bob", aud="elsewhere"),
    "without anybody": lambda: jwt.encode({"exp": 2**33}, KEY, algorithm="HS256"),
    "of nobody": lambda: token("no participant's id"),
    "empty": lambda: "",
    "no token": lambda: "user:bob",
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_token_closes(chat, dm, wrong):
    async with talking(at(dm), bearer=WRONG[wrong]()) as client:
        assert await turned_away(client) == 4401


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_token_in_the_first_frame_closes(chat, dm, wrong):
    async with talking(at(dm)) as client:
        await client.say("auth", token=WRONG[wrong]())
        assert await turned_away(client) == 4401


async def test_a_token_in_the_url_is_not_looked_at(chat, dm, monkeypatch):
    monkeypatch.setattr(ChatSocket, "auth_timeout", 0.05)
    async with talking(f"{at(dm)}?token={token(chat.bob)}&bearer={token(chat.bob)}") as client:
        assert await client.close_code() == 4401
        assert [frame["code"] for frame in client.seen] == ["unauthenticated"]


async def test_only_the_name_of_the_protocol_is_answered_never_the_token(chat, dm):
    async with talking(at(dm), chat.bob) as bob:
        assert bob.subprotocol == "phoenix-chat"


async def test_the_token_may_come_in_the_first_frame(chat, dm):
    async with talking(at(dm)) as bob:
        await bob.say("join")
        assert (await bob.frame())["code"] == "unauthenticated"
        await bob.say("auth", token=token(chat.bob))
        assert (await bob.join())["last_seq"] == 1
        await bob.say("auth", token=token(chat.alice))
        assert (await bob.until("error"))["code"] == "conflict"
        assert (await bob.post())["seq"] == 2
        assert (await gateway.ahistory(dm, chat.alice)).messages[-1].sender == chat.bob


async def test_who_does_not_say_who_it_is_in_time_is_let_go(chat, dm, monkeypatch):
    monkeypatch.setattr(ChatSocket, "auth_timeout", 0.05)
    async with talking(at(dm)) as client:
        assert await client.close_code() == 4401


async def test_a_token_that_expires_ends_the_socket(chat, dm, monkeypatch):
    monkeypatch.setattr(ChatSocket, "recheck_seconds", 0.05)
    monkeypatch.setattr(auth, "_LEEWAY", 600)
    async with talking(at(dm), bearer=token(chat.bob, seconds=-60)) as bob:
        await bob.join()
        monkeypatch.setattr(auth, "_LEEWAY", 10)
        assert await bob.close_code() == 4401


async def test_who_is_disabled_meanwhile_is_let_go(chat, dm, monkeypatch):
    monkeypatch.setattr(ChatSocket, "recheck_seconds", 0.05)
    async with joined(dm, chat.bob) as bob, joined(dm, chat.alice) as alice:
        await gateway.aset_participant_status(chat.bob, "disabled")
        assert await bob.close_code() == 4403
        await alice.post()


@pytest.mark.parametrize("first", [True, False], ids=["in the subprotocol", "in the first frame"])
async def test_a_public_key_signs_no_token_of_a_socket(chat, dm, settings, first):
    _, public = make_pair()
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "JWT_KEY": public, "JWT_ALGORITHMS": ["RS256"]}
    async with talking(at(dm), bearer=forged(chat.bob, public) if first else None) as client:
        if not first:
            await client.say("auth", token=forged(chat.bob, public))
        assert await turned_away(client) == 4401


# -- the site's session ------------------------------------------------------------------------------------------------


async def test_who_is_logged_in_needs_no_token(chat, dm):
    await gateway.acreate_participant("user:7")
    await gateway.acreate_conversation("user:7", [chat.bob])
    async with talking("/inbox/user:7", scope={"user": User(pk=7)}) as seven:
        assert len((await seven.frame())["items"]) == 1


async def test_a_wrong_token_is_not_made_good_by_a_session(chat, dm):
    await gateway.acreate_participant("user:7")
    async with talking("/inbox/user:7", bearer="wrong", scope={"user": User(pk=7)}) as seven:
        assert await turned_away(seven) == 4401


async def test_who_is_not_logged_in_may_still_send_a_token(chat, dm):
    async with talking(at(dm), scope={"user": AnonymousUser()}) as bob:
        await bob.say("auth", token=token(chat.bob))
        await bob.join()


def expire(user, browser):
    session = browser.session
    session.set_expiry(-1)
    session.save()


def change_password(user, browser):
    user.set_password("another")
    user.save()


def deactivate(user, browser):
    user.is_active = False
    user.save()


def become_another(user, browser):
    browser.force_login(User.objects.create_user("eve"))


ENDS = {
    "logs out": lambda user, browser: browser.logout(),
    "has a session that is flushed": lambda user, browser: browser.session.flush(),
    "has a session that expires": expire,
    "has another password": change_password,
    "is inactive": deactivate,
    "logs in as somebody else": become_another,
    "is deleted": lambda user, browser: user.delete(),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ENDS)
async def test_the_socket_ends_with_the_session_of_who(chat, monkeypatch, end):
    monkeypatch.setattr(ChatSocket, "recheck_seconds", 0.05)
    user, browser = await database_sync_to_async(log_in)()
    await gateway.acreate_participant(f"user:{user.pk}")
    scope = {"user": user, "session": SessionStore(browser.cookies["sessionid"].value)}
    async with talking(f"/inbox/user:{user.pk}", scope=scope) as client:
        await client.until("snapshot")
        assert (await scope_now(scope))["user"] == user
        await database_sync_to_async(ENDS[end])(user, browser)
        assert await client.close_code() == 4401


def log_in():
    user, browser = User.objects.create_user("ann"), Browser()
    browser.force_login(user)
    return user, browser


async def test_how_long_it_takes_to_find_out_who_comes_is_not_held_against_a_client(chat, dm, monkeypatch):
    monkeypatch.setattr(ChatSocket, "auth_timeout", 0.05)
    busy, loop = threading.Event(), asyncio.get_running_loop()
    async with talking(at(dm)) as bob:
        waiting = [loop.run_in_executor(None, busy.wait, 30) for _ in range(50)]  # no thread is free
        await bob.say("auth", token=token(chat.bob))
        await asyncio.sleep(0.2)
        busy.set()
        await asyncio.gather(*waiting)
        assert (await bob.join())["last_seq"] == 1


async def test_a_stranger_hears_nothing_of_what_happens(chat, dm):
    async with joined(dm, chat.alice) as alice, talking(at(dm), chat.carol) as carol:
        await carol.say("typing")
        await carol.say("read")
        await carol.say("send", client_id="x", content={})
        await alice.post(SECRET)
        assert [(await carol.frame())["code"] for _ in range(3)] == ["not_joined"] * 3
        assert await turned_away(carol) == 4403
        assert not alice.of("typing")
        assert alice.seqs() == [1, 2]


# -- when who comes cannot be told -------------------------------------------------------------------------------------


async def test_while_the_database_does_not_answer_clients_are_to_come_back(chat, dm, tmp_path):
    name = connections.settings[chat.alias]["NAME"]
    connections.settings[chat.alias]["NAME"] = str(tmp_path)  # a directory is no database
    async with talking(at(dm), chat.bob) as bob:
        assert await bob.close_code() == 4013
    connections.settings[chat.alias]["NAME"] = name
    assert [frame["code"] for frame in bob.seen] == ["unavailable"]
    async with joined(dm, chat.bob) as bob:
        await bob.post()


class Broken:
    """A user that a site's code cannot make sense of."""

    @property
    def is_authenticated(self):
        raise RuntimeError("on purpose")


async def test_a_fault_of_the_server_is_logged_and_not_shown(chat, dm, caplog):
    async with talking(at(dm), scope={"user": Broken()}) as client:
        assert await client.close_code() == 4011
    assert client.seen == []
    assert "on purpose" in caplog.text
