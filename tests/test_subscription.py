"""Subscriptions as their owners hold them."""

import gc

import pytest
from racing import race
from samples import CountPair

from phoenix_sessions import NoReply, SelectorError, SessionNotFound, SessionProcess, sessions


class Room(SessionProcess):
    reducers = [CountPair]

    def init_state(self, args):
        return {"name": "room"}

    def handle_cast(self, request, state):
        return NoReply({**state, "name": request})


@pytest.fixture
def ref():
    return sessions.start_session("room", Room)


@pytest.fixture
def told():
    return []


@pytest.fixture
def receiver(told):
    return lambda event, value: told.append((event, value))


def test_the_first_value_comes_at_once_and_then_every_change(ref, receiver, told):
    ref.subscribe("count.value", "count", receiver=receiver)
    ref.dispatch("count.add")
    ref.dispatch("count.add")
    assert told == [("count", 0), ("count", 1), ("count", 2)]


def test_without_a_selector_it_is_the_whole_state(ref, receiver, told):
    ref.subscribe(receiver=receiver)
    ref.cast("hall")
    assert [(event, state["name"]) for event, state in told] == [("state_changed", "room"), ("state_changed", "hall")]


def test_what_the_selector_does_not_pick_is_not_told(ref, receiver, told):
    ref.subscribe("count.value", receiver=receiver)
    ref.dispatch("count.other")
    ref.cast("hall")
    assert told == [("state_changed", 0)]


async def test_the_async_twin(receiver, told):
    ref = await sessions.astart_session("room", Room)
    subscription = await ref.asubscribe("count.value", "count", receiver=receiver)
    await ref.adispatch("count.add")
    subscription.unsubscribe()
    await ref.adispatch("count.add")
    assert told == [("count", 0), ("count", 1)]


def test_unsubscribing_ends_it_and_may_be_repeated(ref, receiver, told):
    subscription = ref.subscribe("count.value", receiver=receiver)
    assert subscription.active
    subscription.unsubscribe()
    subscription.unsubscribe()
    ref.dispatch("count.add")
    assert not subscription.active
    assert len(told) == 1
    assert sessions.session_stats().subscribers == 0


def test_the_end_of_its_block_ends_it(ref, receiver, told):
    with ref.subscribe("count.value", receiver=receiver) as subscription:
        ref.dispatch("count.add")
    ref.dispatch("count.add")
    assert not subscription.active
    assert len(told) == 2


def test_unsubscribing_after_the_session_has_ended_is_fine(ref, receiver):
    subscription = ref.subscribe(receiver=receiver)
    ref.terminate()
    assert not subscription.active
    subscription.unsubscribe()


def test_the_end_is_told_and_nothing_after_it(ref, receiver, told):
    ref.subscribe("count.value", "count", receiver=receiver)
    ref.terminate("logout")
    assert told == [("count", 0), ("terminated", "logout")]


def test_expiry_is_told(receiver, told, clock):
    class Mortal(Room):
        keep_alive_while_subscribed = False
        ttl = 10

    sessions.start_session("mortal", Mortal).subscribe("count.value", "count", receiver=receiver)
    clock.advance(11)
    assert told == [("count", 0), ("session_expired", "expired")]


class Page:
    def __init__(self, told):
        self.told = told

    def receive(self, event, value):
        self.told.append(value)


def test_a_method_ends_with_its_object(ref, told):
    page = Page(told)
    subscription = ref.subscribe("count.value", receiver=page.receive)
    ref.dispatch("count.add")
    del page
    gc.collect()
    ref.dispatch("count.add")
    assert told == [0, 1]
    assert not subscription.active
    assert sessions.session_stats().subscribers == 0


def test_a_session_does_not_stay_for_objects_that_are_gone(told, clock):
    class Mortal(Room):
        ttl = 10

    ref = sessions.start_session("mortal", Mortal)
    page = Page(told)
    ref.subscribe("count.value", receiver=page.receive)
    del page
    gc.collect()
    clock.advance(21)
    assert not ref.started()


def test_a_receiver_that_raises_disturbs_nobody(ref, receiver, told, caplog):
    def failing(event, value):
        raise LookupError("as asked")

    ref.subscribe("count.value", receiver=failing)
    ref.subscribe("count.value", receiver=receiver)
    assert ref.dispatch("count.add") == 1
    assert [value for _, value in told] == [0, 1]
    assert caplog.text.count(" failed: as asked") == 2


def test_a_selector_that_raises_at_first_is_told_to_the_subscriber(ref, receiver, told):
    with pytest.raises(SelectorError):
        ref.subscribe("count.nothing", receiver=receiver)
    assert told == []
    assert sessions.session_stats().subscribers == 0


def test_a_selector_that_raises_later_ends_only_its_own_and_is_reported(ref, receiver, told, caplog):
    bad = ref.subscribe("count.value", "bad", receiver=receiver)
    good = ref.subscribe("name", "good", receiver=receiver)
    assert ref.dispatch("count.empty") == 1
    ref.cast("hall")
    assert (bad.active, good.active) == (False, True)
    assert told == [("bad", 0), ("good", "room"), ("good", "hall")]
    assert "count.value" in caplog.text


@pytest.mark.parametrize("selector", ["", "a..b", 5, b"count"])
def test_a_wrong_selector_is_refused(ref, receiver, selector):
    for verb in (
        ref.get_state,
        ref.select_state,
        lambda it: ref.subscribe(it, receiver=receiver),
        lambda it: ref.changes(it=it),
    ):
        with pytest.raises(SelectorError):
            verb(selector)


async def a_coroutine_function(event, value):
    raise AssertionError("never called")


@pytest.mark.parametrize("receiver", [None, "receive", a_coroutine_function])
def test_a_receiver_must_be_a_plain_function(ref, receiver):
    with pytest.raises(TypeError, match=r"ref\.changes"):
        ref.subscribe(receiver=receiver)
    assert sessions.session_stats().subscribers == 0


def test_subscribing_to_no_session(receiver):
    with pytest.raises(SessionNotFound):
        sessions.ref("nobody").subscribe(receiver=receiver)


def test_racing_dispatches_are_told_in_order_and_the_last_one_arrives(ref):
    told = []
    ref.subscribe("count.value", receiver=lambda event, value: told.append(value))

    race(*[lambda: [ref.dispatch("count.add") for _ in range(500)]] * 4)

    assert told == list(range(2001))


def test_subscribing_and_leaving_in_a_race_with_dispatches(ref):
    def come_and_go():
        for _ in range(200):
            told = []
            with ref.subscribe("count.value", receiver=lambda event, value, told=told: told.append(value)):
                ref.dispatch("count.add")
            assert told == sorted(set(told))
            assert len(told) >= 2
        return True

    assert race(*[come_and_go] * 4) == [True] * 4
    assert ref.get_state("count.value") == 800
    assert sessions.session_stats().subscribers == 0
