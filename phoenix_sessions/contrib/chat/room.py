"""A conversation's room: who is in it just now, over all workers; kept in memory only.

Rules:
    1. Each worker tells the others who is there with it: at once when that changes, and every 20 seconds. What was not
       told again for 50 seconds is forgotten: a worker that died takes its own with it.
    2. Whoever comes to a conversation first, on a worker, asks the others.
    3. Somebody is told as gone two seconds after the last sign, so that who loads a page anew does not flicker.
    4. A room belongs to one event loop, and lives as long as somebody is in it. It has a stream of its own, so that its
       signs wake no one who follows what is said.
    5. Where events of other workers do not come (SQLite with several workers), each worker knows its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from phoenix_sessions import BackendUnavailable, Gap, ShuttingDown, StreamEvent, sessions

from .ids import new_id

logger = logging.getLogger("phoenix_sessions.chat")

PART: Final = 300
"""How many participants one event names (count): these are less than 64 KiB."""

Listener = Callable[[str, bool], None]


class Times(msgspec.Struct, frozen=True):
    """How long things take (seconds).

    Attributes:
        beat: How often a worker says who is there.
        gone: After how long a worker that says nothing is forgotten.
        grace: How much later than the last sign somebody is gone.
        together: How long changes are gathered before they are told.
        again: How long to wait before listening is tried again, or the others are asked again after a gap.
    """

    beat: float = 20.0
    gone: float = 50.0
    grace: float = 2.0
    together: float = 0.05
    again: float = 2.0


class Here(msgspec.Struct, frozen=True):
    """Who is there with one worker, or a part of them.

    Attributes:
        worker: Which.
        part: Which part, from 0.
        parts: How many parts there are.
        participants: Who.
    """

    worker: str
    part: int
    parts: int
    participants: frozenset[str]


class Room:
    """Who is in one conversation.

    Attributes:
        shown: Who is there, as listeners were told.
    """

    def __init__(self, conversation: str, times: Times) -> None:
        self._loop = asyncio.get_running_loop()
        self._stream = sessions.stream(f"chat.p.{conversation}")
        self._times = times
        self._worker = new_id()
        self._own: Counter[str] = Counter()
        self._others: dict[tuple[str, int], tuple[float, frozenset[str]]] = {}
        self._going: dict[str, float] = {}
        self._listeners: list[Listener] = []
        self._beat = self._loop.time() + times.beat
        self._look_timer: asyncio.TimerHandle | None = None
        self._say_timer: asyncio.TimerHandle | None = None
        self._ask_timer: asyncio.TimerHandle | None = None
        self.shown: set[str] = set()
        self._task = self._loop.create_task(self._listen())

    def __len__(self) -> int:
        """Return how many are there with this worker (count of visits)."""
        return len(self._listeners)

    def add(self, participant: str, listener: Listener) -> None:
        """Let somebody in, who is told on this event loop who comes and goes."""
        self._own[participant] += 1
        self._listeners.append(listener)
        if self._own[participant] == 1:
            self._say_soon()
        self._look()

    def remove(self, participant: str, listener: Listener) -> None:
        """Let somebody out."""
        self._listeners.remove(listener)
        self._own[participant] -= 1
        if not self._own[participant]:
            del self._own[participant]
            self._say_soon()
        self._look()

    def close(self) -> None:
        """Say that nobody is there any more, and forget everything."""
        self._task.cancel()
        for timer in (self._look_timer, self._say_timer, self._ask_timer):
            if timer is not None:
                timer.cancel()
        self._say()

    # -- the others ----------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            try:
                async with self._stream.listen() as events:
                    self._ask()
                    async for item in events:
                        self._hear(item)
                return
            except ShuttingDown:
                return
            except BackendUnavailable:
                await asyncio.sleep(self._times.again)

    def _hear(self, item: StreamEvent | Gap) -> None:
        match item:
            case Gap(_, True):  # not at once: what could not be told is a gap, too
                if self._ask_timer is None:
                    self._ask_timer = self._loop.call_later(self._times.again, self._ask)
            case StreamEvent("who", {"worker": worker}) if worker != self._worker:
                self._say_soon()
            case StreamEvent("here", payload):
                self._note(payload)

    def _ask(self) -> None:
        """Ask the other workers who is there."""
        self._ask_timer = None
        self._tell("who", {"worker": self._worker})

    def _note(self, payload: Any) -> None:
        try:
            here = msgspec.convert(payload, Here)
        except msgspec.ValidationError:
            logger.warning("a worker of another version says who is there: %r", payload)
            return
        if here.worker == self._worker:
            return
        until = self._loop.time() + self._times.gone
        self._others[here.worker, here.part] = until, here.participants
        for worker, part in list(self._others):
            if worker == here.worker and part >= here.parts:
                del self._others[worker, part]
        self._look()

    def _say_soon(self) -> None:
        if self._say_timer is None:
            self._say_timer = self._loop.call_later(self._times.together, self._say)

    def _say(self) -> None:
        """Tell the other workers who is there."""
        self._say_timer = None
        self._beat = self._loop.time() + self._times.beat
        own = sorted(self._own)
        parts = [own[start : start + PART] for start in range(0, len(own), PART)] or [[]]
        for part, participants in enumerate(parts):
            here = {"worker": self._worker, "part": part, "parts": len(parts), "participants": participants}
            self._tell("here", here)

    def _tell(self, name: str, payload: Any) -> None:
        try:
            self._stream.publish_nowait(name, payload)
        except (BackendUnavailable, ShuttingDown):
            logger.info("presence cannot be told just now")

    # -- what follows --------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Tell the listeners who has come and gone."""
        now = self._loop.time()
        self._others = {key: other for key, other in self._others.items() if other[0] > now}
        here = set(self._own).union(*(participants for _, participants in self._others.values()))
        for participant in here:
            self._going.pop(participant, None)
        for participant in self.shown - here:
            self._going.setdefault(participant, now + self._times.grace)
        gone = {participant for participant, at in self._going.items() if at <= now}
        for participant in gone:
            del self._going[participant]
        come = here - self.shown
        self.shown = (self.shown | come) - gone
        for listener in list(self._listeners):
            for participant in come:
                listener(participant, True)
            for participant in gone:
                listener(participant, False)
        self._plan()

    def _plan(self) -> None:
        """Look again when something is due."""
        if self._look_timer is not None:
            self._look_timer.cancel()
        due = [self._beat, *self._going.values(), *(until for until, _ in self._others.values())]
        self._look_timer = self._loop.call_at(min(due), self._wake)

    def _wake(self) -> None:
        if self._loop.time() >= self._beat:
            self._say()
        self._look()
