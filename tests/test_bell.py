"""Other threads ring, the loop looks."""

import asyncio
import threading

import pytest

from phoenix_sessions.bell import Bell, bell


class CountingLoop:
    """What a bell uses of a loop; each call of it is counted, and runs when the test says so."""

    def __init__(self):
        self.calls = []
        self.closed = False

    def is_closed(self):
        return self.closed

    def call_soon_threadsafe(self, callback):
        self.calls.append(callback)

    call_soon = call_soon_threadsafe

    def run(self):
        calls, self.calls = self.calls, []
        for call in calls:
            call()


def test_many_rings_are_one_call_of_the_loop():
    loop, answered = CountingLoop(), []
    rung = Bell(loop)

    for number in range(1000):
        assert rung.ring(lambda number=number: answered.append(number))
    calls = len(loop.calls)
    loop.run()

    assert (calls, answered) == (1, list(range(1000)))


def test_who_rings_after_the_loop_has_looked_is_answered_too():
    loop, answered = CountingLoop(), []
    rung = Bell(loop)
    rung.ring(lambda: answered.append(1))
    loop.run()

    rung.ring(lambda: answered.append(2))
    loop.run()

    assert answered == [1, 2]


def test_a_ring_while_the_loop_looks_is_not_lost():
    loop, answered = CountingLoop(), []
    rung = Bell(loop)
    rung.ring(lambda: rung.ring(lambda: answered.append("late")))

    loop.run()
    loop.run()

    assert answered == ["late"]


def test_nobody_looks_on_a_closed_loop():
    loop = CountingLoop()
    loop.closed = True

    assert not Bell(loop).ring(print)
    assert loop.calls == []


async def test_no_ring_of_many_threads_is_lost():
    rung, answered, done = bell(), [], asyncio.Event()

    def answer():
        answered.append(threading.get_ident())
        if len(answered) == 8 * 500:
            done.set()

    def work():
        for _ in range(500):
            rung.ring(answer)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    await asyncio.wait_for(done.wait(), 10)
    for thread in threads:
        thread.join()

    assert set(answered) == {threading.get_ident()}


def test_each_loop_has_a_bell_of_its_own():
    async def two():
        return bell(), bell()

    one, same = asyncio.run(two())
    other, _ = asyncio.run(two())

    assert one is same
    assert other is not one


def test_an_interrupt_while_ringing_leaves_a_bell_that_can_be_rung():
    class InterruptedLoop(CountingLoop):
        def call_soon_threadsafe(self, callback):
            self.call_soon_threadsafe = super().call_soon_threadsafe
            raise KeyboardInterrupt

    loop, answered = InterruptedLoop(), []
    rung = Bell(loop)

    with pytest.raises(KeyboardInterrupt):
        rung.ring(lambda: answered.append(1))
    rung.ring(lambda: answered.append(2))
    loop.run()

    assert answered == [1, 2]


def test_an_answer_that_raises_strands_nobody():
    def fail():
        raise LookupError

    loop, answered = CountingLoop(), []
    rung = Bell(loop)

    rung.ring(fail)
    rung.ring(lambda: answered.append(1))
    with pytest.raises(LookupError):
        loop.run()
    loop.run()

    assert answered == [1]
