"""Streams in one worker: every event once, in one order, within bounds; a gap wherever one may be missing."""

import asyncio
import gc
import threading
import weakref

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions import EventTooLarge, Gap, NotSerializable, ShuttingDown, StreamEvent, conf, telemetry
from phoenix_sessions.core.events import MAX_EVENT_BYTES
from phoenix_sessions.cursor import Cursor
from phoenix_sessions.tap import Tap

SLOW = Gap("slow", live=True)
STOPPED = Gap("stopped", live=False)


@pytest.fixture
def sessions(own_sessions):
    return own_sessions


@pytest.fixture
def stream(sessions):
    return sessions.stream("conversation:01H")


def numbers(items):
    return [item.payload if isinstance(item, StreamEvent) else item.reason for item in items]


def publish(stream, numbers):
    for number in numbers:
        stream.publish_nowait("n", number)


async def take(events, count):
    return [await anext(events) for _ in range(count)]


# -- who listens is given each event, once, in order ------------------------------------------------------------------


async def test_a_listener_is_given_what_is_published_once_it_has_entered(stream):
    stream.publish_nowait("early", 0)
    async with stream.listen() as events:
        await stream.apublish("message", {"seq": 7})
        await stream.apublish("typing")
        assert await take(events, 2) == [StreamEvent("message", {"seq": 7}), StreamEvent("typing", None)]


async def test_events_are_not_taken_together(stream):
    async with stream.listen() as events:
        publish(stream, [1, 1, 2, 1])
        assert numbers(await take(events, 4)) == [1, 1, 2, 1]


async def test_listeners_of_other_streams_are_given_nothing(sessions, stream):
    async with sessions.stream("conversation:02H").listen() as events:
        publish(stream, [1])
        publish(sessions.stream("conversation:02H"), [2])
        assert numbers(await take(events, 1)) == [2]


def test_a_receiver_is_called_with_each_event(stream):
    told = []
    with stream.subscribe(told.append):
        stream.publish("n", 1)
        stream.publish("n", 2)
    stream.publish("n", 3)
    assert numbers(told) == [1, 2]


def test_who_publishes_in_a_receiver_is_told_after_it(stream):
    told = []

    def receiver(event):
        if event.payload == 1:
            stream.publish("n", 2)
        told.append(event)

    with stream.subscribe(receiver), stream.subscribe(told.append):
        stream.publish("n", 1)
    assert numbers(told) == [1, 1, 2, 2]


def test_a_receiver_that_raises_is_reported_and_the_others_are_told(stream, caplog):
    told = []
    with stream.subscribe(lambda event: 1 / 0), stream.subscribe(told.append):
        publish(stream, [1, 2])
    assert numbers(told) == [1, 2]
    assert "a receiver failed" in caplog.text


def test_an_interrupt_in_a_receiver_leaves_a_gap_to_those_after_it(stream):
    told = []

    def interrupted(event):
        if event.payload == 1:
            raise KeyboardInterrupt

    with stream.subscribe(interrupted), stream.subscribe(told.append):
        with pytest.raises(KeyboardInterrupt):
            stream.publish("n", 1)
        stream.publish("n", 2)
    assert told == [Gap("missed", live=True), StreamEvent("n", 2)]


def test_a_thousand_events_of_eight_threads_have_one_order_for_all(stream):
    first, second = [], []
    with stream.subscribe(first.append, limit=10_000), stream.subscribe(second.append, limit=10_000):
        in_threads(8, lambda name: publish(stream, [(name, each) for each in range(125)]))
    assert first == second
    assert_each_publisher_in_order(numbers(first), 8, 125)


async def test_listeners_on_several_loops_see_one_order(stream):
    told, ready = {}, threading.Barrier(4)

    async def listen(name):
        async with stream.listen(limit=10_000) as events:
            await asyncio.to_thread(ready.wait, 10)
            told[name] = numbers(await take(events, 800))

    listeners = [threading.Thread(target=lambda name=name: asyncio.run(listen(name))) for name in range(3)]
    for listener in listeners:
        listener.start()
    await asyncio.to_thread(ready.wait, 10)
    await asyncio.to_thread(in_threads, 8, lambda name: publish(stream, [(name, each) for each in range(100)]))
    for listener in listeners:
        await asyncio.to_thread(listener.join, 10)
    assert told[0] == told[1] == told[2]
    assert_each_publisher_in_order(told[0], 8, 100)


def in_threads(count, work):
    threads = [threading.Thread(target=work, args=(name,)) for name in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


def assert_each_publisher_in_order(told, publishers, each):
    assert len(told) == publishers * each
    for name in range(publishers):
        assert [number for by, number in told if by == name] == list(range(each))


# -- bounds -----------------------------------------------------------------------------------------------------------


async def test_who_is_too_slow_is_taken_to_the_present_with_a_gap(stream):
    async with stream.listen(limit=3) as events:
        publish(stream, [1, 2, 3])
        assert numbers(await take(events, 1)) == [1]
        publish(stream, [4, 5, 6])
        assert await take(events, 2) == [SLOW, StreamEvent("n", 6)]


async def test_as_many_as_the_limit_may_wait(stream):
    async with stream.listen(limit=3) as events:
        publish(stream, [1, 2, 3])
        assert numbers(await take(events, 3)) == [1, 2, 3]


async def test_a_slow_listener_does_not_concern_the_others(stream):
    async with stream.listen(limit=2) as slow, stream.listen(limit=100) as quick:
        publish(stream, range(10))
        assert numbers(await take(quick, 10)) == list(range(10))
        assert (await take(slow, 1)) == [SLOW]


async def test_a_hundred_thousand_events_through_a_slow_listener_stay_within_its_bound(stream):
    class Tracked:
        """A payload that can be counted while it lives."""

    living = weakref.WeakSet()
    most = gaps = 0
    async with stream.listen(limit=1_000) as events:
        for number in range(100_000):
            payload = Tracked()
            living.add(payload)
            stream.publish_nowait("n", payload)
            if number % 97 == 0:
                most = max(most, len(living))
            if number % 1_500 == 0:
                gaps += await anext(events) == SLOW
    assert gaps > 50
    assert 900 < most <= 1_001


def test_a_slow_receiver_is_bounded_too(stream):
    told, entered, go_on = [], threading.Event(), threading.Event()

    def receiver(event):
        told.append(event)
        entered.set()
        assert go_on.wait(10)

    with stream.subscribe(receiver, limit=3):
        first = threading.Thread(target=stream.publish, args=("n", 1))
        first.start()
        assert entered.wait(10)
        publish(stream, range(2, 100))
        go_on.set()
        first.join(10)
        assert SLOW in told
        assert len(told) <= 5


@pytest.mark.parametrize("limit", [0, -1, 1.5, None])
def test_a_limit_is_a_count(stream, limit):
    with pytest.raises(ValueError, match="limit is"):
        stream.listen(limit=limit)


@given(st.lists(st.one_of(st.integers(1, 6), st.tuples(st.integers(0, 2), st.integers(1, 4)))))
def test_nothing_is_lost_without_a_gap_whatever_the_pace(steps):
    """An integer publishes so many; a pair has one of three listeners take so many."""
    tap = Tap("t", open=True, live=True, orphaned=lambda _: None)
    cursors = [Cursor(limit) for limit in (1, 2, 5)]
    for cursor in cursors:
        tap.add(cursor, lambda _: None)
    tap._told = ()  # they take by themselves
    told = [[], [], []]
    last = 0
    for step in [*steps, (0, 99), (1, 99), (2, 99)]:
        if isinstance(step, int):
            for _ in range(step):
                last += 1
                tap.put(StreamEvent("n", last))
        else:
            listener, count = step
            for _ in range(count):
                if (item := tap.take(cursors[listener])) is not None:
                    told[listener].append(item)
    for items in told:
        expected = 1
        for item in items:
            if item == SLOW:
                expected = None
            else:
                assert expected is None or item.payload == expected
                assert expected is not None or item.payload > 0
                expected = item.payload + 1
        assert expected is None or expected == last + 1


# -- readers that come and go -----------------------------------------------------------------------------------------


async def test_the_loop_is_woken_once_for_many_events_and_listeners(stream, monkeypatch):
    loop = asyncio.get_running_loop()
    calls = []
    original = loop.call_soon_threadsafe
    async with stream.listen() as one, stream.listen() as two:
        waits = [asyncio.create_task(take(each, 100)) for each in (one, two)]
        await asyncio.sleep(0)
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *args, **kw: (calls.append(1), original(*args, **kw)))
        thread = threading.Thread(target=publish, args=(stream, range(100)))
        thread.start()
        thread.join(10)  # the loop does not look meanwhile
        monkeypatch.undo()
        assert [numbers(each) for each in await asyncio.gather(*waits)] == [list(range(100))] * 2
    assert len(calls) == 1


async def test_a_wait_that_is_cancelled_loses_nothing(stream):
    async with stream.listen() as events:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), 0.001)
        publish(stream, [1, 2])
        assert numbers(await take(events, 2)) == [1, 2]


async def test_who_left_ends_the_iteration_and_the_tap(sessions, stream):
    async with stream.listen() as events:
        assert len(sessions._streams()) == 1
        assert events.live
    assert len(sessions._streams()) == 0
    assert not events.live
    assert [event async for event in events] == []


async def test_a_listening_is_entered_once(stream):
    listening = stream.listen()
    with pytest.raises(RuntimeError, match="enter it first"):
        await anext(listening)
    async with listening:
        pass
    with pytest.raises(RuntimeError, match="entered before"):
        await listening.__aenter__()


async def test_a_listener_that_is_garbage_collected_is_forgotten(sessions, stream):
    listening = stream.listen()
    await listening.__aenter__()
    task = asyncio.create_task(take(listening, 1))  # it waits
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    del listening, task
    gc.collect()
    publish(stream, range(3))
    async with sessions.stream("other").listen():
        assert len(sessions._streams()) == 1


def test_the_object_of_a_bound_method_is_held_weakly(sessions, stream):
    class Owner:
        def __init__(self):
            self.told = []
            self.listener = stream.subscribe(self.receive, limit=2)

        def receive(self, event):
            told.append(event)

    told = []
    owner = Owner()
    publish(stream, [1])
    listener = owner.listener
    del owner
    gc.collect()
    publish(stream, range(2, 9))
    assert numbers(told) == [1]
    assert not listener.active
    with sessions.stream("other").subscribe(print):
        assert len(sessions._streams()) == 1


def test_a_function_is_held_until_unsubscribe(stream):
    told = []
    listener = stream.subscribe(lambda event: told.append(event))
    keeper = weakref.ref(listener)
    del listener
    gc.collect()
    publish(stream, [1])
    assert numbers(told) == [1]
    assert keeper() is None


async def test_a_loop_that_was_closed_is_no_trouble(stream):
    def abandon():
        async def listen():
            events = stream.listen(limit=5)
            await events.__aenter__()
            task = asyncio.create_task(anext(events))
            await asyncio.sleep(0)
            kept.append((events, task))

        asyncio.run(listen())

    kept = []
    thread = threading.Thread(target=abandon)
    thread.start()
    thread.join(10)
    async with stream.listen() as events:
        publish(stream, range(10))
        assert numbers(await take(events, 10)) == list(range(10))


# -- verbs, names and payloads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a b", "ü", "x" * 129, None, 7, "a/b"])
def test_a_name_is_checked(sessions, name):
    with pytest.raises(ValueError, match="no name of a stream"):
        sessions.stream(name)


@pytest.mark.parametrize("name", ["", "x" * 65, None])
async def test_the_name_of_an_event_is_checked(stream, name):
    with pytest.raises(ValueError, match="no name of an event"):
        await stream.apublish(name)


async def test_verbs_that_wait_are_refused_on_an_event_loop(stream):
    with pytest.raises(SynchronousOnlyOperation, match="apublish"):
        stream.publish("n")
    with pytest.raises(SynchronousOnlyOperation, match="asubscribe"):
        stream.subscribe(print)
    told = []
    with await stream.asubscribe(told.append):
        stream.publish_nowait("n", 1)
    assert numbers(told) == [1]


def test_a_receiver_is_a_plain_function(stream):
    async def receiver(event): ...

    with pytest.raises(TypeError, match="plain function"):
        stream.subscribe(receiver)


async def test_a_payload_is_the_same_object_for_all_who_listen_here(stream):
    payload = {"text": "hello"}
    async with stream.listen() as one, stream.listen() as two:
        await stream.apublish("n", payload)
        assert (await anext(one)).payload is (await anext(two)).payload is payload


def test_while_debug_is_on_payloads_are_looked_at_as_an_engine_would(settings, sessions, stream):
    settings.DEBUG = True
    conf.get_config.cache_clear()
    sessions.reconfigure()
    with pytest.raises(NotSerializable):
        stream.publish("n", object())
    with pytest.raises(EventTooLarge) as caught:
        stream.publish("n", "x" * MAX_EVENT_BYTES)
    assert (caught.value.stream, caught.value.limit) == (stream.name, MAX_EVENT_BYTES)


def test_a_stream_has_nothing_to_do_with_the_session_of_its_name(sessions):
    sessions.start_session("room")
    told = []
    with sessions.stream("room").subscribe(told.append):
        sessions.ref("room").dispatch("counter.add")
        sessions.terminate("room")
        publish(sessions.stream("room"), [1])
    assert numbers(told) == [1]


# -- the stop ---------------------------------------------------------------------------------------------------------


async def test_a_stop_ends_all_listeners_with_a_gap_that_says_so(sessions, stream):
    told = []
    listener = await stream.asubscribe(told.append)
    async with stream.listen() as events:
        publish(stream, [1])
        waiting = asyncio.create_task(take(events, 2))
        await sessions.astop(10)
        assert await waiting == [StreamEvent("n", 1), STOPPED]
        assert [event async for event in events] == []
    assert told == [StreamEvent("n", 1), STOPPED]
    assert not listener.active
    with pytest.raises(ShuttingDown):
        async with stream.listen():
            pass
    assert stream.publish_nowait("n", 2)


async def test_new_settings_end_who_listens(sessions, stream):
    async with stream.listen() as events:
        sessions.reconfigure()
        assert [event async for event in events] == [STOPPED]
    async with stream.listen() as events:
        publish(stream, [1])
        assert numbers(await take(events, 1)) == [1]


# -- telemetry --------------------------------------------------------------------------------------------------------


async def test_a_gap_is_an_event(stream):
    seen = []
    telemetry.attach("test", "phoenix_sessions.stream.gap", lambda *event: seen.append(event[:3]))
    try:
        async with stream.listen(limit=1):
            publish(stream, [1, 2])
    finally:
        telemetry.detach("test")
    assert seen == [
        ("phoenix_sessions.stream.gap", {"count": 1}, {"stream": "conversation:01H", "reason": "slow"}),
    ]
