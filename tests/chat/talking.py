"""Clients of the chat's sockets, without a server."""

import contextlib
import json
import time

import jwt
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from doors.sockets import PATIENCE, Socket

from phoenix_sessions.contrib.chat.ids import new_id
from phoenix_sessions.contrib.chat.routing import websocket_urlpatterns

KEY = "the-key-of-the-tests-" + "x" * 40
application = URLRouter(websocket_urlpatterns)


def token(participant, key=KEY, algorithm="HS256", seconds=3600, **claims):
    """Return a bearer token that expires after so many seconds."""
    return jwt.encode({"sub": participant, "exp": time.time() + seconds, **claims}, key, algorithm)


class Patient(Socket):
    """A connection whose threads close what they open: channels' communicator keeps them from that."""

    async def send_input(self, message):
        await ApplicationCommunicator.send_input(self, message)

    async def receive_output(self, timeout=PATIENCE):
        return await ApplicationCommunicator.receive_output(self, timeout)


class Closed(Exception):
    """The server has closed; has the code."""

    def __init__(self, code):
        self.code = code
        super().__init__(f"closed with {code}")


class Client:
    """One connection, that acknowledges what it reads.

    Attributes:
        seen: All frames so far.
        subprotocol: What the server chose.
    """

    def __init__(self, path, bearer=None, scope=(), acknowledges=True):
        protocols = ["phoenix-chat", *([] if bearer is None else [f"bearer.{bearer}"])]
        self._socket = Patient(application, path, subprotocols=protocols)
        self._socket.scope.update(scope)
        self._acknowledges = acknowledges
        self.seen = []

    async def connect(self):
        accepted, self.subprotocol = await self._socket.connect()
        assert accepted

    async def disconnect(self):
        await self._socket.disconnect()

    async def say(self, type, **fields):
        """Send a frame."""
        await self.put(json.dumps({"type": type, **fields}))

    async def put(self, data):
        """Send text or bytes, whatever they are."""
        kind = "text" if isinstance(data, str) else "bytes"
        await self._socket.send_input({"type": "websocket.receive", kind: data})

    async def frame(self):
        """Return the next frame."""
        output = await self._socket.receive_output()
        if output["type"] == "websocket.close":
            raise Closed(output["code"])
        frame = json.loads(output["text"])
        assert frame["frame"] == len(self.seen) + 1
        self.seen.append(frame)
        if self._acknowledges:
            await self.say("ack", ack=frame["frame"])
        return frame

    async def until(self, type, **fields):
        """Return the next frame of a type whose fields are these."""
        while True:
            frame = await self.frame()
            if frame["type"] == type and fields.items() <= frame.items():
                return frame

    async def close_code(self):
        """Read to the end, and return the code that the server closes with."""
        try:
            while True:
                await self.frame()
        except Closed as closed:
            return closed.code

    async def join(self, after_seq=None):
        """Join, and return what there is."""
        await self.say("join", **({} if after_seq is None else {"after_seq": after_seq}))
        return await self.until("joined")

    async def post(self, text="hello", client_id=None, **fields):
        """Send a message and return its acknowledgement."""
        client_id = client_id or new_id()
        await self.say("send", client_id=client_id, content={"text": text}, **fields)
        return await self.until("ack", client_id=client_id)

    async def caught_up(self, seq):
        """Read until this message was seen, and return the places of all, in the order of their coming."""
        while seq not in (seqs := self.seqs()):
            await self.frame()
        return seqs

    def seqs(self):
        """Return the places of all messages so far."""
        found = []
        for frame in self.seen:
            if frame["type"] == "joined":
                found += [message["seq"] for message in frame["messages"]]
            elif frame["type"] == "message":
                found.append(frame["message"]["seq"])
        return found

    def of(self, type):
        """Return all frames of a type so far."""
        return [frame for frame in self.seen if frame["type"] == type]


@contextlib.asynccontextmanager
async def talking(path, participant=None, **options):
    """Connect, as a participant, for the time of the block."""
    if participant is not None:
        options["bearer"] = token(participant)
    client = Client(path, **options)
    await client.connect()
    try:
        yield client
    finally:
        await client.disconnect()


@contextlib.asynccontextmanager
async def joined(conversation, participant, after_seq=None, **options):
    """Connect and join for the time of the block."""
    async with talking(f"/conversation/{conversation}", participant, **options) as client:
        await client.join(after_seq)
        yield client
