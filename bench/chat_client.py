"""The clients of the chat's bench: each is a participant with one WebSocket to one conversation.

Rules:
    1. A message is due at a moment that does not depend on the answers (they come as calls come to an exchange: at
       random, so many a second). Its time runs from there, not from when the client gets to it: a server that stands
       still is not spared what was due meanwhile, and a client that is late makes the figures worse, never better.
    2. Each message that comes must have the ``seq`` after the one before: others are counted as out of order.
    3. What a connection gets is booked to the tally of the time when it was due.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import msgspec

from .chat_wire import PATIENCE, Socket

ACKNOWLEDGED_AT_ONCE = 8
TEXT = "what a message of a usual length may look like, more or less"
SUBPROTOCOL = "phoenix-chat"
TICK = 0.005
"""How long (seconds) is waited before it is looked again whether all has come."""


class _Message(msgspec.Struct):
    seq: int
    client_id: str | None = None


class _Frame(msgspec.Struct):
    """What of a frame is looked at; ``frame`` is its number, 0 if this server does not want to hear that it came."""

    type: str
    frame: int = 0
    message: Any = None
    client_id: str | None = None
    code: str = ""
    last_seq: int = 0


@dataclass
class Tally:
    """What all clients have seen.

    Attributes:
        sent: Messages (count).
        acknowledged: Of those (count).
        received: Messages, on all sockets (count).
        echoes: When each message that came back to its sender was due, and how long that took (seconds).
        late: How long after it was due each was sent (seconds): what the client itself adds.
        refused: Messages (count).
        errors: How often each has come.
    """

    sent: int = 0
    acknowledged: int = 0
    received: int = 0
    refused: int = 0
    echoes: list[tuple[float, float]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def waiting(self) -> int:
        """How many messages have not come back (count)."""
        return self.sent - len(self.echoes) - self.refused


class Client:
    """A participant in a conversation."""

    def __init__(self, crowd: Crowd, name: str) -> None:
        self._crowd = crowd
        self._name = name
        self._id = f"{name}-{secrets.token_hex(4)}"  # who comes again sends other messages
        self._number = 0
        self._due: dict[str, tuple[float, Tally]] = {}
        self._unacknowledged: dict[str, Tally] = {}
        self._last_seq = 0
        self._handled = 0
        self._socket: Socket | None = None
        self._joined: asyncio.Future[None]
        self._decoder = msgspec.json.Decoder(_Frame)

    async def join(self, url: str, token: str) -> None:
        """Connect and join."""
        self._joined = asyncio.get_running_loop().create_future()
        self._socket = await Socket.open(url, [SUBPROTOCOL, f"bearer.{token}"], self._take, self._gone)
        self._socket.say(b'{"type": "join"}')
        async with asyncio.timeout(PATIENCE):
            await self._joined

    def send(self, due: float) -> None:
        """Send the message that was due at this moment."""
        tally = self._crowd.tally
        self._number += 1
        client_id = f"{self._id}-{self._number}"
        self._due[client_id] = due, tally
        self._unacknowledged[client_id] = tally
        frame = {"type": "send", "client_id": client_id, "content": {"text": TEXT}}
        self._say(msgspec.json.encode(frame))
        tally.sent += 1
        tally.late.append(perf_counter() - due)

    @property
    def waiting(self) -> int:
        """How much has not come, or was not answered (count)."""
        return len(self._due) + len(self._unacknowledged)

    def give_up(self) -> None:
        """Count what has not come, and wait for it no more."""
        for _, tally in self._due.values():
            tally.errors["not echoed"] += 1
        for tally in self._unacknowledged.values():
            tally.errors["not answered"] += 1
        self._due, self._unacknowledged = {}, {}

    def leave(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._socket.close()

    def _say(self, text: bytes) -> None:
        assert self._socket is not None, "join first"
        self._socket.say(text)

    def _gone(self, why: str) -> None:
        self._crowd.tally.errors[f"closed with {why}"] += 1
        if not self._joined.done():
            self._joined.set_exception(ConnectionError(f"{self._name} could not join: closed with {why}"))

    def _take(self, text: bytes) -> None:
        frame = self._decoder.decode(text)
        match frame.type:
            case "message":
                self._take_message(msgspec.convert(frame.message, _Message))
            case "ack":
                if (tally := self._unacknowledged.pop(frame.client_id or "", None)) is not None:
                    tally.acknowledged += 1
            case "joined":
                self._last_seq = frame.last_seq
                self._joined.set_result(None)
            case "error" | "backpressure":
                self._take_refusal(frame)
        if frame.frame - self._handled >= ACKNOWLEDGED_AT_ONCE:
            self._handled = frame.frame
            self._say(b'{"type": "ack", "ack": %d}' % frame.frame)

    def _take_message(self, message: _Message) -> None:
        tally = self._crowd.tally
        tally.received += 1
        tally.errors["out of order"] += message.seq != self._last_seq + 1
        self._last_seq = message.seq
        if message.client_id is not None and (sent := self._due.pop(message.client_id, None)) is not None:
            due, own = sent
            own.echoes.append((due, perf_counter() - due))

    def _take_refusal(self, frame: _Frame) -> None:
        self._crowd.tally.errors[frame.code or frame.type] += 1
        if (sent := self._due.pop(frame.client_id or "", None)) is not None:
            sent[1].refused += 1
        self._unacknowledged.pop(frame.client_id or "", None)


class Crowd:
    """All clients of one server.

    Args:
        seed: What the moments, and who is to send then, follow from.
    """

    def __init__(self, seed: int = 1) -> None:
        self.clients: list[Client] = []
        self.tally = Tally()
        self._random = random.Random(seed)

    async def join(self, sockets: str, places: Sequence[tuple[str, str, str]]) -> None:
        """Connect, 20 at a time.

        Args:
            sockets: Where the conversations are, with a slash at the end.
            places: A participant's name, its token, and its conversation.
        """
        for first in range(0, len(places), 20):
            some = [(Client(self, name), token, id) for name, token, id in places[first : first + 20]]
            self.clients += [client for client, _, _ in some]
            await asyncio.gather(*(client.join(sockets + id, token) for client, token, id in some))

    async def talk(self, rate: float, began: float, until: float, most: float = float("inf")) -> bool:
        """Send so many messages a second, from one moment of ``perf_counter`` to another; those are of a new tally.

        Args:
            rate: Messages a second, on the average.
            began, until: From when, and until when.
            most: How many may wait; with more it is given up.

        Returns:
            Whether it was not given up.
        """
        due = began + self._random.expovariate(rate)
        while due < until:
            await asyncio.sleep(max(0.0, due - perf_counter()))
            now = perf_counter()
            while due < until and due <= now:
                self._random.choice(self.clients).send(due)
                due += self._random.expovariate(rate)
            if self.tally.waiting > most:
                return False
        return True

    async def say(self, count: int, rate: float) -> None:
        """Send so many messages, so many a second."""
        due = perf_counter()
        for _ in range(count):
            due += self._random.expovariate(rate)
            await asyncio.sleep(max(0.0, due - perf_counter()))
            self._random.choice(self.clients).send(due)

    async def settle(self, patience: float, longest: float) -> bool:
        """Wait until everything has come and is answered; returns whether it has. What has not is given up.

        Args:
            patience: How long to wait while nothing comes (seconds).
            longest: How long to wait at all (seconds).
        """
        waiting, until, end = -1, 0.0, perf_counter() + longest
        while now := sum(client.waiting for client in self.clients):
            if now != waiting:
                waiting, until = now, perf_counter() + patience
            if perf_counter() > min(until, end):
                for client in self.clients:
                    client.give_up()
                return False
            await asyncio.sleep(TICK)
        return True

    def leave(self) -> None:
        """Disconnect all."""
        for client in self.clients:
            client.leave()
