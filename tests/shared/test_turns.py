"""Turns: whoever waits for the engine does so in its own way, and whoever gives up leaves nothing hanging."""

import asyncio
import contextlib
import itertools
import threading

import pytest
from racing import race, until
from shared.lab import AsyncGate, Count, Gate, Room, fine, listen, refused, replica, settle

from phoenix_sessions import BackendUnavailable, CallTimeout, NoReply, ReentrantCall, Reply, SessionStopped
from phoenix_sessions.runtime import telemetry
from phoenix_sessions.runtime.clock import SystemClock


@pytest.fixture
def ref(here):
    return here.start_session("room", Room)


class Interrupt(BaseException):
    """As KeyboardInterrupt, which pytest would take for itself."""


def interrupt(*args):
    raise Interrupt


async def settled(ref):
    await asyncio.to_thread(settle, ref._manager)


async def test_the_async_path_makes_no_thread_hop(ref, backend, here):
    threads = set()
    backend.before("commit", lambda *_: threads.add(threading.get_ident()))
    await ref.adispatch("tally.add", 1)
    assert threads == {threading.get_ident()}


async def test_the_loop_goes_on_while_the_engine_is_asked(ref, backend):
    gate = AsyncGate(backend, "commit")
    task = asyncio.create_task(ref.adispatch("tally.add", 1))
    await gate.entered.wait()
    assert not task.done()
    gate.open.set()
    assert await task == 1


# -- giving up ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered", [False, True])
async def test_a_sender_that_is_cancelled_on_the_way_leaves_its_commit_to_the_background(ref, backend, answered):
    gate = AsyncGate(backend, "commit", answered=answered)
    task = asyncio.create_task(ref.adispatch("tally.add", 1))
    await gate.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled(ref)
    assert await ref.aget_state("tally") == (1,)
    assert await ref.adispatch("tally.add", 2) == 2


async def test_a_sender_that_goes_is_no_failure_of_the_engine(ref, backend):
    failures = []
    telemetry.attach("alarm", telemetry.UNAVAILABLE, lambda *event: failures.append(event))
    gate = AsyncGate(backend, "commit")
    task = asyncio.create_task(ref.adispatch("tally.add", 1))
    await gate.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled(ref)
    telemetry.detach("alarm")
    assert await ref.aget_state("tally") == (1,)
    assert failures == []


@pytest.mark.parametrize("answered", [False, True])
async def test_others_in_the_batch_of_a_cancelled_sender_get_their_answers(ref, backend, answered):
    first = AsyncGate(backend, "commit")
    before = asyncio.create_task(ref.adispatch("tally.add", 0))
    await first.entered.wait()
    leader, *others = [asyncio.create_task(ref.adispatch("tally.add", each)) for each in (1, 2, 3)]
    await asyncio.sleep(0)
    gate = AsyncGate(backend, "commit", answered=answered)
    first.open.set()
    await gate.entered.wait()
    leader.cancel()
    assert await asyncio.gather(before, *others) == [1, 3, 4]
    assert await ref.aget_state("tally") == (0, 1, 2, 3)


async def test_others_in_the_batch_of_a_sender_that_is_cancelled_in_a_pause_get_their_answers(backend, start_worker):
    class Patient(SystemClock):
        entered = asyncio.Event()

        async def asleep(self, seconds):
            if threading.current_thread() is threading.main_thread():
                self.entered.set()
                await asyncio.Event().wait()

    clock = Patient()
    ref = await start_worker(backend, clock).astart_session("room", Room)
    first = AsyncGate(backend, "commit")
    before = asyncio.create_task(ref.adispatch("tally.add", 0))
    await first.entered.wait()
    leader, *others = [asyncio.create_task(ref.adispatch("tally.add", each)) for each in (1, 2, 3)]
    await asyncio.sleep(0)
    backend.before("commit", fine, refused)
    first.open.set()
    await clock.entered.wait()
    leader.cancel()
    assert await asyncio.gather(before, *others) == [1, 3, 4]


async def test_a_conflict_is_given_way_to_by_the_background_when_its_sender_is_cancelled(backend, start_worker):
    class Patient(SystemClock):
        entered = asyncio.Event()

        async def asleep(self, seconds):
            if threading.current_thread() is threading.main_thread():
                self.entered.set()
                await asyncio.Event().wait()

    clock = Patient()
    ref = await start_worker(backend, clock).astart_session("room", Room)
    await start_worker(backend, SystemClock()).ref("room").adispatch("tally.add", "far")
    task = asyncio.create_task(ref.adispatch("tally.add", 1))
    await clock.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled(ref)
    assert await ref.aget_state("tally") == ("far", 1)


async def test_a_sender_that_is_cancelled_before_its_turn_is_not_applied(ref, backend):
    gate = AsyncGate(backend, "commit")
    first = asyncio.create_task(ref.adispatch("tally.add", 1))
    await gate.entered.wait()
    second = asyncio.create_task(ref.adispatch("tally.add", 2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    gate.open.set()
    assert await first == 1
    assert await ref.adispatch("tally.add", 3) == 2


@pytest.mark.parametrize("steps", range(12))
async def test_a_task_that_is_cancelled_at_any_step_leaves_the_session_free(ref, there, backend, steps):
    await there.ref("room").adispatch("tally.add", "far")
    backend.before("commit", refused, fine, refused)
    tasks = [asyncio.create_task(ref.adispatch("tally.add", each)) for each in range(5)]
    for _ in range(steps):
        await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[3].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await settled(ref)
    assert all(type(answer) is int for answer in answers[1:3])
    state = await ref.aget_state("tally")
    assert len(state) == len(set(state))
    assert {1, 2, 4} <= set(state)
    assert not replica(ref._manager).busy


def test_an_interrupt_on_the_way_frees_the_session(ref, backend):
    backend.before("commit", interrupt)
    with pytest.raises(Interrupt):
        ref.dispatch("tally.add", 1)
    settle(ref._manager)
    assert ref.dispatch("tally.add", 2) == len(ref.get_state("tally"))


def test_an_interrupt_after_the_commit_loses_nothing(ref, backend):
    backend.after("commit", interrupt)
    with pytest.raises(Interrupt):
        ref.dispatch("tally.add", 1)
    settle(ref._manager)
    assert ref.get_state("tally") == (1,)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_is_not_for_those_whose_actions_are_committed_along(ref, backend, when):
    first, later = Gate(), Gate()
    backend.before("commit", first, later)
    outcomes = {}

    def dispatch(name):
        try:
            outcomes[name] = ref.dispatch("tally.add", name)
        except BaseException as error:
            outcomes[name] = error

    threads = [threading.Thread(target=dispatch, args=(name,)) for name in ("first", "leader", "other")]
    for number, thread in enumerate(threads):
        thread.start()
        assert first.entered.wait(10)
        until(lambda number=number: replica(ref._manager).depth == number)
    first.release.set()
    assert later.entered.wait(10)
    if when == "before":
        backend._before["commit"].append(fine)

        def stop(*args):
            raise Interrupt

        backend.after("commit", stop)
    else:
        backend.after("commit", interrupt)
    later.release.set()
    for thread in threads:
        thread.join(10)
    assert isinstance(outcomes["leader"], Interrupt)
    assert outcomes["other"] == 3
    assert ref.get_state("tally") == ("first", "leader", "other")


def test_an_interrupt_in_a_receiver_of_a_notice_frees_the_session(ref, here):
    def receiver(event, value):
        if value == "break":
            raise Interrupt

    with contextlib.suppress(Interrupt):
        ref.subscribe(lambda state: state["tally"][-1:] == ("x",) and "break", receiver=receiver)
        ref.dispatch("tally.add", "x")
    settle(here)
    assert not replica(here).busy
    assert ref.dispatch("tally.add", "y") == 2


# -- waiting for oneself -----------------------------------------------------------------------------------------------


def test_a_verb_that_waits_inside_of_the_session_is_refused(here):
    errors = []

    class Inward(Room):
        def handle_call(self, request, state):
            for verb in (lambda: here.ref("room").dispatch("tally.add", 1), lambda: here.ref("room").call("x")):
                try:
                    verb()
                except ReentrantCall as error:
                    errors.append(error)
            return Reply()

    here.start_session("room", Inward).call("go")
    assert len(errors) == 2


def test_a_receiver_may_post_to_its_own_session(ref, here):
    ref.subscribe("count", receiver=lambda event, value: value < 3 and ref.dispatch_nowait("count.up"))
    settle(here)
    assert ref.get_state("count") == 3


@pytest.mark.parametrize("posted", [False, True])
def test_an_async_handler_that_would_wait_for_itself_is_refused(here, posted):
    seen = []

    class Inward(Room):
        async def handle_call(self, request, state):
            try:
                await here.ref("room").adispatch("tally.add", 1)
            except ReentrantCall as error:
                seen.append(error)
            return Reply()

        async def handle_cast(self, request, state):
            await self.handle_call(request, state)
            return NoReply()

    ref = here.start_session("room", Inward)
    if posted:
        ref.cast("go")
        settle(here)
    else:
        ref.call("go")
    assert len(seen) == 1


def test_two_sessions_that_would_wait_for_each_other_are_refused(here):
    class Pair(Room):
        async def handle_call(self, request, state):
            other = {"room": "other", "other": "room"}[self.session_id]
            return Reply(await here.ref(other).acall(request, timeout=10))

    here.start_session("other", Pair)
    with pytest.raises(Exception, match="would wait"):
        here.start_session("room", Pair).call("go", timeout=10)


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_call_that_waits_too_long_for_its_turn_is_withdrawn(ref, backend):
    gate = Gate()
    backend.before("commit", gate)
    busy = threading.Thread(target=ref.dispatch, args=("tally.add", 1))
    busy.start()
    assert gate.entered.wait(10)
    with pytest.raises(CallTimeout) as caught:
        ref.call("hello", timeout=0.01)
    assert not caught.value.started
    gate.release.set()
    busy.join(10)
    assert ref.call("hello") == "hello"


def test_a_call_whose_async_handler_takes_too_long_goes_on(here):
    release = threading.Event()

    class Slow(Room):
        async def handle_call(self, request, state):
            await asyncio.to_thread(release.wait, 10)
            return Reply(request, {**state, "done": True})

    ref = here.start_session("room", Slow)
    with pytest.raises(CallTimeout) as caught:
        ref.call("hello", timeout=0.01)
    assert caught.value.started
    release.set()
    assert ref.get_state("done") is True


def test_the_end_of_a_session_that_is_busy_comes_though_nobody_waits_for_it(configure, here, start_worker, backend):
    configure(CALL_TIMEOUT=0.01)
    entered, release = threading.Event(), threading.Event()

    class Slow(Room):
        def handle_call(self, request, state):
            entered.set()
            assert release.wait(10)
            return Reply()

    ref = here.start_session("room", Slow)
    busy = threading.Thread(target=ref.call, args=("go",), kwargs={"timeout": 10})
    busy.start()
    assert entered.wait(10)
    with pytest.raises(CallTimeout):
        ref.terminate()
    release.set()
    busy.join(10)
    settle(here)
    assert not ref.started()


def test_an_async_handler_is_cancelled_at_the_end(here):
    entered = threading.Event()

    class Endless(Room):
        async def handle_call(self, request, state):
            entered.set()
            await asyncio.Event().wait()

    ref = here.start_session("room", Endless)

    def call():
        with pytest.raises(SessionStopped):
            ref.call("go", timeout=10)
        return "stopped"

    def end():
        assert entered.wait(10)
        ref.terminate()

    assert race(call, end) == ["stopped", None]


# -- order -------------------------------------------------------------------------------------------------------------


def test_what_a_sender_posts_comes_in_its_order(ref, here):
    for each in range(50):
        ref.dispatch_nowait("tally.add", each)
    assert ref.dispatch("tally.add", "last") == 51
    assert ref.get_state("tally") == (*range(50), "last")


async def test_what_is_posted_to_a_session_that_is_not_loaded_yet_comes_in_its_order(ref, there):
    far = there.ref("room")
    for each in range(20):
        far.dispatch_nowait("tally.add", each)
    await far.adispatch("tally.add", "last")
    await settled(far)
    assert await far.aget_state("tally") == (*range(20), "last")


def test_threads_and_loops_use_one_session_together(ref, there):
    async def several(ref):
        return await asyncio.gather(*(ref.adispatch("count.up") for _ in range(20)))

    def many(ref):
        return [ref.dispatch("count.up") for _ in range(20)]

    far = there.ref("room")
    answers = race(
        lambda: many(ref), lambda: many(far), lambda: asyncio.run(several(ref)), lambda: asyncio.run(several(far))
    )
    assert sorted(itertools.chain(*answers)) == list(range(1, 81))
    assert ref.get_state("count") == far.get_state("count") == 80


# -- an engine that is away --------------------------------------------------------------------------------------------


def test_those_who_wait_behind_one_who_was_patient_fail_with_it(ref, backend, clock):
    gate = Gate()
    backend.before("commit", gate, *[refused] * 10_000)
    backend.after("commit", refused)
    began = clock.monotonic()

    def first():
        return ref.call(("put", "a", 1))

    def other():
        assert gate.entered.wait(10)
        return ref.call(("put", "b", 2))

    def let_go():
        until(lambda: replica(ref._manager).depth == 8)
        gate.release.set()

    *answers, _ = race(first, *[other] * 8, let_go)
    assert {type(answer) for answer in answers} == {BackendUnavailable}
    assert clock.monotonic() - began < 6
    assert [answer.maybe for answer in answers] == [False] * 9
    backend.calm()
    assert ref.call("hello") == "hello"
    assert ref.call(("put", "c", 3)) == 3


async def test_tasks_and_casts_that_wait_behind_one_who_was_patient_fail_with_it(here, backend, clock):
    class Casting(Room):
        def handle_cast(self, request, state):
            return NoReply({**state, "cast": request})

    ref = await here.astart_session("room", Casting)
    gate = AsyncGate(backend, "commit")
    tasks = [asyncio.create_task(ref.acall(("put", "a", 1)))]
    await gate.entered.wait()
    for each in range(5):
        ref.cast(each)
    tasks += [asyncio.create_task(ref.acall(("put", "b", each))) for each in range(5)]
    await asyncio.sleep(0)
    began = clock.monotonic()
    backend.before("commit", *[refused] * 10_000)
    gate.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(answer) for answer in answers} == {BackendUnavailable}
    assert clock.monotonic() - began < 6
    backend.calm()
    assert await ref.acall(("put", "c", 3)) == 3


def test_who_comes_after_one_who_was_patient_is_patient_too(ref, backend):
    backend.before("commit", *[refused] * 1000)
    with pytest.raises(BackendUnavailable):
        ref.dispatch("tally.add", 1)
    backend.calm()
    backend.before("commit", refused, refused)
    assert ref.dispatch("tally.add", 2) == 1


def test_a_look_that_waits_behind_one_who_was_patient_holds_nobody_up(ref, backend):
    listen(ref)
    settle(ref._manager)
    backend.calm()
    gate = Gate()
    backend.before("commit", gate, *[refused] * 1000)
    backend.after("commit", refused)

    def let_go():
        assert gate.entered.wait(10)
        session = replica(ref._manager)
        session.post_always(True, session.look_again)
        gate.release.set()

    answer, _ = race(lambda: ref.dispatch("tally.add", 1), let_go)
    settle(ref._manager)
    assert type(answer) is BackendUnavailable
    assert backend.asked["load"] == 0


async def test_what_is_posted_after_a_session_could_not_be_loaded_is_done(ref, there, caplog):
    far, broken = there.ref("room"), [ValueError("as asked")]

    class Late(Count):  # mounted since the session was written
        name = "late"

        def init_state(self):
            if broken:
                raise broken.pop()
            return 0

    before, Room.reducers = Room.reducers, [*Room.reducers, Late]
    try:
        far.dispatch_nowait("tally.add", "lost")
        await settled(far)
        assert "what nobody waits for was not done: as asked" in caplog.text
        far.dispatch_nowait("tally.add", "done")
        await settled(far)
    finally:
        Room.reducers = before
    assert await ref.aget_state("tally") == ("done",)
