"""What is throttled or debounced, while the session is busy or something goes wrong."""

import asyncio
import contextlib
import threading

from racing import until

from phoenix_sessions import Reducer, ReducerError, Reply, SessionProcess, debounce, effect, on, sessions, throttle
from phoenix_sessions.testing import settle


class Log(Reducer):
    name = "log"

    def init_state(self):
        return ()

    @on("typed")
    @debounce(0.5)
    def typed(self, action, state):
        return (*state, action.payload)

    @on("once")
    @throttle(10)
    def once(self, action, state):
        if action.payload is None:
            raise ValueError("as asked")
        return (*state, action.payload)

    @effect("search")
    @debounce(0.5)
    async def search(self, action, dispatch, state):
        await dispatch("log.once", action.payload)


class Busy(SessionProcess):
    """Its calls keep it busy until the event is set."""

    reducers = [Log]
    ttl = None

    async def handle_call(self, go_on, state):
        await asyncio.to_thread(go_on.wait, 10)
        return Reply("done")


def test_a_debounced_action_that_another_has_replaced_does_not_run(clock):
    ref, go_on = sessions.start_session("s", Busy), threading.Event()
    ref.dispatch("log.typed", "first")
    caller = threading.Thread(target=ref.call, args=[go_on])
    caller.start()
    until(lambda: ref._session().busy)
    ref.dispatch_nowait("log.typed", "second")
    clock.advance(0.5)  # the first is due, but before it has its turn the second is taken
    go_on.set()
    caller.join()
    settle()
    assert ref.get_state("log") == ()
    clock.advance(0.5)
    assert ref.get_state("log") == ("second",)


def test_what_has_been_replaced_or_cancelled_is_not_kept(clock):
    ref = sessions.start_session("s", Busy)
    for number in range(100):
        ref.dispatch("log.typed", number)
        ref.dispatch_async("log.search", number)
    assert len(ref._session().timers) == 2
    clock.advance(1)
    settle()
    assert not ref._session().timers
    assert ref.get_state("log") == (99, 99)


def test_a_failure_that_a_middleware_swallows_uses_up_no_interval():
    def forgiving(ref, action, next):
        with contextlib.suppress(ReducerError):
            next(action)

    process = type("Forgiving", (Busy,), {"store_middleware": [forgiving]})
    ref = sessions.start_session("s", process)
    ref.dispatch("log.once", None)
    ref.dispatch("log.once", "now")
    assert ref.get_state("log") == ("now",)
