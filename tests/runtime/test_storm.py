"""Everything at once: whatever crashes, ends, times out or restarts, every sender gets an answer."""

import asyncio
import random

import pytest
from racing import race
from samples import Count

from phoenix_sessions import (
    NoReply,
    Reply,
    Restart,
    SessionError,
    SessionProcess,
    Stop,
    sessions,
)
from phoenix_sessions.testing import settle


class Room(SessionProcess):
    reducers = [Count]
    restart = Restart.PERMANENT

    def handle_call(self, request, state):
        match request:
            case "crash":
                raise ValueError("as asked")
            case "stop":
                return Stop("asked")
            case "post":
                sessions.ref(self.session_id).dispatch_nowait("count.add")
        return Reply(request)

    def handle_cast(self, request, state):
        if request == "crash":
            raise ValueError("as asked")
        return NoReply({**state, "cast": request})


class AsyncRoom(Room):
    async def handle_call(self, request, state):
        await asyncio.sleep(0)
        return super().handle_call(request, state)

    async def handle_cast(self, request, state):
        await asyncio.sleep(0)
        return super().handle_cast(request, state)


VERBS = [
    lambda ref: ref.adispatch("count.add"),
    lambda ref: ref.adispatch("count.fail"),
    lambda ref: ref.acall("hello"),
    lambda ref: ref.acall("post"),
    lambda ref: ref.acall("hello", timeout=0.0001),
    lambda ref: ref.acall("crash"),
    lambda ref: ref.acall("stop"),
    lambda ref: ref.acast("hello"),
    lambda ref: ref.acast("crash"),
    lambda ref: ref.aget_state("count"),
    lambda ref: asyncio.wait_for(ref.adispatch("count.add"), 0.0001),
    lambda ref: ref.aterminate(),
]
SYNC_VERBS = [
    lambda ref: ref.dispatch("count.add"),
    lambda ref: ref.dispatch("count.fail"),
    lambda ref: ref.dispatch_nowait("count.fail"),
    lambda ref: ref.call("hello"),
    lambda ref: ref.call("post"),
    lambda ref: ref.call("hello", timeout=0.0001),
    lambda ref: ref.call("crash"),
    lambda ref: ref.cast("hello"),
    lambda ref: ref.cast("crash"),
    lambda ref: ref.get_state("count"),
    lambda ref: ref.subscribe("count", receiver=lambda *_: None).unsubscribe(),
    lambda ref: ref.terminate(),
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("process", [Room, AsyncRoom])
def test_everybody_is_answered_and_nothing_stays_busy(process, seed, caplog):
    caplog.set_level("CRITICAL", "phoenix_sessions")
    answers = []

    def thread(number):
        chance = random.Random(100 * seed + number)
        for _ in range(200):
            try:
                chance.choice(SYNC_VERBS)(sessions.get_or_start("room", process))
            except SessionError as error:
                answers.append(error)
            else:
                answers.append(None)

    async def task(chance):
        for _ in range(50):
            try:
                await chance.choice(VERBS)(await sessions.aget_or_start("room", process))
            except (SessionError, TimeoutError) as error:
                answers.append(error)
            else:
                answers.append(None)

    async def loop(number):
        async with asyncio.TaskGroup() as group:
            for each in range(4):
                group.create_task(task(random.Random(1000 * seed + 10 * number + each)))

    threads = [lambda number=number: thread(number) for number in range(4)]
    loops = [lambda number=number: asyncio.run(loop(number)) for number in range(2)]

    assert race(*threads, *loops, timeout=60) == [None] * 6
    assert len(answers) == 4 * 200 + 2 * 4 * 50
    settle()
    assert sessions.get_or_start("room", process).dispatch("count.add") >= 1
    assert len(sessions.supervisor.registry) == len(sessions.supervisor.expiry) == 1
