"""The site that the chat's workers serve; ``CHAT_FAULTS`` says in JSON what it lives in, see ``ground``.

Run as a program it makes the tables, participants and conversations: on its input are lists of participants, one for
each conversation, and on its output the conversations' ids. Who is called ``agent:…`` is an agent.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django
from django.conf import settings

_given: dict[str, Any] = json.loads(os.environ["CHAT_FAULTS"])


def configure() -> None:
    """Set Django up."""
    settings.configure(
        SECRET_KEY="only-for-the-faults-" + "x" * 40,
        ALLOWED_HOSTS=["127.0.0.1"],
        INSTALLED_APPS=["phoenix_sessions", "phoenix_sessions.contrib.chat"],
        DATABASES={"default": _given["database"]},
        PHOENIX_SESSIONS={
            "BACKEND": "phoenix_sessions.backends.redis.RedisBackend",
            "OPTIONS": {"url": _given["redis"], "prefix": "chat-faults", "timeout": 2.0},
            "RATE_LIMIT": None,
        },
        PHOENIX_SESSIONS_CHAT={
            "JWT_KEY": _given["key"],
            "SENDS_PER_SECOND": None,
            "ALLOW_PRIVATE_WEBHOOKS": True,
            "AGENT_DEBOUNCE": 0.05,
            "AGENT_PAUSE": 0.1,
            "AGENT_LEASE": 2.0,
            "AGENT_LOOK": 0.5,
        },
        ROOT_URLCONF="faults.chat.urls",
        USE_TZ=True,
    )
    django.setup()


def prepare(conversations: list[list[str]], endpoint: str | None) -> list[str]:
    """Make the tables, the participants and the conversations; returns these."""
    from django.core.management import call_command

    from phoenix_sessions.contrib.chat import storage

    call_command("migrate", verbosity=0)
    for name in sorted({name for names in conversations for name in names}):
        kind = "agent" if name.startswith("agent:") else "user"
        storage.create_participant(name, kind=kind)
        if kind == "agent" and endpoint is not None:
            storage.register_agent(name, endpoint, timeout=20)
    return [
        storage.create_conversation(names[0], names[1:], group=len(names) > 2).conversation.id
        for names in conversations
    ]


if __name__ == "__main__":
    configure()
    json.dump(prepare(**json.load(sys.stdin)), sys.stdout)
