"""What belongs to a life of a shared session, and what its handlers may do, as on every backend."""

import asyncio
import contextlib
import threading

import pytest
from shared.lab import AsyncGate, Gate, Room, Tally, replica, settle

from phoenix_sessions import CallFailed, MailboxFull, Reply, SessionNotFound, SessionProcess, debounce, effect, on


class Timed(Room):
    def handle_call(self, request, state):
        if request == "later":
            self.send_after(5, "of the old life")
            return Reply()
        return super().handle_call(request, state)


class Settling(Tally):
    @on("soon")
    @debounce(5)
    def soon(self, action, state):
        return (*state, action.payload)


class SettlingRoom(Room):
    reducers = [Settling]


def crash(worker):
    with pytest.raises(CallFailed):
        worker.ref("room").call("crash")


@pytest.mark.parametrize("process", [Timed, SettlingRoom])
def test_what_was_due_in_an_old_life_changes_no_new_one(here, there, clock, backend, process):
    """The life ends elsewhere in the moment in which the timer's change is committed."""
    here.start_session("room", process)
    if process is Timed:
        there.ref("room").call("later")
    else:
        there.ref("room").dispatch("tally.soon", "of the old life")
    settle(here, there)
    backend.before("commit", lambda *_: crash(here))
    clock.advance(6)
    settle(here, there)
    state = here.ref("room").get_state()
    assert (state["tally"], state.get("info")) == ((), None)


def test_a_timer_that_init_state_sets_goes_off(here, there, clock):
    class Ticking(Room):
        def init_state(self, args):
            self.send_after(5, "tick")
            return {}

    here.start_session("room", Ticking)
    clock.advance(6)
    settle(here, there)
    assert there.ref("room").get_state("info") == "tick"


def test_a_timer_that_init_state_sets_does_not_look_for_the_session_before_it_is_there(here, clock, backend):
    class Ticking(Room):
        def init_state(self, args):
            self.send_after(5, "tick")
            return {}

    here.start_session("other", Ticking)  # the watch has begun
    settle(here)
    backend.before("create", lambda *_: settle(here))
    here.start_session("room", Ticking)
    clock.advance(6)
    settle(here)
    assert here.ref("room").get_state("info") == "tick"


def test_a_start_that_fails_leaves_no_timer_and_no_watch(here, there, clock):
    class Ticking(Room):
        def init_state(self, args):
            self.send_after(5, "tick")
            return {"own": args}

    there.start_session("room", Room)
    found = []

    class Late(Ticking):
        def init_state(self, args):
            found.append(self._session)
            return super().init_state(args)

    gate = here.shared
    with contextlib.suppress(Exception):
        here.start_session("other", Late, args={1: {2: "x" * 2_000_000}})
    settle(here)
    assert found[0].timers is None
    assert len(gate.engine.hub) == 0


def test_a_handler_that_cancels_itself_has_crashed(here):
    class Selfish(Room):
        async def handle_call(self, request, state):
            if request == "cancel":
                raise asyncio.CancelledError
            return Reply(request)

    ref = here.start_session("room", Selfish)
    with pytest.raises(CallFailed, match="nobody but itself"):
        ref.call("cancel")
    assert ref.call("hello") == "hello"


def test_a_handler_that_answers_nonsense_has_crashed(here):
    class Silent(Room):
        def handle_call(self, request, state):
            return None if request == "bad" else Reply(1)

    ref = here.start_session("room", Silent)
    with pytest.raises(CallFailed):
        ref.call("bad")
    assert ref.call("good") == 1


def test_a_session_that_cannot_begin_again_is_over_everywhere(here, there):
    class Fragile(Room):
        broken = False

        def init_state(self, args):
            if Fragile.broken:
                raise ValueError("as asked")
            return {}

    ref = here.start_session("room", Fragile)
    Fragile.broken = True
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert not there.started("room")


def test_a_full_mailbox_refuses_one_more_and_handles_all_that_it_took(here, backend):
    ref = here.start_session("room", Room)
    gate = Gate()
    backend.before("commit", gate)
    busy = threading.Thread(target=ref.dispatch, args=("tally.add", 1))
    busy.start()
    assert gate.entered.wait(10)
    for _ in range(10_000):
        ref.dispatch_nowait("count.up")
    with pytest.raises(MailboxFull):
        ref.dispatch_nowait("count.up")
    gate.release.set()
    busy.join(10)
    assert ref.get_state("count") == 10_000


def test_a_posted_handler_is_cancelled_at_the_end(here):
    entered = threading.Event()

    class Endless(Room):
        async def handle_cast(self, request, state):
            entered.set()
            await asyncio.Event().wait()

    ref = here.start_session("room", Endless)
    ref.cast("go")
    assert entered.wait(10)
    ref.terminate()
    assert not ref.started()


def test_a_session_ends_though_there_is_no_room_to_load_it(configure, start_worker, backend, here):
    configure(MAX_SESSIONS=1)
    worker = start_worker(backend)
    worker.start_session("a", Room).subscribe(receiver=lambda *_: None)
    here.start_session("b", Room)
    worker.terminate("b")
    assert not here.started("b")


async def test_a_cancelled_subscribe_leaves_nobody(here, backend):
    ref = await here.astart_session("room", Room)
    gate = AsyncGate(backend, "load")
    task = asyncio.create_task(ref.asubscribe("tally", receiver=lambda *_: None))
    await gate.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(settle, here)
    assert not replica(here).subscriptions


async def test_changes_come_from_all_workers(here, there):
    await here.astart_session("room", Room)
    async with there.ref("room").changes(tally="tally") as changes:
        await anext(changes)
        await here.ref("room").adispatch("tally.add", 1)
        change = await asyncio.wait_for(anext(changes), 10)
    assert change.values == {"tally": (1,)}


def test_an_effect_whose_session_has_ended_can_dispatch_no_more(here, there):
    errors = []

    class Late(Tally):
        @effect("go")
        def go(self, action, dispatch, state):
            here.terminate("room")
            try:
                dispatch(".add", "after")
            except BaseException as error:
                errors.append(error)

    class LateRoom(SessionProcess):
        reducers = [Late]

    here.start_session("room", LateRoom)
    with contextlib.suppress(BaseException):
        there.ref("room").dispatch_async("tally.go").result(10)
    settle(here, there)
    assert len(errors) == 1
    with pytest.raises(SessionNotFound):
        there.ref("room").get_state()
