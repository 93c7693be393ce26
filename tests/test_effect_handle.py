"""Waiting for an effect where that can never end."""

import threading

import pytest
from samples import Count

from phoenix_sessions import ReentrantCall, Reply, SessionProcess, effect, sessions
from phoenix_sessions.testing import settle


class Working(Count):
    @effect("work")
    def work(self, action, dispatch, state):
        action.payload.wait(10)
        return dispatch(".add")


class Asked(SessionProcess):
    """Its calls wait for the effects that they get."""

    reducers = [Working]

    def handle_call(self, handle, state):
        with pytest.raises(ReentrantCall):
            handle.result()
        return Reply("told")


class AskedAsync(Asked):
    async def handle_call(self, handle, state):
        with pytest.raises(ReentrantCall):
            await handle
        return Reply("told")


@pytest.mark.parametrize("process", [Asked, AskedAsync])
def test_a_handler_that_would_wait_for_an_effect_of_its_own_session_is_told(process):
    ref, go_on = sessions.start_session("s", process), threading.Event()
    handle = ref.dispatch_async("count.work", go_on)
    assert ref.call(handle) == "told"
    go_on.set()
    assert handle.result(10) == 1
    settle()


def test_what_is_over_may_be_asked_everywhere():
    class Asking(Asked):
        def handle_call(self, handle, state):
            return Reply(handle.result())

    ref, go_on = sessions.start_session("s", Asking), threading.Event()
    go_on.set()
    handle = ref.dispatch_async("count.work", go_on)
    handle.result(10)
    assert ref.call(handle) == 1


@pytest.mark.parametrize("failing", [False, True])
def test_what_an_effect_left_to_be_called_may_be_a_coroutine_function(failing, caplog):
    called = threading.Event()

    class Listening(Count):
        @effect("listen")
        async def listen(self, action, dispatch, state):
            async def stop():
                called.set()
                if failing:
                    raise ValueError("as asked")

            return stop

    ref = sessions.start_session("s", type("Room", (SessionProcess,), {"reducers": [Listening]}))
    handle = ref.dispatch_async("count.listen")
    handle.result(10)
    assert not handle.cancel()
    settle()
    assert called.is_set()
    assert ("as asked" in caplog.text) == failing
