"""A session that leaves this worker's memory in the moment in which it is used is found again, whatever is asked."""

import asyncio

import pytest
from racing import until
from shared.lab import Gate, LabBackend, Room

from phoenix_sessions import NoReply, Reducer, effect
from phoenix_sessions.runtime.clock import SystemClock
from phoenix_sessions.runtime.departure import Departure


class Running(Reducer):
    name = "running"

    def init_state(self):
        return 0

    @effect("run")
    async def run(self, action, dispatch, state):
        return None


class Owned(Room):
    durability = "write_behind"
    reducers = [*Room.reducers, Running]

    def handle_cast(self, request, state):
        return NoReply({**state, "cast": request})


def nothing(*_):
    """Hear nothing."""


VERBS = {
    "dispatch": lambda ref: ref.dispatch("count.up"),
    "dispatch_async": lambda ref: ref.dispatch_async("running.run").result(10),
    "call": lambda ref: ref.call("hello"),
    "get_state": lambda ref: ref.get_state(),
    "subscribe": lambda ref: ref.subscribe("count", receiver=nothing).unsubscribe(),
    "history": lambda ref: ref.history(),
    "travel_to": lambda ref: ref.travel_to(1),
    "snapshot": lambda ref: ref.snapshot(),
    "move": lambda ref: ref._manager.move("s", "t"),
    "terminate": lambda ref: ref.terminate(),
}

ASYNC_VERBS = {
    "adispatch": lambda ref: ref.adispatch("count.up"),
    "adispatch_async": lambda ref: ref.adispatch_async("running.run"),
    "acall": lambda ref: ref.acall("hello"),
    "aget_state": lambda ref: ref.aget_state(),
    "asubscribe": lambda ref: ref.asubscribe("count", receiver=nothing),
    "ahistory": lambda ref: ref.ahistory(),
    "atravel_to": lambda ref: ref.atravel_to(1),
    "asnapshot": lambda ref: ref.asnapshot(),
    "amove": lambda ref: ref._manager.amove("s", "t"),
    "aterminate": lambda ref: ref.aterminate(),
}


@pytest.fixture
def backend(configure):
    configure(FLUSH_INTERVAL=3600, OWNER_LEASE=3600, PASSIVATE_AFTER=86_400)
    return LabBackend({})


@pytest.fixture
def here(backend, start_worker):
    return start_worker(backend, SystemClock())


@pytest.fixture
def there(backend, start_worker):
    return start_worker(backend, SystemClock())


@pytest.fixture
def ref(here, there, monkeypatch):
    """A session that another worker gets in the moment in which this one has found it."""
    ref = here.start_session("s", Owned)
    ref.dispatch("count.up")
    session, asession = here.session, here.asession

    def hand_over(found):
        monkeypatch.undo()
        assert there.ref("s").get_state("count") == 1
        assert found.ended

    def find(id):
        found = session(id)
        hand_over(found)
        return found

    async def afind(id):
        found = await asession(id)
        await asyncio.to_thread(hand_over, found)
        return found

    monkeypatch.setattr(here, "session", find)
    monkeypatch.setattr(here, "asession", afind)
    monkeypatch.setattr(here, "lookup", lambda id: None)
    return ref


@pytest.mark.parametrize("verb", VERBS)
def test_a_session_that_was_handed_over_is_found_again(ref, there, backend, verb):
    VERBS[verb](ref)
    until(lambda: ("s" in backend.sessions) == (verb not in ("terminate", "move")))


@pytest.mark.parametrize("verb", ASYNC_VERBS)
async def test_so_it_is_for_the_async_verbs(ref, there, backend, verb):
    await ASYNC_VERBS[verb](ref)
    await asyncio.to_thread(until, lambda: ("s" in backend.sessions) == (verb not in ("aterminate", "amove")))


@pytest.mark.parametrize("post", [lambda ref: ref.dispatch_nowait("count.up"), lambda ref: ref.cast("hello")])
def test_what_is_posted_while_the_session_leaves_is_done_where_it_is_next(here, there, backend, post):
    ref = here.start_session("s", Owned)
    ref.dispatch("count.up")
    found = here.session("s")
    gate = Gate()
    backend.before("commit", gate)
    found.post_always(True, found.leave, Departure.PASSIVATED)
    assert gate.entered.wait(10)
    post(ref)
    gate.release.set()
    until(lambda: found.ended)
    until(lambda: (ref.get_state("count"), ref.get_state().get("cast")) in ((2, None), (1, "hello")))
