"""What the owner does in its own time: no session waits for another, no lease for a write."""

import asyncio
import threading

import pytest
from shared.owned.owning import PATIENCE, Count, Doing, Hang, Room, comes, flush, is_free, on_loop, owned

from phoenix_sessions import Reply, SessionProcess


class Slow(SessionProcess):
    """Its calls take until a test lets them go."""

    reducers = [Count]
    durability = "write_behind"
    leave = threading.Event()

    def handle_call(self, request, state):
        assert self.leave.wait(PATIENCE)
        return Reply(request)


@pytest.fixture(autouse=True)
def let_go():
    Slow.leave.clear()
    yield
    Slow.leave.set()


def test_a_write_that_hangs_holds_up_neither_leases_nor_other_sessions(configure, here, backend):
    configure(DURABILITY="write_behind", FLUSH_INTERVAL=0.02, OWNER_LEASE=1)
    hang = Hang(backend, "commit", "slow")
    refs = [here.start_session(id, Room) for id in ("slow", "quick")]
    refs[0].dispatch("count.add")
    hang.wait()
    refs[1].dispatch("count.add")
    comes(lambda: backend.load("quick").at.version == 1)
    backend.calm()
    comes(lambda: backend.asked["renew"] >= 8)  # of two sessions each third of a second: longer than a lease
    assert not is_free(backend, "slow")
    hang.release()
    comes(lambda: backend.load("slow").at.version == 1)


def test_a_renewal_that_hangs_holds_up_no_other(configure, here, backend):
    configure(DURABILITY="write_behind", FLUSH_INTERVAL=3600, OWNER_LEASE=0.5)
    hang = Hang(backend, "renew", "slow")
    for id in ("slow", "quick"):
        here.start_session(id, Room)
    hang.wait()
    backend.calm()
    comes(lambda: backend.asked["renew"] >= 4)  # of the quick one
    assert not is_free(backend, "quick")
    hang.release()


def test_a_lease_that_is_given_back_while_it_is_renewed_is_not_claimed_again(here, backend):
    here.start_session("s", Room).dispatch("count.add")
    session, flusher = owned(here), here.shared.flusher
    hang = Hang(backend, "renew", "s")

    async def renew():
        await asyncio.gather(*flusher.begin_renewing())

    renewal = Doing(on_loop, here, renew)
    hang.wait()
    assert session.leave_for_another()
    comes(lambda: session.ended and is_free(backend, "s"))
    hang.release()
    renewal.result()
    assert is_free(backend, "s")


def test_a_session_whose_handler_runs_for_long_holds_up_no_other(configure, here, backend):
    configure(DURABILITY="write_behind", FLUSH_INTERVAL=3600, OWNER_LEASE=3600, PASSIVATE_AFTER=0.001)
    call = Doing(here.start_session("slow", Slow).call, "wait", PATIENCE)
    here.start_session("quick", Room).dispatch("count.add")
    comes(lambda: owned(here, "slow").busy)
    comes(lambda: here.supervisor.now() - owned(here, "quick").touched > 0.001)
    flush(here)
    comes(lambda: here.supervisor.registry.get("quick") is None)
    assert owned(here, "slow").alive
    Slow.leave.set()
    assert call.result() == "wait"


def test_a_session_whose_lease_is_lost_while_its_handler_runs_holds_up_no_other(here, there, backend):
    call = Doing(here.start_session("slow", Slow).call, "wait", PATIENCE)
    comes(lambda: owned(here, "slow").busy)
    backend.release(*owned(here, "slow").written.ownership.key)
    there.ref("slow").dispatch("count.add")
    here.start_session("quick", Room).dispatch("count.add")
    flush(here)
    assert backend.load("quick").at.version == 1
    Slow.leave.set()
    assert call.result() == "wait"


def test_a_thread_that_could_not_be_had_is_asked_for_again(here, backend):
    def fail(*args):
        raise RuntimeError("can't start new thread")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            here.start_session("s", Room)
    assert here.get_or_start("t", Room).dispatch("count.add") == 1

    async def nothing():
        await asyncio.sleep(0)

    on_loop(here, nothing)
    assert here.shared.flusher._background is here.supervisor.background
    flush(here)
    assert backend.load("t").at.version == 1
