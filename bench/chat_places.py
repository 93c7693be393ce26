"""Who talks where in the chat's bench: participants, conversations and members.

Rules:
    1. In this process, for both chats: one database has the tables of both, and each conversation has two members.
    2. Over HTTP, for ours that is there already: each conversation has its share of the participants.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import httpx
import jwt

from .site import configure

MEMBERS = 2

Place = tuple[str, str, str]
"""A participant, its token, its conversation."""


def set_up(database: dict[str, Any]) -> None:
    """Set Django up with both chats, and make their tables."""
    configure(
        {
            "INSTALLED_APPS": ["channels", "phoenix_sessions", "phoenix_sessions.contrib.chat", "bench"],
            "DATABASES": {"default": database},
            "PHOENIX_SESSIONS_CHAT": {"SENDS_PER_SECOND": None},
            "USE_TZ": True,
            "LOGGING_CONFIG": None,
        }
    )
    from django.core.management import call_command
    from django.db import connection

    from .chat_usual import Conversation, Member, Message

    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        for model in (Conversation, Member, Message):
            editor.create_model(model)


def of_ours(count: int, key: str) -> list[Place]:
    """Make so many conversations of ours, and return their members' places, first those of one in each."""
    from phoenix_sessions.contrib.chat.gateway import gateway

    rooms = []
    for number in range(count):
        pair = [f"user:{number}-{each}" for each in range(MEMBERS)]
        for each in pair:
            gateway.create_participant(each)
        rooms.append((pair, gateway.create_conversation(pair[0], pair[1:]).conversation.id))
    return _places(rooms, key)


def of_the_usual(count: int, key: str) -> list[Place]:
    """Make so many conversations of the usual chat, and return the same."""
    from .chat_usual import Conversation, Member

    rooms = []
    for number in range(count):
        pair = [f"user:{number}-{each}" for each in range(MEMBERS)]
        conversation = Conversation.objects.create()
        Member.objects.bulk_create(Member(conversation=conversation, participant=each) for each in pair)
        rooms.append((pair, str(conversation.pk)))
    return _places(rooms, key)


async def over_http(base: str, key: str, run: str, participants: int, conversations: int) -> list[Place]:
    """Make participants and conversations of ours over HTTP, and return the places.

    Args:
        base: Where the API is, with a slash at its end.
        key: Of the tokens.
        run: What the participants' names begin with.
        participants: How many.
        conversations: How many, each with its share of the participants.
    """
    names = [f"{run}-{number}" for number in range(participants)]
    at_once = asyncio.Semaphore(8)
    async with httpx.AsyncClient(base_url=base, timeout=60) as http:

        async def post(path: str, caller: str, scope: str, body: dict[str, Any]) -> Any:
            async with at_once:
                headers = {"Authorization": f"Bearer {token_of(caller, key, scope)}"}
                answer = await http.post(path, json=body, headers=headers)
            if answer.status_code != 201:
                raise ConnectionError(f"{path} answered {answer.status_code}: {answer.text[:200]}")
            return answer.json()

        await asyncio.gather(*(post("participants", run, "admin", {"id": name}) for name in names))
        shares = [names[first::conversations] for first in range(conversations)]
        bodies = [{"members": share[1:], "group": True} for share in shares]
        begun = (post("conversations", share[0], "", body) for share, body in zip(shares, bodies, strict=True))
        made = await asyncio.gather(*begun)
    return [(name, token_of(name, key), each["id"]) for each, share in zip(made, shares, strict=True) for name in share]


def token_of(participant: str, key: str, scope: str = "") -> str:
    """Return a token for an hour."""
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    return jwt.encode({"sub": participant, "exp": expires, "scope": scope}, key, algorithm="HS256")


def _places(rooms: list[tuple[list[str], str]], key: str) -> list[Place]:
    return [(pair[each], token_of(pair[each], key), id) for each in range(MEMBERS) for pair, id in rooms]
