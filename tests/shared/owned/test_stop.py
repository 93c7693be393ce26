"""The stop of a worker that owns sessions: all are written, at the same time, in its time."""

import asyncio
import threading
import time

import pytest
from shared.lab import Tally
from shared.owned.owning import Doing, Hang, Room, comes, down, is_free, owned

from phoenix_sessions import BackendUnavailable, Reducer, SessionProcess, ShuttingDown, on


def test_sessions_are_written_at_the_same_time(here, backend):
    refs = [here.start_session(f"s{number}", Room) for number in range(50)]
    for ref in refs:
        ref.dispatch("count.add")
    original, under_way, most = backend.acommit, set(), []

    async def acommit(id, commit):
        under_way.add(id)
        most.append(len(under_way))
        await asyncio.sleep(0.05)
        under_way.discard(id)
        return await original(id, commit)

    backend.acommit = acommit
    assert here.stop(10)
    assert all(backend.load(ref.id).at.version == 1 for ref in refs)
    assert max(most) == 50


def test_the_stop_writes_on_no_event_loop_of_others(here, backend):
    class Stops(Reducer):
        name = action_prefix = "stops"

        def init_state(self):
            return 0

        @on("now")
        def now(self, action, state):
            stops.append(Doing(here.stop, 10))
            comes(lambda: owned(here).depth)  # who drains the mailbox has the stop's message next
            return state + 1

    class Stopping(SessionProcess):
        reducers = [Stops]

    stops, threads = [], []

    async def serve():
        await here.astart_session("s", Stopping)
        backend.before("commit", lambda *args: threads.append(threading.get_ident()))
        await here.ref("s").adispatch("stops.now")
        await asyncio.to_thread(stops[0].result)

    asyncio.run(serve())
    assert backend.load("s").at.version == 1
    assert threads != [threading.get_ident()]


def test_a_session_that_cannot_be_written_is_named_and_the_stop_is_not_complete(impatient, here, backend, caplog):
    here.start_session("written", Room)
    here.start_session("s", Room).dispatch("count.add")
    down(backend)
    assert not here.stop(10)
    assert "session s: what was not written down is lost" in caplog.text
    assert "session written" not in caplog.text


def test_an_engine_that_hangs_for_one_session_holds_up_no_other_and_not_the_deadline(here, backend, caplog):
    for id in ("slow", "quick"):
        here.start_session(id, Room).dispatch("count.add")
    hang = Hang(backend, "commit", "slow")
    begin = time.monotonic()
    assert not here.stop(2)
    assert time.monotonic() - begin < 8
    assert backend.load("quick").at.version == 1
    assert is_free(backend, "quick")
    comes(lambda: "session slow: the stop is over, and what was not written down is lost" in caplog.text)
    hang.release()


def test_a_session_with_a_goodbye_is_written_by_the_stop_too(here, backend):
    class Polite(SessionProcess):
        reducers = [Tally]

        def on_terminate(self, reason, state):
            goodbyes.append(reason)

    goodbyes = []
    here.start_session("s", Polite).dispatch("tally.add", 1)
    assert here.stop(10)
    assert backend.load("s").at.version == 1
    assert not goodbyes  # it goes on elsewhere


def test_a_worker_that_waits_for_a_session_while_its_stop_begins_does_not_get_it(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    subscription = here.ref("s").subscribe("count", receiver=lambda *_: None)
    waiting = Doing(there.ref("s").dispatch, "count.add")
    comes(lambda: backend.asked["claim"] > 2)
    stop = Doing(there.stop, 10)
    comes(lambda: there.stopping)
    stop.result()
    subscription.unsubscribe()
    with pytest.raises((ShuttingDown, BackendUnavailable)):
        waiting.result()
    assert here.ref("s").dispatch("count.add") == 2
    comes(lambda: not there.supervisor.registry.all())


def test_a_start_that_waits_while_the_stop_begins_is_refused_and_leaves_nothing(here, backend):
    hang = Hang(backend, "create", "s")

    async def start():
        await here.astart_session("s", Room)

    starting = Doing(asyncio.run, start())
    hang.wait()
    stop = Doing(here.stop, 10)
    comes(lambda: here.stopping)
    hang.release()
    with pytest.raises(ShuttingDown):
        starting.result()
    stop.result()
    comes(lambda: "s" not in backend.sessions)
    comes(lambda: is_free(backend, "s"))


def test_an_end_that_comes_too_late_is_not_taken_for_done(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    hang = Hang(backend, "commit", "s")
    stop = Doing(here.stop, 10)
    hang.wait()
    end = Doing(here.terminate, "s")
    comes(lambda: owned(here).depth)
    hang.release()
    stop.result()
    with pytest.raises(ShuttingDown):
        end.result()
    assert there.ref("s").dispatch("count.add") == 2


def test_nothing_starts_any_more(here, backend):
    here.stop(10)
    with pytest.raises(ShuttingDown):
        here.start_session("s", Room)
    assert "s" not in backend.sessions
    assert is_free(backend, "s")


def test_a_use_that_the_engine_does_not_know_is_told_at_the_stop(here, backend):
    ref = here.start_session("s", Room, ttl=3600)
    ref.touch()
    backend.calm()
    here.stop(10)
    assert backend.asked["touch"] == 1
