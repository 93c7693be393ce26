"""A shared session at one worker: its lives, its end, idle time, and the move at login."""

import asyncio
import contextlib
import threading

import pytest
from shared.lab import Gate, Room, Tally, listen, lost, refused, replica, settle

from phoenix_sessions import (
    CallFailed,
    NoReply,
    Reply,
    Restart,
    SessionAlreadyStarted,
    SessionNotFound,
    SessionProcess,
    Stop,
    effect,
)


class Talker(Room):
    """Tells what happens to it."""

    ended = []
    infos = []

    def init_state(self, args):
        return {"args": args}

    def handle_call(self, request, state):
        if request == "stop":
            return Stop("enough", state, "bye")
        if request == "later":
            self.send_after(5, "due")
            return Reply()
        return super().handle_call(request, state)

    def handle_info(self, message, state):
        self.infos.append(message)
        return NoReply({**state, "info": message})

    def on_terminate(self, reason, state):
        self.ended.append(reason)


@pytest.fixture(autouse=True)
def told():
    Talker.ended, Talker.infos = [], []


class Listener:
    def __init__(self, ref, selector="tally"):
        self.heard = []
        self.subscription = ref.subscribe(selector, receiver=self.hear)

    def hear(self, event, value):
        self.heard.append((event, value))


# -- lives -------------------------------------------------------------------------------------------------------------


def test_a_crash_at_one_worker_begins_a_new_life_at_all(here, there, settled):
    ref = here.start_session("room", Talker, args={"a": 1})
    ref.dispatch("tally.add", 1)
    heard = listen(there.ref("room"))
    settled()
    epoch = there.ref("room").epoch
    with pytest.raises(CallFailed):
        ref.call("crash")
    settled()
    assert heard == [("state_changed", (1,)), ("state_changed", ())]
    assert there.ref("room").get_state("args") == {"a": 1}
    assert (there.ref("room").epoch, there.ref("room").version) == (ref.epoch, 0)
    assert ref.epoch != epoch
    assert Talker.ended == ["crash"]


def test_init_state_runs_elsewhere_with_the_args_of_the_start(here, there):
    here.start_session("room", Talker, args=("plain", 1))
    with pytest.raises(CallFailed):
        there.ref("room").call("crash")
    assert here.ref("room").get_state("args") == ("plain", 1)


def test_a_crash_beside_a_commit_elsewhere_ends_what_that_did(here, there):
    ref = here.start_session("room", Room)
    there.ref("room").dispatch("tally.add", 1)
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert there.ref("room").get_state("tally") == ()


def test_a_session_that_stops_for_good_ends_everywhere(here, there, settled):
    ref = here.start_session("room", Talker)
    heard = listen(there.ref("room"))
    settled()

    class Once(Talker):
        restart = Restart.TEMPORARY

    other = here.start_session("other", Once)
    assert other.call("stop") == "bye"
    assert not there.started("other")
    ref.terminate("closed")
    settled()
    assert heard[-1] == ("terminated", "closed")
    assert not there.started("room")
    assert Talker.ended == ["enough", "closed"]


def test_the_last_words_are_spoken_where_the_session_was_ended_and_only_there(here, there, settled):
    ref = here.start_session("room", Talker)
    listen(there.ref("room"))
    settled()
    ref.terminate()
    settled()
    with contextlib.suppress(SessionNotFound):
        there.ref("room").terminate()
    assert Talker.ended == ["normal"]


def test_an_end_that_another_worker_was_faster_with_is_not_found(here, there):
    here.start_session("room", Talker)
    there.ref("room").get_state()
    here.terminate("room", "first")
    with pytest.raises(SessionNotFound):
        there.terminate("room", "second")
    assert Talker.ended == ["first"]


def test_an_end_whose_answer_was_lost_speaks_its_last_words(here, backend):
    ref = here.start_session("room", Talker)
    backend.after("delete", lost)
    ref.terminate()
    assert Talker.ended == ["normal"]


def test_a_session_that_was_begun_anew_elsewhere_is_the_new_one(here, there):
    here.start_session("room", Talker, args="old").dispatch("tally.add", "old")
    far = there.ref("room")
    far.get_state()
    here.terminate("room")
    here.start_session("room", Talker, args="new")
    assert far.dispatch("tally.add", "new") == 1
    assert here.ref("room").get_state() == {"tally": ("new",), "count": 0, "args": "new"}
    with pytest.raises(CallFailed):
        far.call("crash")
    assert here.ref("room").get_state("args") == "new"


def test_a_session_of_another_class_under_the_same_id_is_not_taken_for_the_old_one(here, there):
    class Other(SessionProcess):
        reducers = [("other", Tally)]

    here.start_session("room", Room).dispatch("tally.add", "old")
    far = there.ref("room")
    far.get_state()
    here.terminate("room")
    here.start_session("room", Other)
    with contextlib.suppress(SessionNotFound):
        far.dispatch("tally.add", "stale")
    assert here.ref("room").get_state() == {"other": ()}
    assert far.get_state() == {"other": ()}


def test_the_end_of_an_old_session_does_not_end_the_new_one_under_its_id(here, there, settled):
    here.start_session("room", Room)
    heard = listen(there.ref("room"))
    settled()
    here.terminate("room")
    here.start_session("room", Room)
    settled()
    assert there.started("room")
    assert heard[0] == ("state_changed", ())


# -- what belongs to a worker ------------------------------------------------------------------------------------------


class Endless(Tally):
    @effect("run")
    async def run(self, action, dispatch, state):
        await asyncio.Event().wait()


class Busy(Talker):
    reducers = [Endless]


@pytest.mark.parametrize("end", [lambda ref: ref.terminate(), lambda ref: ref._manager.ref("room").call("stop")])
def test_effects_end_when_the_life_ends_elsewhere(here, there, settled, end):
    here.start_session("room", Busy)
    handle = there.ref("room").dispatch_async("tally.run")
    settled_loop(there)
    end(here.ref("room"))
    settled_loop(here, there)
    assert handle.done()


def settled_loop(*managers):
    """As ``settle``, but effects may go on."""
    for _ in range(5):
        for manager in managers:
            for _ in range(5):
                assert manager.supervisor.background.answers(10)


def test_timers_end_when_the_life_ends_elsewhere(here, there, settled, clock):
    here.start_session("room", Talker)
    there.ref("room").call("later")
    settled()
    with pytest.raises(CallFailed):
        here.ref("room").call("crash")
    settled()
    clock.advance(10)
    settled()
    assert Talker.infos == []


def test_effects_run_at_the_worker_that_committed_and_once(here, there, settled):
    ran = []

    class Starting(Tally):
        @effect("note")
        def note(self, action, dispatch, state):
            ran.append(threading.current_thread().name)

    class Starter(SessionProcess):
        reducers = [Starting]

        def handle_call(self, request, state):
            return Reply(None, {**state, "n": state.get("n", 0) + 1}, effects=["tally.note"])

    ref = here.start_session("room", Starter)
    far = there.ref("room")
    far.call("go")
    ref.call("go")  # meets a conflict
    settled()
    assert len(ran) == 2
    assert ref.get_state("n") == 2


# -- idle time ---------------------------------------------------------------------------------------------------------


def test_an_idle_session_expires_once_and_everywhere(here, there, settled, pass_time, backend):
    ref = here.start_session("room", Talker, ttl=100)
    far = there.ref("room")
    far.get_state()
    pass_time(150, steps=10)
    assert not ref.started()
    assert not far.started()
    assert Talker.ended == ["expired"]


def test_a_session_that_is_read_elsewhere_only_does_not_expire(here, there, pass_time):
    here.start_session("room", Room, ttl=100)
    far = there.ref("room")
    for _ in range(30):
        far.get_state()
        pass_time(10)
    assert far.started()


def test_a_session_that_is_watched_and_read_elsewhere_only_does_not_expire(here, there, pass_time, settled):
    here.start_session("room", Room, ttl=100)
    far = there.ref("room")
    for _ in range(5):
        far.get_state()
    settled()
    for _ in range(8):
        pass_time(60)
        far.get_state()
        settled()
    assert far.started()


def test_a_touch_elsewhere_puts_the_expiry_off(here, there, pass_time, settled):
    here.start_session("room", Room, ttl=100)
    far = there.ref("room")
    far.get_state()
    for _ in range(4):
        pass_time(70)
        far.touch()
        settled()
    assert here.started("room")


def test_a_session_with_subscribers_elsewhere_stays(here, there, pass_time, settled):
    here.start_session("room", Room, ttl=100)
    listen(there.ref("room"))
    settled()
    pass_time(600, steps=240)  # in smaller steps than there are between telling of a use and the expiry
    assert here.started("room")


def test_a_session_without_use_is_over_soon_after_its_time(here, there, pass_time):
    here.start_session("room", Room, ttl=100)
    far = there.ref("room")
    pass_time(10)
    far.get_state()
    pass_time(140, steps=140)
    assert not here.started("room")


def test_the_expiry_waits_for_an_engine_that_cannot_be_asked(here, pass_time, backend):
    ref = here.start_session("room", Room, ttl=100)
    backend.before("expire", *[refused] * 100)
    pass_time(101)
    backend.calm()
    assert replica(here) is not None
    pass_time(10, steps=5)
    assert not ref.started()


def test_a_passive_session_leaves_memory_and_comes_back(configure, start_worker, backend, clock):
    configure(PASSIVATE_AFTER=10)
    worker = start_worker(backend)
    ref = worker.start_session("room", Room)
    ref.dispatch("tally.add", 1)
    clock.advance(20)
    settle(worker)
    assert replica(worker) is None
    assert ref.get_state("tally") == (1,)
    assert ref.dispatch("tally.add", 2) == 2


def test_who_has_found_a_session_that_leaves_memory_is_served(configure, start_worker, backend, clock):
    configure(PASSIVATE_AFTER=10)
    worker = start_worker(backend)
    worker.start_session("room", Room)
    found = replica(worker)
    clock.advance(20)
    settle(worker)
    assert found.ended
    from phoenix_sessions.core.action import make_action

    action = make_action("tally.add", 1, None)
    assert found.ask(True, None, found.apply, action, found.spec.mounts.route("tally.add")) == 1
    assert worker.ref("room").get_state("tally") == (1,)


def test_who_has_found_a_session_that_leaves_memory_can_end_it(configure, start_worker, backend, clock):
    configure(PASSIVATE_AFTER=10)
    worker = start_worker(backend)
    worker.start_session("room", Room)
    found = replica(worker)
    clock.advance(20)
    settle(worker)
    found.ask(True, None, found.terminate, "normal")
    assert not worker.started("room")


def test_a_subscriber_whose_session_was_loaded_twice_hears_everything(configure, start_worker, backend, clock, here):
    configure(PASSIVATE_AFTER=10)
    worker = start_worker(backend)
    worker.start_session("room", Room)
    found = replica(worker)
    clock.advance(20)
    settle(worker)
    first = listen(worker.ref("room"))
    from phoenix_sessions.subscription import FunctionReceiver

    second = []
    receiver = FunctionReceiver(lambda event, value: second.append((event, value)))
    receiver.subscriber, _ = found.ask(
        True, None, found.subscribe, {"state_changed": "tally"}, receiver, None, receiver.tell
    )
    settle(worker)
    here.ref("room").dispatch("tally.add", 1)
    settle(here, worker)
    assert first[-1] == second[-1] == ("state_changed", (1,))


def test_a_session_with_subscribers_timers_or_effects_stays_in_memory(configure, start_worker, backend, clock):
    configure(PASSIVATE_AFTER=10)
    worker = start_worker(backend)
    listen(worker.start_session("subscribed", Room))
    worker.start_session("timed", Talker).call(("put", "x", 1))
    worker.start_session("busy", Busy).dispatch_async("tally.run")
    clock.advance(20)
    settled_loop(worker)
    assert replica(worker, "subscribed") is not None
    assert replica(worker, "busy") is not None


def test_what_an_effect_left_to_be_called_at_the_end_keeps_the_session_in_memory(
    configure, start_worker, backend, clock
):
    configure(PASSIVATE_AFTER=10)
    called = []

    class Opening(Tally):
        @effect("open")
        def open(self, action, dispatch, state):
            return lambda: called.append("closed")

    class Opener(SessionProcess):
        reducers = [Opening]

    worker = start_worker(backend)
    ref = worker.start_session("room", Opener)
    ref.dispatch_async("tally.open").result(10)
    settle(worker)
    clock.advance(20)
    settle(worker)
    assert called == []
    ref.terminate()
    settle(worker)
    assert called == ["closed"]


# -- starts ------------------------------------------------------------------------------------------------------------


def test_a_session_is_started_once_by_two_workers(here, there):
    gate = Gate()
    here.start_session("room", Room)
    with pytest.raises(SessionAlreadyStarted) as caught:
        there.start_session("room", Room)
    assert caught.value.ref == there.ref("room")
    assert there.get_or_start("room", Room).dispatch("tally.add", 1) == 1
    del gate


def test_a_start_whose_answer_was_lost_has_started(here, backend):
    backend.after("create", lost)
    assert here.start_session("room", Room).dispatch("tally.add", 1) == 1


def test_what_init_state_raises_starts_nothing(here, there):
    class Failing(SessionProcess):
        def init_state(self, args):
            raise LookupError("as asked")

    with pytest.raises(LookupError):
        here.start_session("room", Failing)
    assert not there.started("room")
    here.start_session("room", Room)
