"""What could stay behind when things go wrong at the worst moment."""

import asyncio
import threading

import pytest

from phoenix_sessions import CallFailed, Reducer, SessionProcess, on, sessions
from phoenix_sessions.runtime import mailbox
from phoenix_sessions.testing import settle


class Gate(Reducer):
    name = "gate"

    @on("wait")
    def wait(self, action, state):
        entered, release = action.payload
        entered.set()
        assert release.wait(10)
        return state


class Room(SessionProcess):
    reducers = [Gate]
    ttl = 60


class Busy:
    """Keeps a session busy on a thread of its own until released."""

    def __init__(self, ref):
        entered, self._release = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=ref.dispatch, args=("gate.wait", (entered, self._release)))
        self._thread.start()
        assert entered.wait(10)

    def let_go(self):
        self._release.set()
        self._thread.join(10)


def fill(ref, monkeypatch):
    """Keep the session busy with a full mailbox."""
    monkeypatch.setattr(mailbox, "MAILBOX_LIMIT", 1)
    busy = Busy(ref)
    ref.dispatch_nowait("gate.unknown")
    return busy


def test_a_full_mailbox_keeps_no_other_session_from_expiring(monkeypatch, clock):
    full = sessions.start_session("full", Room)
    others = [sessions.start_session(f"s{number}", Room) for number in range(20)]
    busy = fill(full, monkeypatch)
    try:
        clock.advance(61)
        assert [other.started() for other in others] == [False] * 20
    finally:
        busy.let_go()
    settle()
    clock.advance(122)
    assert not full.started()


def test_unsubscribing_from_a_session_with_a_full_mailbox(monkeypatch):
    ref = sessions.start_session("full", Room)
    subscription = ref.subscribe(receiver=lambda *_: None)
    busy = fill(ref, monkeypatch)
    try:
        subscription.unsubscribe()
    finally:
        busy.let_go()
    assert not subscription.active
    assert sessions.session_stats().subscribers == 0


@pytest.mark.parametrize("verb", ["asubscribe", "changes"])
async def test_a_subscriber_cancelled_in_the_moment_of_its_turn_is_not_subscribed(verb):
    ref = await sessions.astart_session("room", Room)
    busy = Busy(ref)

    async def subscribe():
        if verb == "asubscribe":
            await ref.asubscribe(receiver=lambda *_: None)
        else:
            async with ref.changes(gate="gate"):
                raise AssertionError("never entered")

    subscribing = asyncio.create_task(subscribe())
    await asyncio.sleep(0)
    assert (await sessions.asession_stats()).mailbox_depth == 1
    busy.let_go()  # drains the mailbox on its thread, so the answer is there, but this loop has not looked
    subscribing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await subscribing
    assert (await sessions.asession_stats()).subscribers == 0


class Failing(Room):
    """Its first life begins as it should if args say so; all others fail after they have set a timer."""

    def init_state(self, args):
        self.send_after(30, "tick")
        if not args:
            raise LookupError("as asked")
        args.pop()
        return {}

    def handle_call(self, request, state):
        raise ValueError("as asked")


def test_a_start_that_fails_leaves_no_timer():
    with pytest.raises(LookupError):
        sessions.start_session("room", Failing)
    assert len(sessions.supervisor.timers) == 0


def test_a_restart_that_fails_gives_no_timer_to_the_next_life(caplog):
    before = len(sessions.supervisor.timers)
    ref = sessions.start_session("room", Failing, ["once"], ttl=None)
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert not ref.started()
    assert len(sessions.supervisor.timers) == before
