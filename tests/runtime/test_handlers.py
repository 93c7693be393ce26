"""call, cast, info, and what crashes and restarts do to a session."""

import asyncio
import contextlib
import threading

import pytest
from racing import until
from samples import Count

from phoenix_sessions import (
    CallFailed,
    CallTimeout,
    CastFailed,
    NoReply,
    Reply,
    Restart,
    SessionNotFound,
    SessionProcess,
    SessionStopped,
    Stop,
    sessions,
)
from phoenix_sessions.testing import settle


class Sync(SessionProcess):
    reducers = [Count]
    restart = Restart.PERMANENT

    def init_state(self, args):
        return {"said": ()}

    def handle_call(self, request, state):
        match request:
            case "count":
                return Reply(state["count"])
            case ("say", word):
                return Reply(len(word), {**state, "said": (*state["said"], word)})
            case ("stop", reason):
                return Stop(reason, value="bye")
            case "crash":
                raise LookupError("as asked")
            case "refuse":
                raise CallFailed(request, "not today")
            case "none":
                return None
            case "cast's answer":
                return NoReply()
            case ("state", next_state):
                return Reply(None, next_state)
            case "id":
                return Reply(self.session_id)
            case ("after", delay, message):
                return Reply(self.send_after(delay, message))
        raise AssertionError(request)

    def handle_cast(self, request, state):
        match request:
            case ("say", word):
                return NoReply({**state, "said": (*state["said"], word)})
            case ("stop", reason):
                return Stop(reason)
            case "crash":
                raise LookupError("as asked")
            case "refuse":
                raise CastFailed(request, "not today")
            case "call's answer":
                return Reply(1)
        raise AssertionError(request)

    def handle_info(self, message, state):
        if message == "crash":
            raise LookupError("as asked")
        return NoReply({**state, "said": (*state["said"], message)})


class Async(Sync):
    async def handle_call(self, request, state):
        await asyncio.sleep(0)
        return super().handle_call(request, state)

    async def handle_cast(self, request, state):
        await asyncio.sleep(0)
        return super().handle_cast(request, state)

    async def handle_info(self, message, state):
        await asyncio.sleep(0)
        return super().handle_info(message, state)


@pytest.fixture(params=[Sync, Async])
def ref(request):
    return sessions.start_session("room", request.param)


def cast(ref, request):
    """Cast and wait until it was handled; a failure that nobody waits for is in the log."""
    with contextlib.suppress(CastFailed):
        ref.cast(request)
    settle()


def test_a_call_is_answered(ref):
    ref.dispatch("count.add")
    assert ref.call("count") == 1


async def test_an_acall_is_answered(ref):
    assert await ref.acall(("say", "hello")) == 5
    assert await ref.aget_state("said") == ("hello",)


def test_a_call_may_change_the_state_which_counts_and_is_told(ref):
    told = []
    ref.subscribe("said", receiver=lambda event, said: told.append((ref.version, said)))
    ref.call(("say", "hello"))
    assert told == [(0, ()), (1, ("hello",))]


def test_a_cast_may_change_the_state(ref):
    cast(ref, ("say", "hello"))
    assert ref.get_state("said") == ("hello",)


async def test_an_acast_may_change_the_state(ref):
    await ref.acast(("say", "hello"))
    await asyncio.to_thread(settle)
    assert ref.state.said == ("hello",)


def test_the_process_knows_its_session(ref):
    assert ref.call("id") == "room"


def test_a_call_that_is_refused_changes_nothing_and_ends_nothing(ref):
    epoch = ref.epoch
    with pytest.raises(CallFailed, match="not today") as caught:
        ref.call("refuse")
    assert caught.value.request == "refuse"
    assert (ref.epoch, ref.version) == (epoch, 0)


def test_a_cast_that_is_refused_ends_nothing(ref):
    epoch = ref.epoch
    cast(ref, "refuse")
    assert ref.epoch == epoch


def test_a_sync_cast_on_a_free_session_raises_at_its_sender():
    ref = sessions.start_session("room", Sync)
    with pytest.raises(CastFailed, match="not today"):
        ref.cast("refuse")


@pytest.mark.parametrize(
    "request_", ["crash", "none", "cast's answer", ("state", 5), ("state", {1: 2}), ("state", {"said": ()})]
)
def test_a_crash_reaches_the_caller_and_begins_a_new_life(ref, request_):
    ref.dispatch("count.add")
    epoch = ref.epoch
    with pytest.raises(CallFailed) as caught:
        ref.call(request_)
    assert caught.value.__cause__ is not None
    assert ref.epoch != epoch
    assert (ref.version, ref.get_state("count")) == (0, 0)


@pytest.mark.parametrize("request_", ["crash", "call's answer"])
def test_a_crash_of_a_cast_begins_a_new_life(ref, request_):
    epoch = ref.epoch
    cast(ref, request_)
    assert ref.epoch != epoch


# -- restart policies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "request_", "again"),
    [
        (Restart.PERMANENT, "crash", True),
        (Restart.PERMANENT, ("stop", "normal"), True),
        (Restart.PERMANENT, ("stop", "odd"), True),
        (Restart.TRANSIENT, "crash", True),
        (Restart.TRANSIENT, ("stop", "normal"), False),
        (Restart.TRANSIENT, ("stop", "odd"), True),
        (Restart.TEMPORARY, "crash", False),
        (Restart.TEMPORARY, ("stop", "normal"), False),
        (Restart.TEMPORARY, ("stop", "odd"), False),
    ],
)
@pytest.mark.parametrize("base", [Sync, Async])
def test_the_policy_decides_what_follows(base, policy, request_, again):
    process = type("Room", (base,), {"restart": policy})
    ref = sessions.start_session("room", process)
    try:
        assert ref.call(request_) == "bye"
    except CallFailed:
        assert request_ == "crash"
    assert ref.started() is again


@pytest.mark.parametrize("policy", Restart)
def test_terminate_ends_a_session_under_every_policy(policy):
    ref = sessions.start_session("room", type("Room", (Sync,), {"restart": policy}))
    ref.terminate()
    assert not ref.started()


def test_a_handler_that_crashes_100_times_ends_only_its_own_session():
    neighbours = [sessions.start_session(f"n{number}", Sync) for number in range(5)]
    epochs = [neighbour.epoch for neighbour in neighbours]
    bad = sessions.start_session("bad", Sync)
    crashes, refusals = 0, 0
    for _ in range(100):
        try:
            bad.call("crash")
        except CallFailed:
            crashes += 1
        except SessionNotFound:
            refusals += 1
    assert (crashes, refusals) == (4, 96)  # the first life and three restarts
    assert [neighbour.epoch for neighbour in neighbours] == epochs
    assert not bad.started()


def test_restarts_that_are_far_apart_never_use_up_the_budget(clock):
    ref = sessions.start_session("room", Sync)
    for _ in range(20):
        with pytest.raises(CallFailed):
            ref.call("crash")
        clock.advance(2)
    assert ref.started()


def test_a_restart_whose_init_fails_ends_the_session_within_the_budget():
    starts = []

    class OnceOnly(Sync):
        def init_state(self, args):
            starts.append(args)
            if len(starts) > 1:
                raise LookupError("only once")
            return {"said": ()}

    ref = sessions.start_session("room", OnceOnly, args=7)
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert not ref.started()
    assert starts == [7] * 4


def test_subscriptions_survive_a_restart_with_the_new_epoch_and_first_values():
    told = []

    class Receiver:
        def changed(self, changes, epoch, version):
            told.append((dict(changes), epoch, version))

        def ended(self, event, reason):
            pass

    ref = sessions.start_session("room", Sync)
    subscription, _ = asyncio.run(ref.asubscribe_all({"count": "count", "said": "said"}, Receiver()))
    first = ref.epoch
    ref.dispatch("count.add")
    with pytest.raises(CallFailed):
        ref.call("crash")
    ref.dispatch("count.add")
    assert subscription.active
    assert told == [
        ({"count": 0, "said": ()}, first, 0),
        ({"count": 1}, first, 1),
        ({"count": 0, "said": ()}, ref.epoch, 0),
        ({"count": 1}, ref.epoch, 1),
    ]


def test_receivers_are_told_of_an_end_that_the_budget_brought():
    told = []
    ref = sessions.start_session("room", type("Room", (Sync,), {"restart": Restart.TEMPORARY}))
    ref.subscribe("count", "count", receiver=lambda *change: told.append(change))
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert told == [("count", 0), ("terminated", "crash")]


# -- send_after --------------------------------------------------------------------------------------------------------


def test_send_after_reaches_handle_info_when_it_is_due(ref, clock):
    ref.call(("after", 1.5, "tick"))
    clock.advance(1.4)
    settle()
    assert ref.get_state("said") == ()
    clock.advance(0.2)
    settle()
    assert ref.get_state("said") == ("tick",)


def test_timers_come_in_the_order_in_which_they_are_due(ref, clock):
    for delay in (3, 1, 2):
        ref.call(("after", delay, delay))
    clock.advance(5)
    settle()
    assert ref.get_state("said") == (1, 2, 3)


def test_a_cancelled_timer_never_comes(ref, clock):
    ref.call(("after", 1, "tick")).cancel()
    clock.advance(5)
    settle()
    assert ref.get_state("said") == ()


def test_a_timer_ends_with_its_life(ref, clock):
    ref.call(("after", 1, "tick"))
    with pytest.raises(CallFailed):
        ref.call("crash")
    clock.advance(5)
    settle()
    assert ref.get_state("said") == ()


def test_a_crash_in_handle_info_begins_a_new_life(ref, clock):
    epoch = ref.epoch
    ref.call(("after", 1, "crash"))
    clock.advance(2)
    settle()
    assert ref.epoch != epoch


# -- on_terminate ------------------------------------------------------------------------------------------------------


class Telling(Sync):
    restart = Restart.TEMPORARY

    def init_state(self, args):
        self.ends = args
        return {"said": ()}

    def on_terminate(self, reason, state):
        self.ends.append((reason, state["count"]))


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda ref: ref.terminate(), "normal"),
        (lambda ref: ref.terminate("logout"), "logout"),
        (lambda ref: sessions.terminate(ref.id), "normal"),
        (lambda ref: ref.call(("stop", "done")), "done"),
        (lambda ref: asyncio.run(ref.aterminate()), "normal"),
    ],
)
def test_on_terminate_learns_the_reason_and_the_last_state(end, reason):
    ends = []
    ref = sessions.start_session("room", Telling, args=ends)
    ref.dispatch("count.add")
    end(ref)
    settle()
    assert ends == [(reason, 1)]


def test_on_terminate_learns_of_a_crash():
    ends = []
    ref = sessions.start_session("room", Telling, args=ends)
    with pytest.raises(CallFailed):
        ref.call("crash")
    assert ends == [("crash", 0)]


def test_on_terminate_that_raises_is_reported_and_the_session_ends(caplog):
    class Failing(Sync):
        def on_terminate(self, reason, state):
            raise ValueError("as asked")

    ref = sessions.start_session("room", Failing)
    ref.terminate()
    assert not ref.started()
    assert "on_terminate of session room failed" in caplog.text


# -- waiting -----------------------------------------------------------------------------------------------------------


class Gate(SessionProcess):
    """A handler that stays until the test lets it go."""

    reducers = [Count]

    def init_state(self, args):
        self.gate = args
        return {"runs": ()}

    def handle_call(self, request, state):
        if request == "wait":
            self.gate.entered.set()
            assert self.gate.release.wait(10)
        return Reply(threading.get_ident(), {**state, "runs": (*state["runs"], request)})

    def handle_cast(self, request, state):
        self.gate.casts.append((threading.current_thread().name, request))
        return NoReply({**state, "runs": (*state["runs"], request)})


class Gates:
    def __init__(self):
        self.entered, self.release, self.casts = threading.Event(), threading.Event(), []


class AsyncGate(Gate):
    async def handle_call(self, request, state):
        return await asyncio.to_thread(super().handle_call, request, state)


@pytest.fixture
def gates():
    gates = Gates()
    yield gates
    gates.release.set()


def hold(ref):
    """Keep the session busy with a call from another thread; returns that thread."""
    thread = threading.Thread(target=ref.call, args=("wait", 10))
    thread.start()
    return thread


def test_a_call_that_times_out_before_its_turn_is_withdrawn(gates):
    ref = sessions.start_session("gate", Gate, args=gates)
    holder = hold(ref)
    assert gates.entered.wait(10)
    with pytest.raises(CallTimeout, match="withdrawn") as caught:
        ref.call("late", timeout=0.01)
    assert (caught.value.started, caught.value.session_id, caught.value.timeout) == (False, "gate", 0.01)
    gates.release.set()
    holder.join(10)
    assert ref.get_state("runs") == ("wait",)


def test_a_call_whose_async_handler_takes_too_long_goes_on_without_the_caller(gates):
    ref = sessions.start_session("gate", AsyncGate, args=gates)
    with pytest.raises(CallTimeout, match="goes on") as caught:
        ref.call("wait", timeout=0.05)
    assert caught.value.started is True
    gates.release.set()
    settle()
    assert ref.get_state("runs") == ("wait",)


async def test_an_acall_times_out_both_ways(gates):
    ref = await sessions.astart_session("gate", AsyncGate, args=gates)
    with pytest.raises(CallTimeout) as caught:
        await ref.acall("wait", timeout=0.05)
    assert caught.value.started is True
    with pytest.raises(CallTimeout) as caught:
        await ref.acall("late", timeout=0.01)
    assert caught.value.started is False
    gates.release.set()
    await asyncio.to_thread(settle)
    assert await ref.aget_state("runs") == ("wait",)


async def test_a_task_that_is_cancelled_while_it_waits_withdraws_its_message(gates):
    ref = await sessions.astart_session("gate", AsyncGate, args=gates)
    busy = asyncio.create_task(ref.acall("wait"))
    assert await asyncio.to_thread(gates.entered.wait, 10)
    late = asyncio.create_task(ref.adispatch("count.add"))
    await asyncio.sleep(0)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    gates.release.set()
    await busy
    assert await ref.aget_state("count") == 0


def test_a_call_without_timeout_waits_as_long_as_the_setting_says(gates, settings):
    settings.PHOENIX_SESSIONS = {"CALL_TIMEOUT": 0.01}
    ref = sessions.start_session("gate", Gate, args=gates)
    holder = hold(ref)
    assert gates.entered.wait(10)
    with pytest.raises(CallTimeout) as caught:
        ref.call("late")
    assert caught.value.timeout == 0.01
    gates.release.set()
    holder.join(10)


def test_a_queued_def_handler_runs_on_its_waiting_senders_thread(gates):
    ref = sessions.start_session("gate", Gate, args=gates)
    holder = hold(ref)
    assert gates.entered.wait(10)
    answers = {}

    def ask(number):
        answers[threading.get_ident()] = ref.call(number)

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    for asker in askers:
        asker.start()
    until(lambda: sessions.session_stats().mailbox_depth == 5)
    gates.release.set()
    for thread in (holder, *askers):
        thread.join(10)
    assert len(answers) == 5
    assert all(ran_on == sender for sender, ran_on in answers.items())


def test_a_queued_cast_runs_on_a_worker(gates):
    ref = sessions.start_session("gate", Gate, args=gates)
    holder = hold(ref)
    assert gates.entered.wait(10)
    ref.cast("later")
    assert gates.casts == []
    gates.release.set()
    holder.join(10)
    settle()
    assert [request for _, request in gates.casts] == ["later"]
    assert gates.casts[0][0].startswith("phoenix_sessions-worker")


def test_a_cast_to_a_free_session_runs_on_its_senders_thread(gates):
    ref = sessions.start_session("gate", Gate, args=gates)
    ref.cast("now")
    assert gates.casts == [(threading.current_thread().name, "now")]


async def test_what_waits_while_an_async_handler_runs_comes_in_order(gates):
    ref = await sessions.astart_session("gate", AsyncGate, args=gates)
    busy = asyncio.create_task(ref.acall("wait"))
    assert await asyncio.to_thread(gates.entered.wait, 10)
    ref.cast("first")
    ref.dispatch_nowait("count.add")
    second = asyncio.create_task(ref.acall("second"))
    await asyncio.sleep(0)
    gates.release.set()
    await asyncio.gather(busy, second)
    assert (await ref.aget_state("runs"), await ref.aget_state("count")) == (("wait", "first", "second"), 1)
    loop_thread = threading.current_thread().name
    assert all(name.startswith("phoenix_sessions-worker") and name != loop_thread for name, _ in gates.casts)


def test_terminate_cancels_an_async_handler_and_its_caller_learns_it():
    entered = threading.Event()

    class Endless(SessionProcess):
        async def handle_call(self, request, state):
            entered.set()
            await asyncio.Event().wait()

    ref = sessions.start_session("endless", Endless)
    outcome = []

    def ask():
        try:
            ref.call("hello", timeout=10)
        except SessionStopped as error:
            outcome.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    assert entered.wait(10)
    ref.terminate()
    asker.join(10)
    assert not ref.started()
    assert [error.session_id for error in outcome] == ["endless"]


def test_messages_that_wait_at_the_end_are_answered_with_session_stopped(gates):
    ref = sessions.start_session("gate", Gate, args=gates)
    holder = hold(ref)
    assert gates.entered.wait(10)
    outcomes = []

    def late(verb, *args):
        try:
            outcomes.append(verb(*args))
        except (SessionStopped, SessionNotFound) as error:
            outcomes.append(error)

    ending = threading.Thread(target=ref.terminate, args=("over",))
    ending.start()
    until(lambda: sessions.session_stats().mailbox_depth == 2)
    verbs = [(ref.call, "late"), (ref.dispatch, "count.add"), (ref.get_state,)]
    askers = [threading.Thread(target=late, args=verb) for verb in verbs]
    for asker in askers:
        asker.start()
    until(lambda: sessions.session_stats().mailbox_depth == 5)
    gates.release.set()
    for thread in (holder, ending, *askers):
        thread.join(10)
    assert [type(outcome) for outcome in outcomes] == [SessionStopped] * 3
    assert {outcome.reason for outcome in outcomes} == {"over"}


# -- the default handlers ----------------------------------------------------------------------------------------------


class Plain(SessionProcess):
    reducers = [Count]


def test_the_default_calls():
    ref = sessions.start_session("plain", Plain)
    assert ref.call("get_state") == {"count": 0}
    assert ref.call(("get", "count")) == 0
    assert ref.call(("get", "nothing")) is None
    with pytest.raises(CallFailed, match="does not know"):
        ref.call("dance")


def test_the_default_casts():
    ref = sessions.start_session("plain", Plain)
    ref.cast(("put", "name", "Ada"))
    assert ref.get_state() == {"count": 0, "name": "Ada"}
    ref.cast(("delete", "name"))
    assert ref.get_state() == {"count": 0}


@pytest.mark.parametrize("request_", [("put", "count", 7), ("delete", "count"), "dance", ("put", 1, 2)])
def test_the_default_cast_refuses_slices_and_what_it_does_not_know(request_):
    ref = sessions.start_session("plain", Plain)
    with pytest.raises(CastFailed):
        ref.cast(request_)
    assert ref.get_state() == {"count": 0}
    assert ref.version == 0


def test_an_async_handler_that_is_cancelled_by_what_it_waits_for_has_crashed():
    class Awaiting(SessionProcess):
        reducers = []
        restart = Restart.TEMPORARY

        async def handle_call(self, request, state):
            task = asyncio.ensure_future(asyncio.Event().wait())
            task.cancel()
            await task

    ref = sessions.start_session("s", Awaiting)
    with pytest.raises(CallFailed, match="cancelled"):
        ref.call("anything")
    assert not ref.started()


def test_values_that_cannot_be_compared_are_committed_all_the_same():
    class Stubborn:
        def __eq__(self, other):
            raise RuntimeError("do not compare me")

    class Keeps(SessionProcess):
        reducers = []

        def handle_call(self, request, state):
            return Reply("kept", {**state, "own": Stubborn()})

    ref = sessions.start_session("stubborn", Keeps)
    assert [ref.call("keep"), ref.call("keep")] == ["kept", "kept"]
    assert ref.version == 2
