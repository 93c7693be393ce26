"""A thread's wait for its answer does what a ``Future`` does, as far as it goes."""

import threading
import time
from concurrent.futures import Future

import pytest

from phoenix_sessions.runtime.waiter import Waiter


@pytest.fixture(params=[Waiter, Future])
def waiter(request):
    return request.param()


def test_the_answer_is_there_however_often_it_is_asked_for(waiter):
    assert waiter.set_running_or_notify_cancel()
    waiter.set_result(3)
    assert [waiter.result(), waiter.result(0)] == [3, 3]
    assert waiter.done()
    assert waiter.exception() is None


def test_an_error_is_raised_where_somebody_waits(waiter):
    error = LookupError("no")
    waiter.set_running_or_notify_cancel()
    waiter.set_exception(error)
    for _ in range(2):
        with pytest.raises(LookupError) as raised:
            waiter.result()
        assert raised.value is error
    assert waiter.exception() is error


def test_the_answer_comes_from_another_thread(waiter):
    waiter.set_running_or_notify_cancel()
    other = threading.Timer(0.02, waiter.set_result, [4])
    other.start()
    assert waiter.result() == 4
    other.join()


def test_nobody_waits_longer_than_he_says(waiter):
    for seconds in (-1, -0.5, 0):  # a deadline that is over
        with pytest.raises(TimeoutError):
            waiter.result(seconds)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        waiter.result(0.02)
    assert time.monotonic() - began >= 0.02
    assert not waiter.done()
    waiter.set_running_or_notify_cancel()
    waiter.set_result(5)
    assert waiter.result(0) == 5


def test_what_has_not_begun_can_be_taken_back(waiter):
    assert waiter.cancel()
    assert waiter.cancel()
    assert waiter.cancelled()
    assert waiter.done()
    assert not waiter.set_running_or_notify_cancel()


def test_what_has_begun_cannot_be_taken_back(waiter):
    assert waiter.set_running_or_notify_cancel()
    assert not waiter.cancel()
    assert not waiter.cancelled()


def test_one_of_those_who_begin_and_take_back_is_first():
    for _ in range(200):
        waiter, begun = Waiter(), []
        ready = threading.Barrier(2)

        def begin(waiter=waiter, begun=begun, ready=ready):
            ready.wait()
            begun.append(waiter.set_running_or_notify_cancel())

        thread = threading.Thread(target=begin)
        thread.start()
        ready.wait()
        cancelled = waiter.cancel()
        thread.join()
        assert cancelled != begun[0]


def test_an_error_holds_no_frame_that_holds_it():
    waiter = Waiter()
    waiter.set_running_or_notify_cancel()
    waiter.set_exception(LookupError("no"))
    with pytest.raises(LookupError) as raised:
        waiter.result()
    frames = []
    trace = raised.tb
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    assert all(frame.f_locals.get("self") is not waiter for frame in frames)
