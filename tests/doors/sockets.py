"""Sockets without a server: one visitor's connection to a consumer."""

import contextlib

from channels.testing import WebsocketCommunicator
from django.contrib.sessions.backends.signed_cookies import SessionStore

from phoenix_sessions.identity import KEY

ID = "v" * 32
PATIENCE = 30
"""How long a busy machine may take for a frame (seconds); channels would wait for one second."""


class Socket(WebsocketCommunicator):
    """A connection to a consumer that is patient with the machine."""

    async def connect(self, timeout=PATIENCE):
        return await super().connect(timeout)

    async def receive_output(self, timeout=PATIENCE):
        return await super().receive_output(timeout)

    async def receive_from(self, timeout=PATIENCE):
        return await super().receive_from(timeout)

    async def receive_json_from(self, timeout=PATIENCE):
        return await super().receive_json_from(timeout)

    async def disconnect(self, code=1000, timeout=PATIENCE):
        return await super().disconnect(code, timeout)


def plug(consumer, id=ID, query="", headers=()):
    """Return the connection of the visitor who has this session id, not yet made."""
    communicator = Socket(consumer.as_asgi(), f"/ws/{query}", list(headers))
    communicator.scope["session"] = store = SessionStore()
    if id is not None:
        store[KEY] = id
    return communicator


@contextlib.asynccontextmanager
async def connected(consumer, id=ID, query="", headers=()):
    """Connect for the time of the block."""
    communicator = plug(consumer, id, query, headers)
    accepted, _ = await communicator.connect()
    assert accepted
    try:
        yield communicator
    finally:
        await communicator.disconnect()


async def dispatch(communicator, action, payload=None, ref=1):
    """Send a dispatch, as session.js does."""
    await communicator.send_json_to({"type": "dispatch", "ref": ref, "action": action, "payload": payload})


async def acknowledge(communicator, seq):
    """Acknowledge all frames up to this one."""
    await communicator.send_json_to({"type": "ack", "seq": seq})


async def close_code(communicator):
    """Return the code that the server closes with; frames before that are let by."""
    while (message := await communicator.receive_output())["type"] != "websocket.close":
        assert message["type"] == "websocket.send"
    return message["code"]
