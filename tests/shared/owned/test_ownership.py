"""The leases of owned sessions: none is lost, none is left behind."""

import asyncio

import pytest
from shared.lab import LabBackend, Tally, fine, lost, refused
from shared.owned.owning import Count, Hang, Room, comes, expire_lease, flush, is_free, owned

from phoenix_sessions import BackendUnavailable, SessionNotFound, SessionProcess
from phoenix_sessions.runtime.clock import SystemClock


class Site(LabBackend):
    """A backend that other OS processes see."""

    shared = True


class Limited(SessionProcess):
    reducers = [Tally]


class Through(SessionProcess):
    reducers = [Count]
    durability = "write_through"


@pytest.mark.parametrize("name", ["owner:s", "turn:s"])
def test_a_users_lease_is_no_sessions(impatient, here, name):
    with here.claim(name):
        assert here.start_session("s", Room).dispatch("count.add") == 1


def test_a_claim_that_is_cancelled_leaves_nothing(here, there, backend):
    here.start_session("s", Room)
    here.stop(10)
    hang = Hang(backend, "claim", "s", answered=True)

    async def give_up():
        finding = asyncio.create_task(there.ref("s").adispatch("count.add"))
        await asyncio.to_thread(hang.wait)
        finding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await finding

    asyncio.run(give_up())
    hang.release()
    comes(lambda: is_free(backend, "s"))
    assert there.ref("s").dispatch("count.add") == 1


def test_a_users_claim_that_is_cancelled_leaves_nothing(here, backend):
    hang = Hang(backend, "claim", "robot", answered=True)

    async def give_up():
        claiming = asyncio.create_task(here.aclaim("robot", 3600))
        await asyncio.to_thread(hang.wait)
        claiming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claiming

    asyncio.run(give_up())
    hang.release()
    comes(lambda: (lease := here.claim("robot")) is not None and lease.held)


def test_a_claim_whose_answer_was_lost_leaves_nothing(impatient, here, backend):
    backend.after("claim", lost)
    with pytest.raises(BackendUnavailable):
        here.claim("robot", 3600)
    comes(lambda: here.claim("robot") is not None)


def test_a_user_who_interrupts_his_claim_leaves_nothing(here, backend):
    def interrupt(*args):
        raise KeyboardInterrupt

    backend.after("claim", interrupt)
    with pytest.raises(KeyboardInterrupt):
        here.claim("robot", 3600)
    comes(lambda: here.claim("robot") is not None)


def test_who_has_lost_the_session_gives_back_the_lease_that_it_claimed_anew(here, there, backend):
    here.start_session("s", Room)
    session = owned(here)
    expire_lease(backend, here)
    there.ref("s").dispatch("count.add")
    there.stop(10)  # it is written, and its lease free
    flush(here)
    comes(lambda: session.ended == "fenced")
    assert is_free(backend, "s")


def test_an_engine_that_has_forgotten_everything_gets_the_session_again(here, there, backend):
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")
    flush(here)
    backend._sessions.clear()
    backend._leases.clear()
    flush(here)
    assert backend.load("s").at.version == 1
    assert ref.dispatch("count.add") == 2
    assert there.ref("s").dispatch("count.add") == 3


def test_an_engine_that_goes_away_while_it_answers_loses_nothing_though_the_lease_runs_out_meanwhile(
    impatient, here, backend
):
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")
    backend.before("commit", fine, *[refused] * 1000)
    backend.after("commit", lost)
    flush(here)
    assert ref.dispatch("count.add") == 2
    flush(here)
    backend.calm()
    expire_lease(backend, here)
    flush(here)
    assert ref.dispatch("count.add") == 3
    assert backend.load("s").at.version == 2


@pytest.mark.parametrize("written", [0, 1])
def test_an_engine_that_has_gone_back_gets_it_again_though_the_lease_has_run_out(here, backend, written):
    ref = here.start_session("s", Room)
    for _ in range(written):
        ref.dispatch("count.add")
    flush(here)
    old = backend.load("s")
    ref.dispatch("count.add")
    flush(here)
    backend.sessions["s"].record = old
    expire_lease(backend, here)
    flush(here)
    assert backend.load("s").at.version == written + 1
    assert ref.dispatch("count.add") == written + 2


@pytest.mark.parametrize(("how", "forgotten"), [
    ("handed over", "some"), ("stopped", "some"), ("stopped", "all"), ("idle", "some"), ("idle", "all"),
])  # fmt: skip
def test_an_engine_that_has_gone_back_gets_it_again_from_an_owner_who_leaves(here, there, backend, how, forgotten):
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")
    flush(here)
    old = backend.load("s")
    ref.dispatch("count.add")
    flush(here)
    if forgotten == "all":
        del backend.sessions["s"]
    else:
        backend.sessions["s"].record = old
    if how == "stopped":
        assert here.stop(10)
    if how == "idle":
        session = owned(here)
        assert session.leave_for_another()
        comes(lambda: session.ended)
    assert there.ref("s").dispatch("count.add") == 3


def test_a_state_that_was_written_through_is_taken_over_without_its_paces(configure, backend, start_worker):
    configure(DURABILITY="write_through")
    before = start_worker(backend, SystemClock())
    before.start_session("s", Limited).dispatch("tally.rarely", 1)
    configure(DURABILITY="write_behind")
    after = start_worker(backend, SystemClock())
    assert dict(after.ref("s").get_state()) == {"tally": (1,)}


@pytest.mark.parametrize("process", [Room, Through])
def test_a_class_that_is_stored_is_found_on_a_site_whose_sessions_are_in_memory(configure, start_worker, process):
    configure(DURABILITY="memory")
    backend = Site({})
    here, there = start_worker(backend, SystemClock()), start_worker(backend, SystemClock())
    here.start_session("s", process).dispatch("count.add")
    assert there.started("s")
    assert there.ref("s").dispatch("count.add") == 2


def test_a_backend_of_one_process_is_not_asked_for_what_nobody_has_started(configure, start_worker):
    configure(DURABILITY="memory")
    backend = LabBackend({})
    worker = start_worker(backend, SystemClock())
    with pytest.raises(SessionNotFound):
        worker.ref("s").get_state()
    assert not backend.asked
