"""Sessions that are written behind: one owner, a fenced lease, and what others get."""

import asyncio
import contextlib
import random

import pytest
from racing import race
from shared.owned.owning import Room, comes, expire_lease, flush, on_loop, owned

from phoenix_sessions import BackendUnavailable, Reducer, SessionNotFound, SessionProcess, SessionStopped, on
from phoenix_sessions.backends.base import Point
from phoenix_sessions.backends.memory import MemoryBackend
from phoenix_sessions.manager import SessionManager
from phoenix_sessions.runtime.clock import SystemClock
from phoenix_sessions.runtime.departure import Departure


class Entries(Reducer):
    name = action_prefix = "entries"

    def init_state(self):
        return ()

    @on("add")
    def add(self, action, state):
        return (*state, action.payload)


class Ledger(SessionProcess):
    reducers = [Entries]


def test_a_dispatch_asks_no_engine(here, backend):
    ref = here.start_session("s", Room)
    backend.calm()
    assert [ref.dispatch("count.add") for _ in range(100)] == list(range(1, 101))
    assert ref.get_state("count") == 100
    assert not backend.asked


def test_what_has_changed_is_written_in_one_commit(here, backend):
    ref = here.start_session("s", Room)
    for _ in range(5):
        ref.dispatch("count.add")
    backend.calm()
    flush(here)
    flush(here)
    assert backend.asked["commit"] == 1
    assert backend.load("s").at == Point(ref.epoch, 5)


def test_another_worker_gets_the_session_with_everything_in_it(here, there):
    here.start_session("s", Room)
    here.ref("s").dispatch("count.add")
    assert there.ref("s").dispatch("count.add") == 2
    assert here.ref("s").get_state("count") == 2  # and back


async def test_so_it_is_for_the_async_verbs(here, there):
    await here.astart_session("s", Room)
    await here.ref("s").adispatch("count.add")
    assert await there.ref("s").adispatch("count.add") == 2


def test_who_has_subscribers_keeps_it_and_the_other_is_told(here, there, configure):
    configure(BACKEND_PATIENCE=0.2)
    there.disconnect()
    there.replace(None, SystemClock(), here.backend)
    ref = here.start_session("s", Room)
    with ref.subscribe("count", receiver=lambda *_: None):
        with pytest.raises(BackendUnavailable, match="another worker owns session 's'"):
            there.ref("s").dispatch("count.add")
        assert ref.dispatch("count.add") == 1


def test_an_owner_that_died_is_followed_once_its_lease_has_run_out(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    here.ref("s").dispatch("count.add")  # and is never written
    expire_lease(backend, here)
    assert there.ref("s").dispatch("count.add") == 2


def test_an_owner_that_was_paused_can_overwrite_nothing(here, there, backend):
    paused = here.start_session("s", Room)
    flush(here)
    expire_lease(backend, here)
    for _ in range(3):
        there.ref("s").dispatch("count.add")
    flush(there)

    told = []
    paused.subscribe("count", receiver=lambda event, value: told.append((event, value)))
    paused.dispatch("count.add")  # it knows nothing yet
    flush(here)

    assert backend.load("s").at.version == 3
    assert told == [("state_changed", 0), ("state_changed", 1), ("terminated", "fenced")]
    assert here.supervisor.registry.get("s") is None


def test_a_paused_owner_that_ends_the_session_ends_only_its_own(here, there, backend):
    here.start_session("s", Room)
    flush(here)
    expire_lease(backend, here)
    there.ref("s").dispatch("count.add")
    here.terminate("s")
    comes(lambda: "s" not in here.shared.engine.ending)
    assert there.ref("s").dispatch("count.add") == 2


def test_a_lease_that_ran_out_is_claimed_anew_if_nobody_has_come(here, backend):
    ref = here.start_session("s", Room)
    expire_lease(backend, here)
    before = owned(here).written.ownership.fence
    ref.dispatch("count.add")
    flush(here)
    assert owned(here).written.ownership.fence > before
    assert backend.load("s").at.version == 1


def test_an_engine_that_cannot_be_asked_loses_nothing(here, backend, configure):
    configure(BACKEND_PATIENCE=0.01)
    here.shared.engine.patience = 0.01
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")

    def fail(*args):
        raise BackendUnavailable("as asked")

    backend.before("commit", *[fail] * 3)
    flush(here)
    assert ref.dispatch("count.add") == 2
    backend.calm()
    flush(here)
    assert backend.load("s").at.version == 2


def test_a_commit_whose_answer_is_lost_is_not_taken_for_somebody_elses(here, backend):
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")

    def lose(*args):
        raise BackendUnavailable("as asked", maybe=True)

    backend.after("commit", lose)
    flush(here)
    assert ref.dispatch("count.add") == 2
    flush(here)
    assert backend.load("s").at.version == 2


@pytest.mark.parametrize("reason", ["passivated", "handed over", "fenced", "shutdown"])
def test_a_reason_that_a_user_gives_ends_it_whatever_it_says(here, there, backend, reason):
    here.start_session("s", Room)
    here.terminate("s", reason)
    comes(lambda: "s" not in backend.sessions)
    with pytest.raises(SessionNotFound):
        there.ref("s").get_state()


def test_terminate_ends_it_everywhere(here, there):
    here.start_session("s", Room)
    here.terminate("s")
    with pytest.raises(SessionNotFound):
        here.ref("s").get_state()
    comes(lambda: not there.started("s"))


def test_an_id_may_be_started_again_at_once(here):
    for _ in range(3):
        assert here.start_session("s", Room).dispatch("count.add") == 1
        here.terminate("s")


def test_it_moves_at_login(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    here.move("s", "t")
    assert here.ref("t").dispatch("count.add") == 2
    with pytest.raises(SessionNotFound):
        there.ref("s").get_state()
    assert there.ref("t").get_state("count") == 2


def test_who_is_idle_leaves_memory_and_comes_back(here, backend):
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")
    here.shared.engine.passivate_after = 0.0
    flush(here)
    assert here.supervisor.registry.get("s") is None
    assert ref.dispatch("count.add") == 2


def test_the_stop_writes_everything_down_and_gives_the_leases_back(here, there, backend):
    for number in range(5):
        here.start_session(f"s{number}", Room).dispatch("count.add")
    assert here.stop(5)
    assert [there.ref(f"s{number}").dispatch("count.add") for number in range(5)] == [2] * 5


def test_a_session_that_left_stops_who_still_waits(here):
    ref = here.start_session("s", Room)
    session = owned(here)
    flush(here)
    assert session.leave_for_another()
    comes(lambda: session.ended is Departure.PASSIVATED)
    with pytest.raises(SessionStopped):
        session.ask(True, None, session.enter)
    assert ref.dispatch("count.add") == 1


def test_who_only_looks_for_it_leaves_it_where_it_is(here, there):
    here.start_session("s", Room)
    assert there.started("s")
    assert there.find_session("s").id == "s"
    assert [ref.id for ref in there.list_sessions()] == ["s"]
    assert owned(here).ended is None


def test_a_session_that_is_worked_on_is_handed_over_all_the_same(here, there):
    async def work():
        ref = await here.astart_session("s", Room)
        done = 0
        while done < 2000:
            try:
                await ref.adispatch("count.add")
                done += 1
            except (SessionStopped, SessionNotFound, BackendUnavailable):
                break
            await asyncio.sleep(0)
        return done

    async def both():
        working = asyncio.create_task(work())
        await asyncio.sleep(0.02)
        version = await there.ref("s").adispatch("count.add")
        working.cancel()
        return version

    assert asyncio.run(both()) >= 1


def test_an_owned_session_is_loaded_by_one_of_many_at_once(here, there):
    here.start_session("s", Room)

    async def many():
        refs = [there.ref("s")] * 50
        return await asyncio.gather(*(ref.adispatch("count.add") for ref in refs))

    assert sorted(asyncio.run(many())) == list(range(1, 51))


@pytest.mark.parametrize("engine", ["memory", "redis"])
def test_nothing_acknowledged_is_lost_while_workers_take_sessions_from_each_other(engine, request, configure):
    configure(DURABILITY="write_behind", FLUSH_INTERVAL=0.05, OWNER_LEASE=3, BACKEND_PATIENCE=10, RATE_LIMIT=None)
    one = MemoryBackend({})
    make = (lambda: one) if engine == "memory" else request.getfixturevalue("redis_backends")
    workers = [SessionManager() for _ in range(3)]
    for worker in workers:
        worker.replace(None, SystemClock(), make())
    acknowledged = []

    def write(writer):
        chance = random.Random(writer)
        for number in range(40):
            id, each = chance.choice("ab"), (writer, number)
            while True:
                with contextlib.suppress(BackendUnavailable):
                    ref = chance.choice(workers).get_or_start(id, Ledger)
                    ref.dispatch("entries.add", each, meta={"id": each})
                    acknowledged.append((id, each))
                    break

    race(*[lambda writer=writer: write(writer) for writer in range(6)], timeout=60)
    held = {id: workers[0].ref(id).get_state("entries") for id in "ab"}
    assert sorted(acknowledged) == sorted((id, each) for id in held for each in held[id])
    for worker in workers:
        worker.supervisor.stop()


def test_the_memory_backend_of_one_process_does_too(configure, start_worker):
    configure(DURABILITY="write_behind")
    worker = start_worker(MemoryBackend({}), SystemClock())
    worker.start_session("s", Room).dispatch("count.add")
    on_loop(worker, owned(worker).flush)
    assert worker.backend.load("s").at.version == 1
