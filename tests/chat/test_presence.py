"""Who is there: over all workers, and over by itself."""

import asyncio

import pytest
from chat.workers import Silent

from phoenix_sessions import StreamEvent, sessions
from phoenix_sessions.contrib.chat.ids import new_id
from phoenix_sessions.contrib.chat.presence import Rooms
from phoenix_sessions.contrib.chat.room import PART, Times

ALICE, BOB = "user:alice", "user:bob"
PATIENCE = 20

QUICK = Times(beat=0.05, gone=0.3, grace=0.05, together=0.01)
"""What expires does so soon; nothing here fails if it takes longer."""

LASTING = Times(beat=60, gone=600, grace=0.05, together=0.01)
"""Nothing expires in the time of a test."""


class Seen:
    """What one listener was told."""

    def __init__(self):
        self.told = []
        self.wake = asyncio.Event()

    def __call__(self, participant, online):
        self.told.append((participant, online))
        self.wake.set()

    def now(self):
        return {participant for participant, online in dict(self.told).items() if online}

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.wake.clear()
                await self.wake.wait()


def workers(times, count=2):
    """Workers with rooms of their own on one stream."""
    return [Rooms(times) for _ in range(count)]


async def test_whoever_comes_is_told_who_is_there_already():
    conversation, (worker,) = new_id(), workers(LASTING, 1)
    first = worker.enter(conversation, ALICE, Seen())
    second = worker.enter(conversation, BOB, Seen())
    assert second.present == (ALICE, BOB)
    first.leave()
    second.leave()


async def test_coming_and_going_is_told_to_those_who_are_there():
    conversation, (worker,), seen = new_id(), workers(LASTING, 1), Seen()
    alice = worker.enter(conversation, ALICE, seen)
    bob = worker.enter(conversation, BOB, Seen())
    bob.leave()
    await seen.until(lambda: (BOB, False) in seen.told)
    assert seen.told == [(ALICE, True), (BOB, True), (BOB, False)]
    alice.leave()


async def test_workers_tell_each_other():
    conversation, (one, other), seen = new_id(), workers(LASTING), Seen()
    alice = one.enter(conversation, ALICE, Seen())
    bob = other.enter(conversation, BOB, seen)
    await seen.until(lambda: seen.now() == {ALICE, BOB})
    alice.leave()
    await seen.until(lambda: seen.now() == {BOB})
    bob.leave()


async def test_who_is_there_with_two_workers_is_there_until_both_say_otherwise():
    conversation, (one, other, third), seen = new_id(), workers(LASTING, 3), Seen()
    watch = third.enter(conversation, BOB, seen)
    at_home, at_work = one.enter(conversation, ALICE, Seen()), other.enter(conversation, ALICE, Seen())
    await seen.until(lambda: seen.now() == {ALICE, BOB})
    marker = one.enter(conversation, "user:marker", Seen())
    at_home.leave()
    await seen.until(lambda: "user:marker" in seen.now())
    marker.leave()
    await seen.until(lambda: "user:marker" not in seen.now())
    assert (ALICE, False) not in seen.told
    at_work.leave()
    await seen.until(lambda: seen.now() == {BOB})
    watch.leave()


async def test_who_has_two_sockets_is_there_until_both_are_closed():
    conversation, (worker,), seen = new_id(), workers(LASTING, 1), Seen()
    watch = worker.enter(conversation, BOB, seen)
    first, second = worker.enter(conversation, ALICE, Seen()), worker.enter(conversation, ALICE, Seen())
    first.leave()
    first.leave()
    assert watch.present == (ALICE, BOB)
    second.leave()
    await seen.until(lambda: seen.now() == {BOB})
    assert seen.told.count((ALICE, True)) == 1
    watch.leave()


async def test_who_comes_back_at_once_was_never_gone():
    conversation, seen = new_id(), Seen()
    (worker,) = workers(Times(beat=60, gone=600, grace=60, together=0.01), 1)
    watch = worker.enter(conversation, BOB, seen)
    worker.enter(conversation, ALICE, Seen()).leave()
    again = worker.enter(conversation, ALICE, Seen())
    assert seen.told == [(BOB, True), (ALICE, True)]
    again.leave()
    watch.leave()


async def test_a_worker_that_says_nothing_any_more_is_forgotten():
    conversation, (worker,), seen = new_id(), workers(QUICK, 1), Seen()
    watch = worker.enter(conversation, BOB, seen)
    dead = {"worker": "dead", "part": 0, "parts": 1, "participants": [ALICE]}
    await seen.until(lambda: (BOB, True) in seen.told)
    async with asyncio.timeout(PATIENCE):
        while ALICE not in seen.now():  # until the room listens
            await sessions.stream(f"chat.p.{conversation}").apublish("here", dead)
            await asyncio.sleep(0.01)
    await seen.until(lambda: (ALICE, False) in seen.told)
    watch.leave()


async def test_heartbeats_keep_those_there_who_are():
    conversation, (one, other), seen, beats = new_id(), workers(QUICK), Seen(), []
    alice = one.enter(conversation, ALICE, Seen())
    bob = other.enter(conversation, BOB, seen)
    await seen.until(lambda: seen.now() == {ALICE, BOB})
    async with asyncio.timeout(PATIENCE), sessions.stream(f"chat.p.{conversation}").listen() as events:
        async for event in events:
            beats.append(event.payload["worker"])
            if min(beats.count(each) for each in set(beats)) >= 3 and len(set(beats)) == 2:
                break
    alice.leave()
    bob.leave()


async def test_more_than_fit_into_one_event_are_told():
    conversation, (one, other), seen = new_id(), workers(LASTING), Seen()
    crowd = {f"user:{number:03}:{'x' * 115}" for number in range(2 * PART + 1)}
    visits = [one.enter(conversation, each, Seen()) for each in crowd]
    bob = other.enter(conversation, BOB, seen)
    await seen.until(lambda: seen.now() == {BOB, *crowd})
    for visit in visits[1:]:
        visit.leave()
    await seen.until(lambda: len(seen.now()) == 2)
    visits[0].leave()
    await seen.until(lambda: seen.now() == {BOB})
    bob.leave()


async def test_what_a_worker_of_another_version_says_is_let_by():
    conversation, (worker,), seen = new_id(), workers(LASTING, 1), Seen()
    watch = worker.enter(conversation, BOB, seen)
    stream = sessions.stream(f"chat.p.{conversation}")
    for payload in (None, [], {"worker": 7}, {"worker": "x", "part": "y", "parts": 1, "participants": []}):
        await stream.apublish("here", payload)
        await stream.apublish("who", payload)
    alice = worker.enter(conversation, ALICE, Seen())
    assert watch.present == (ALICE, BOB)
    alice.leave()
    watch.leave()


async def test_rooms_are_forgotten_when_nobody_is_there():
    (worker,) = workers(LASTING, 1)
    visit = worker.enter(new_id(), ALICE, Seen())
    assert len(worker) == 1
    visit.leave()
    assert len(worker) == 0


@pytest.mark.parametrize("stops", [True, False])
async def test_presence_outlives_the_stop_of_the_streams(stops):
    conversation, (worker,), seen = new_id(), workers(LASTING, 1), Seen()
    watch = worker.enter(conversation, BOB, seen)
    if stops:
        await sessions.astop(5)
    alice = worker.enter(conversation, ALICE, Seen())
    alice.leave()
    watch.leave()
    assert (ALICE, True) in seen.told


async def test_after_a_gap_the_others_are_asked_again():
    conversation = new_id()
    stream = sessions.stream(f"chat.p.{conversation}")
    (worker,) = workers(Times(beat=60, gone=600, grace=0.05, together=0.01, again=0.01), 1)
    async with asyncio.timeout(PATIENCE), stream.listen(limit=10_000) as events:
        watch = worker.enter(conversation, BOB, Seen())
        assert await next_of(events, "who")
        for number in range(3_000):  # more than may wait for the room
            stream.publish_nowait("noise", number)
        assert await next_of(events, "who")
    watch.leave()


async def next_of(events, name):
    """Return the next event of a name."""
    async for event in events:
        if isinstance(event, StreamEvent) and event.name == name:
            return event


async def test_who_has_no_word_from_other_workers_knows_its_own(own_sessions, clock):
    own_sessions.replace(None, clock, Silent({}, clock))
    conversation, (worker,), seen = new_id(), workers(LASTING, 1), Seen()
    watch = worker.enter(conversation, BOB, seen)
    alice = worker.enter(conversation, ALICE, Seen())
    alice.leave()
    await seen.until(lambda: (ALICE, False) in seen.told)
    watch.leave()
