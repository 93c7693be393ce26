"""The clients of ``chat_load``: each is a participant with one WebSocket to one conversation.

Rules:
    1. A message is due at a moment that does not depend on the answers; its time runs from there, so that a server that
       stands still is not spared the messages that were due meanwhile.
    2. Each message that comes must have the ``seq`` after the one before: others are counted as out of order.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import httpx
import jwt
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ACKNOWLEDGED_AT_ONCE = 8
TEXT = "what a message of a usual length may look like, more or less"


class _Message(msgspec.Struct):
    seq: int
    client_id: str | None = None


class _Frame(msgspec.Struct):
    """What of a frame is looked at."""

    type: str
    frame: int
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
        echoes: When a client has got its own message, and how long after it was due (seconds).
        errors: How often each has come.
    """

    sent: int = 0
    acknowledged: int = 0
    received: int = 0
    echoes: list[tuple[float, float]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


class Client:
    """A participant in a conversation."""

    def __init__(self, tally: Tally, name: str) -> None:
        self._tally = tally
        self._name = name
        self._due: dict[str, float] = {}
        self._unacknowledged: set[str] = set()
        self._last_seq = 0
        self._handled = 0
        self._sent_all = False
        self._decoder = msgspec.json.Decoder(_Frame)

    async def join(self, url: str, token: str) -> None:
        """Connect and join."""
        protocols: Any = ["phoenix-chat", f"bearer.{token}"]
        self._socket: ClientConnection = await connect(
            url, subprotocols=protocols, compression=None, ping_interval=None, open_timeout=60, max_queue=None
        )
        await self._socket.send('{"type": "join"}')
        frame = self._decoder.decode(await asyncio.wait_for(self._socket.recv(), 60))
        if frame.type != "joined":
            raise ConnectionError(f"{self._name} could not join: {frame}")
        self._last_seq = frame.last_seq
        self._reading = asyncio.create_task(self._read())

    async def send(self, first: float, every: float, until: float) -> None:
        """Send a message at each moment that it is due, until it is over; moments are of ``perf_counter``."""
        due, number = first, 0
        try:
            while due < until:
                await asyncio.sleep(max(0.0, due - perf_counter()))
                number += 1
                client_id = f"{self._name}-{number}"
                self._due[client_id] = due
                self._unacknowledged.add(client_id)
                self._tally.sent += 1
                frame = {"type": "send", "client_id": client_id, "content": {"text": TEXT}}
                await self._socket.send(msgspec.json.encode(frame).decode())
                due += every
        except ConnectionClosed as error:
            self._tally.errors[_closed(error)] += 1

    async def wait(self, until: float) -> None:
        """Wait for what has not come of the own messages, until a moment; count what has not."""
        self._sent_all = True
        if self._due or self._unacknowledged:
            await asyncio.wait([self._reading], timeout=max(0.0, until - perf_counter()))
        self._tally.errors["not echoed"] += len(self._due)
        self._tally.errors["not answered"] += len(self._unacknowledged)

    async def leave(self) -> None:
        """Disconnect."""
        self._reading.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                frame = self._decoder.decode(text)
                self._handle(frame)
                if frame.frame - self._handled >= ACKNOWLEDGED_AT_ONCE:
                    self._handled = frame.frame
                    await self._socket.send(f'{{"type": "ack", "ack": {frame.frame}}}')
                if self._sent_all and not self._due and not self._unacknowledged:
                    return
        except ConnectionClosed as error:
            self._tally.errors[_closed(error)] += 1

    def _handle(self, frame: _Frame) -> None:
        tally = self._tally
        match frame.type:
            case "message":
                message = msgspec.convert(frame.message, _Message)
                tally.received += 1
                tally.errors["out of order"] += message.seq != self._last_seq + 1
                self._last_seq = message.seq
                if message.client_id is not None and (due := self._due.pop(message.client_id, None)) is not None:
                    now = perf_counter()
                    tally.echoes.append((now, now - due))
            case "ack":
                tally.acknowledged += 1
                self._unacknowledged.discard(frame.client_id or "")
            case "error" | "backpressure":
                tally.errors[frame.code or frame.type] += 1
                self._due.pop(frame.client_id or "", None)
                self._unacknowledged.discard(frame.client_id or "")


def token_of(participant: str, key: str, scope: str = "") -> str:
    """Return a token for an hour."""
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    return jwt.encode({"sub": participant, "exp": expires, "scope": scope}, key, algorithm="HS256")


async def prepare(base: str, key: str, run: str, participants: int, conversations: int) -> list[tuple[str, str]]:
    """Make participants and conversations over HTTP; returns who is to join which.

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
    return [(name, each["id"]) for each, share in zip(made, shares, strict=True) for name in share]


def _closed(error: ConnectionClosed) -> str:
    return f"closed with {error.rcvd.code if error.rcvd else 'nothing'}"
