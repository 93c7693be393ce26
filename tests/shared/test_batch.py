"""Actions that wait together are committed together, each with its own version and error, those with an id once."""

import asyncio

import pytest
from racing import race
from shared.lab import AsyncGate, Gate, Room, fine, lost, refused, replica

from phoenix_sessions import BackendUnavailable, NotSerializable, ReducerError, StateTooLarge


@pytest.fixture
def ref(here):
    return here.start_session("room", Room)


async def held(ref, backend, *, answered=False):
    """Have an action on its way to the engine; returns the gate that lets it go, and its task."""
    gate = AsyncGate(backend, "commit", answered=answered)
    task = asyncio.create_task(ref.adispatch("tally.add", "first"))
    await gate.entered.wait()
    return gate, task


async def queued(*coroutines):
    """Start these, and let each come as far as it can."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def outcomes(*tasks):
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_fifty_tasks_cost_two_commits(ref, backend):
    backend.calm()
    gate, first = await held(ref, backend)
    others = await queued(*(ref.adispatch("tally.add", each) for each in range(50)))
    gate.open.set()
    assert await outcomes(first, *others) == list(range(1, 52))
    assert backend.asked == {"commit": 2}
    assert ref.state["tally"] == ("first", *range(50))


def test_threads_that_wait_are_committed_together(ref, backend):
    gate = Gate()
    backend.before("commit", gate)

    def first():
        return ref.dispatch("tally.add", "first")

    def other():
        assert gate.entered.wait(10)
        return ref.dispatch("tally.add", "other")

    def let_go():
        while replica(ref._manager).depth < 8:
            pass
        gate.release.set()

    backend.asked.clear()
    versions = race(first, *[other] * 8, let_go)[:-1]
    assert sorted(versions) == list(range(1, 10))
    assert backend.asked["commit"] == 2


async def test_an_action_that_fails_in_a_batch_fails_alone(ref, backend):
    gate, first = await held(ref, backend)
    others = await queued(
        ref.adispatch("tally.add", 1),
        ref.adispatch("tally.fail"),
        ref.adispatch("tally.add", object()),
        ref.adispatch("tally.add", 2),
    )
    gate.open.set()
    _, one, failed, unwritable, two = await outcomes(first, *others)
    assert (one, two) == (2, 3)
    assert isinstance(failed, ReducerError)
    assert isinstance(unwritable, NotSerializable)
    assert ref.state["tally"] == ("first", 1, 2)


async def test_an_action_that_makes_the_state_too_large_fails_alone(configure, start_worker, backend):
    configure(MAX_STATE_BYTES=200)
    ref = await start_worker(backend).astart_session("room", Room)
    gate, first = await held(ref, backend)
    others = await queued(ref.adispatch("tally.add", "x" * 200), ref.adispatch("tally.add", "y"))
    gate.open.set()
    _, large, small = await outcomes(first, *others)
    assert isinstance(large, StateTooLarge)
    assert small == 2


async def test_what_is_posted_and_what_is_awaited_share_a_commit(ref, backend):
    backend.calm()
    gate, first = await held(ref, backend)
    ref.dispatch_nowait("tally.add", "posted")
    others = await queued(ref.adispatch("tally.add", "awaited"))
    gate.open.set()
    await outcomes(first, *others)
    assert backend.asked == {"commit": 2}
    assert ref.state["tally"] == ("first", "posted", "awaited")


async def test_a_call_between_actions_keeps_its_place(ref, backend):
    gate, first = await held(ref, backend)
    others = await queued(
        ref.adispatch("tally.add", 1), ref.acall(("put", "seen", "call")), ref.adispatch("tally.add", 2)
    )
    gate.open.set()
    assert await outcomes(first, *others) == [1, 2, "call", 4]


async def test_when_the_engine_refuses_a_batch_everybody_hears_it_and_nothing_was_done(ref, backend):
    gate, first = await held(ref, backend)
    others = await queued(ref.adispatch("tally.add", 1), ref.adispatch("tally.add", 2))
    backend.before("commit", fine, *[refused] * 1000)
    gate.open.set()
    _, *errors = await outcomes(first, *others)
    assert [(type(error), error.maybe) for error in errors] == [(BackendUnavailable, False)] * 2
    backend.calm()
    assert await ref.aget_state("tally") == ("first",)


# -- what must be applied once -----------------------------------------------------------------------------------------


def test_an_action_with_an_id_is_applied_once(ref):
    assert ref.dispatch("tally.add", 1, meta={"id": "a"}) == 1
    assert ref.dispatch("tally.add", 1, meta={"id": "a"}) == 1
    assert ref.get_state("tally") == (1,)


def test_an_action_with_an_id_is_applied_once_over_two_workers(ref, there):
    ref.dispatch("tally.add", 1, meta={"id": "a"})
    assert there.ref("room").dispatch("tally.add", 1, meta={"id": "a"}) == 1
    assert there.ref("room").get_state("tally") == (1,)


async def test_an_id_that_is_twice_in_a_batch_is_applied_once(ref, backend):
    gate, first = await held(ref, backend)
    others = await queued(*(ref.adispatch("tally.add", each, meta={"id": "a"}) for each in range(3)))
    gate.open.set()
    assert await outcomes(first, *others) == [1, 2, 2, 2]
    assert ref.state["tally"] == ("first", 0)


def test_a_failing_action_does_not_use_its_id_up(ref):
    for _ in range(2):
        with pytest.raises(ReducerError):
            ref.dispatch("tally.fail", meta={"id": "a"})
    assert ref.dispatch("tally.add", 1, meta={"id": "a"}) == 1


def test_an_action_that_changes_nothing_uses_its_id_up(ref):
    ref.dispatch("tally.same", meta={"id": "a"})
    ref.dispatch("tally.add", 1, meta={"id": "a"})
    assert ref.get_state("tally") == ()


async def test_ids_that_two_workers_use_in_turn_come_to_an_end(ref, there, backend):
    """One id was applied elsewhere before, the other in the moment in which the rest is tried again."""
    far = there.ref("room")
    await far.adispatch("tally.add", "far a", meta={"id": "a"})
    await ref.aget_state()
    gate, first = await held(ref, backend)
    others = await queued(*(ref.adispatch("tally.add", each, meta={"id": each}) for each in "abc"))

    def use_b(*_):
        far.dispatch_nowait("tally.add", "far b", meta={"id": "b"})
        while replica(there).busy or replica(there).depth:
            pass

    backend.after("commit", fine, use_b)
    gate.open.set()
    await asyncio.wait_for(outcomes(first, *others), 10)
    assert sorted(await ref.aget_state("tally")) == ["c", "far a", "far b", "first"]


def test_ids_are_told_apart_by_type(ref):
    ref.dispatch("tally.add", 1, meta={"id": 1})
    assert ref.dispatch("tally.add", 2, meta={"id": "1"}) == 2


def test_an_id_is_applied_once_though_the_answer_was_lost(ref, backend):
    backend.after("commit", lost)
    assert ref.dispatch("tally.add", 1, meta={"id": "a"}) == 1
    assert ref.dispatch("tally.add", 1, meta={"id": "a"}) == 1
    assert ref.get_state("tally") == (1,)


# -- middleware --------------------------------------------------------------------------------------------------------


def test_middleware_runs_around_each_action_outermost_first(here, there):
    seen = []

    def first(ref, action, next):
        seen.append(f"first {action.payload}")
        next(action)
        seen.append("first out")

    def second(ref, action, next):
        seen.append("second")
        next(action)

    class Watched(Room):
        store_middleware = [first, second]

    here.start_session("room", Watched).dispatch("tally.add", 1)
    assert seen == ["first 1", "second", "first out"]


class Strange:
    """Its ``repr`` is what an id is known by."""

    def __repr__(self):
        raise LookupError("as asked")


async def test_an_id_that_cannot_be_read_fails_its_own_sender_only(ref, backend):
    gate, first = await held(ref, backend)
    others = await queued(
        ref.adispatch("tally.add", 1),
        ref.adispatch("tally.add", 2, meta={"id": Strange()}),
        ref.adispatch("tally.add", 3),
    )
    ref.dispatch_nowait("tally.add", 4, meta={"id": Strange()})
    gate.open.set()
    answers = await asyncio.wait_for(outcomes(first, *others), 10)
    assert [answers[0], answers[1], type(answers[2]), answers[3]] == [1, 2, LookupError, 3]
