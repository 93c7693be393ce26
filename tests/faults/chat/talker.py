"""A client that is a member of one conversation: it sends its messages one after the other, and sees all others'.

Rules:
    1. A message is sent again, with its ``client_id``, until it is acknowledged: on the same socket if it was refused,
       on the next one if that has gone.
    2. It comes back to any worker, by ``join`` with the last place that it has seen.
    3. It notes what it is given as it comes, and makes nothing good: what is doubled or missing is seen in the end.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

import jwt
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from .ground import KEY

TOGETHER: Final = 8
"""How many frames are acknowledged at once (count)."""
PATIENCE: Final = 30.0
"""How long it waits for an answer before it takes the connection for dead (seconds)."""
SHORTEST_S: Final = 0.25
LONGEST_S: Final = 10.0
"""How long it waits before it comes back: a random time up to the shorter one, twice as long after each in vain."""


class Frame(msgspec.Struct):
    """What of a frame is looked at."""

    type: str
    frame: int
    message: Any = None
    messages: list[dict[str, Any]] = []
    client_id: str | None = None
    seq: int = 0
    id: str = ""
    truncated: bool = False
    code: str = ""
    reason: str = ""
    retry_after_ms: int = 100


class Talker:
    """One participant in one conversation.

    Args:
        name: The participant.
        conversation: Where it talks.
        ports: Where the workers listen; the first connection goes to the first.
        messages: How many it sends (count).
        pause: Between two messages, on average (seconds).
        ahead: How many it sends before the first of them is acknowledged (count).
        leaves: How often it leaves at a random moment (count).
        stays: How long it stays before it leaves, on average (seconds).
        seed: For its choices.

    Attributes:
        acknowledged: The place and the id of each message that was, by its client_id.
        seen: What it was given, in that order: place, id and client_id.
        last_seq: The last place that it has seen.
        doubled, holes, truncated: What was not as it should be (count).
        closes: Why connections ended, but for its own leaving.
        refusals: What it was answered but for acknowledgements.
        left: How often it has left (count).
        latest: When its last message was acknowledged (seconds, monotonic).
        goes_on: Until when it sends more messages than it should; None = it does not.
        done: Set when all is acknowledged, and it has left as often as it should.
        in_order: Whether it has sent each message after the one before was acknowledged.
    """

    def __init__(
        self,
        name: str,
        conversation: str,
        ports: Sequence[int],
        messages: int = 0,
        *,
        pause: float = 0.0,
        ahead: int = 1,
        leaves: int = 0,
        stays: float = 0.2,
        seed: int = 1,
    ) -> None:
        self.name = name
        self.conversation = conversation
        self.ids = [f"{name} {number}" for number in range(1, messages + 1)]
        self.acknowledged: dict[str, tuple[int, str]] = {}
        self.seen: list[tuple[int, str, str]] = []
        self.last_seq = self.doubled = self.holes = self.truncated = self.left = 0
        self.closes: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.latest = 0.0
        self.goes_on: threading.Event | None = None
        self.done = asyncio.Event()
        if not messages and not leaves:
            self.done.set()
        self.in_order = ahead == 1
        self._ports, self._place = ports, 0
        self._pause, self._ahead, self._leaves, self._stays = pause, ahead, leaves, stays
        self._chance = random.Random(f"{seed} {name}")
        self._tries = 0
        self._due = time.monotonic()
        self._waiting: dict[str, asyncio.Future[Frame]] = {}
        self._decoder = msgspec.json.Decoder(Frame)
        self._token = jwt.encode({"sub": name, "exp": time.time() + 3600}, KEY, algorithm="HS256")

    async def run(self) -> None:
        """Talk and listen until this is cancelled."""
        while True:
            self._tries += 1
            try:
                async with self._connect() as socket:
                    await self._live(socket)
            except ConnectionClosed as error:
                self.closes[str(error.rcvd.code) if error.rcvd else "no code"] += 1
            except (InvalidHandshake, OSError, TimeoutError, EOFError) as error:
                self.closes[type(error).__name__] += 1
            self._place = self._chance.randrange(len(self._ports))
            await asyncio.sleep(self._chance.random() * min(LONGEST_S, SHORTEST_S * 2**self._tries))

    def _connect(self) -> connect:
        url = f"ws://127.0.0.1:{self._ports[self._place]}/chat/conversation/{self.conversation}"
        protocols: Any = ["phoenix-chat", f"bearer.{self._token}"]
        options: dict[str, Any] = {"compression": None, "proxy": None, "ping_interval": None, "max_queue": None}
        return connect(url, subprotocols=protocols, open_timeout=PATIENCE, close_timeout=1, max_size=None, **options)

    async def _live(self, socket: ClientConnection) -> None:
        """Use a connection, until it ends or is left."""
        stays = None
        if self.left < self._leaves:
            stays = 2 * self._stays * self._chance.random()
        work = [asyncio.ensure_future(self._read(socket)), asyncio.ensure_future(self._talk(socket))]
        try:
            done, _ = await asyncio.wait(work, timeout=stays, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            await self._leave(socket)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._waiting.clear()

    async def _leave(self, socket: ClientConnection) -> None:
        self.left += 1
        self._tries = 0
        if self._chance.random() < 0.5:
            socket.transport.abort()
        else:
            await socket.close()
        self._look_whether_done()

    # -- talking -------------------------------------------------------------------------------------------------------

    async def _talk(self, socket: ClientConnection) -> None:
        """Send what is not acknowledged; the connection's end is the reader's business."""
        self._joined = asyncio.Event()
        await socket.send(f'{{"type": "join", "after_seq": {self.last_seq}}}')
        await self._joined.wait()
        sent: deque[tuple[str, asyncio.Future[Frame]]] = deque()
        for id in self._left_to_send():
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))
            self._due = time.monotonic() + 2 * self._pause * self._chance.random()
            sent.append((id, await self._send(socket, id)))
            if len(sent) >= self._ahead:
                await self._settle(socket, *sent.popleft())
        while sent:
            await self._settle(socket, *sent.popleft())
        self._look_whether_done()

    def _left_to_send(self) -> Iterator[str]:
        """Give what is not acknowledged, and then what is to be sent beyond that."""
        yield from [id for id in self.ids if id not in self.acknowledged]
        while self.goes_on is not None and not self.goes_on.is_set():
            self.ids.append(f"{self.name} {len(self.ids) + 1}")
            yield self.ids[-1]

    async def _send(self, socket: ClientConnection, id: str) -> asyncio.Future[Frame]:
        self._waiting[id] = future = asyncio.get_running_loop().create_future()
        frame = {"type": "send", "client_id": id, "content": {"text": id}}
        await socket.send(msgspec.json.encode(frame).decode())
        return future

    async def _settle(self, socket: ClientConnection, id: str, answer: asyncio.Future[Frame]) -> None:
        """Wait until a message is acknowledged; what is refused is sent again."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    frame = await answer
            except TimeoutError:
                self.refusals["no answer"] += 1
                socket.transport.abort()
                return
            if frame.type == "ack":
                return
            self.refusals[frame.code or f"{frame.type} {frame.reason}"] += 1
            await asyncio.sleep(frame.retry_after_ms / 1000)
            answer = await self._send(socket, id)

    def _look_whether_done(self) -> None:
        if len(self.acknowledged) == len(self.ids) and self.left >= self._leaves:
            self.done.set()

    # -- listening -----------------------------------------------------------------------------------------------------

    async def _read(self, socket: ClientConnection) -> None:
        handled = 0
        while True:
            frame = self._decoder.decode(await socket.recv())
            self.take(frame)
            if frame.frame - handled >= TOGETHER:
                handled = frame.frame
                await socket.send(f'{{"type": "ack", "ack": {handled}}}')

    def take(self, frame: Frame) -> None:
        """Note what a frame says."""
        match frame.type:
            case "joined":
                self.truncated += frame.truncated
                for message in frame.messages:
                    self._see(message)
                self._tries = 0
                self._joined.set()
            case "message":
                self._see(frame.message)
            case "ack" | "error" | "backpressure":
                self._note(frame)

    def _see(self, message: dict[str, Any]) -> None:
        seq = message["seq"]
        self.doubled += seq <= self.last_seq
        self.holes += seq > self.last_seq + 1
        self.last_seq = seq
        self.seen.append((seq, message["id"], message["client_id"]))

    def _note(self, frame: Frame) -> None:
        if frame.client_id is None:
            self.refusals[f"{frame.code or frame.type}, of no message"] += 1
            return
        if frame.type == "ack":
            given = frame.seq, frame.id
            if self.acknowledged.setdefault(frame.client_id, given) != given:
                self.refusals["acknowledged as two"] += 1
            self.latest = time.monotonic()
        if (future := self._waiting.pop(frame.client_id, None)) is not None and not future.done():
            future.set_result(frame)
