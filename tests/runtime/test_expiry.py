"""Idle sessions end; everything that is used, or watched, stays."""

import asyncio
import itertools
from datetime import timedelta

import pytest
from samples import EchoRoom

from phoenix_sessions import SessionNotFound, sessions
from phoenix_sessions.runtime.expiry import REST, SHARE, WIDTH
from phoenix_sessions.testing import settle

TTL = 60


class Room(EchoRoom):
    ttl = TTL


@pytest.fixture
def room():
    return sessions.start_session("room", Room)


def test_a_session_stays_until_its_ttl_has_passed(room, clock):
    clock.advance(TTL - 1)
    assert room.started()


def test_an_idle_session_ends_and_its_id_is_free(room, clock):
    clock.advance(TTL + 1)
    assert not room.started()
    with pytest.raises(SessionNotFound):
        room.get_state()
    assert sessions.start_session("room", Room).get_state("count") == 0


MESSAGES = {
    "touch": lambda ref: ref.touch(),
    "sessions.touch": lambda ref: sessions.touch(ref.id),
    "dispatch": lambda ref: ref.dispatch("count.add"),
    "dispatch that changes nothing": lambda ref: ref.dispatch("count.unknown"),
    "dispatch_nowait": lambda ref: ref.dispatch_nowait("count.add"),
    "get_state": lambda ref: ref.get_state(),
    "select_state": lambda ref: ref.select_state("count"),
    "call": lambda ref: ref.call("hello"),
    "cast": lambda ref: ref.cast("hello"),
    "subscribe and unsubscribe": lambda ref: ref.subscribe("count", receiver=lambda *_: None).unsubscribe(),
    "adispatch": lambda ref: asyncio.run(ref.adispatch("count.add")),
    "acall": lambda ref: asyncio.run(ref.acall("hello")),
}


@pytest.mark.parametrize("use", MESSAGES.values(), ids=MESSAGES)
def test_every_use_puts_the_end_off(room, clock, use):
    clock.advance(TTL - 1)
    use(room)
    clock.advance(TTL - 1)
    assert room.started()
    clock.advance(2)
    assert not room.started()


@pytest.mark.parametrize("look", [lambda ref: ref.state, lambda ref: ref.version, lambda ref: ref.started()])
def test_looking_without_a_message_does_not(room, clock, look):
    clock.advance(TTL - 1)
    look(room)
    clock.advance(2)
    assert not room.started()


def test_many_uses_over_a_long_time_keep_it(room, clock):
    for _ in range(50):
        clock.advance(TTL / 2)
        room.dispatch("count.add")
    assert room.get_state("count") == 50


def test_a_subscribed_session_stays_and_ends_its_ttl_after_the_last_one_left(room, clock):
    subscription = room.subscribe("count", receiver=lambda *_: None)
    clock.advance(10 * TTL)
    assert room.started()

    subscription.unsubscribe()
    clock.advance(TTL - 1)
    assert room.started()
    clock.advance(2)
    assert not room.started()


def test_keeping_alive_can_be_switched_off(clock):
    class Mortal(Room):
        keep_alive_while_subscribed = False

    ended = []
    room = sessions.start_session("mortal", Mortal)
    room.subscribe("count", receiver=lambda event, value: ended.append((event, value)))
    clock.advance(TTL + 1)
    assert not room.started()
    assert ended == [("state_changed", 0), ("session_expired", "expired")]


def test_on_terminate_learns_that_it_expired(clock):
    ends = []

    class Telling(Room):
        def on_terminate(self, reason, state):
            ends.append((reason, state["count"]))

    sessions.start_session("telling", Telling).dispatch("count.add")
    clock.advance(TTL + 1)
    settle()
    assert ends == [("expired", 1)]


@pytest.mark.parametrize("ttl", [30, 30.0, timedelta(seconds=30)])
def test_a_start_may_give_its_own_ttl(clock, ttl):
    ref = sessions.start_session("short", Room, ttl=ttl)
    clock.advance(29)
    assert ref.started()
    clock.advance(2)
    assert not ref.started()


def test_without_a_ttl_a_session_stays_forever(clock):
    ref = sessions.start_session("eternal", Room, ttl=None)
    clock.advance(10**9)
    assert ref.started()
    assert len(sessions.supervisor.expiry) == 0


def test_the_setting_is_the_default(settings, clock):
    settings.PHOENIX_SESSIONS = {"SESSION_TTL": timedelta(minutes=1)}
    ref = sessions.start_session("default")
    clock.advance(59)
    assert ref.started()
    clock.advance(2)
    assert not ref.started()


def test_a_crowd_expires_together(clock):
    for number in range(1200):
        sessions.start_session(f"s{number}", Room)
    clock.advance(TTL + 1)
    clock.advance(0)
    assert sessions.list_sessions() == []
    assert len(sessions.supervisor.expiry) == 0
    assert len(sessions.supervisor.timers) == 0


def test_a_restarted_session_still_expires(clock):
    class Crashing(Room):
        def handle_cast(self, request, state):
            raise ValueError

    ref = sessions.start_session("crashing", Crashing)
    with pytest.raises(Exception, match="ValueError"):
        ref.cast("crash")
    assert ref.started()
    clock.advance(TTL + 1)
    assert not ref.started()


def test_a_crowd_that_is_due_together_lets_others_have_a_turn(clock):
    turns = []

    class Slow(Room):
        def on_terminate(self, reason, state):
            turns.append("end")
            clock._now += SHARE

    for number in range(3):
        sessions.start_session(f"s{number}", Slow)
    sessions.supervisor.timers.schedule(TTL + SHARE / 2, lambda: turns.append("another"))
    clock.advance(TTL + 1)
    assert turns == ["end", "another", "end", "end"]


def test_a_bucket_that_comes_while_a_crowd_is_dealt_with_shortens_no_rest(clock):
    ends = []

    class Slow(Room):
        def on_terminate(self, reason, state):
            ends.append(clock.monotonic())
            clock._now += WIDTH

    for number in range(6):
        sessions.start_session(f"s{number}", Slow, ttl=TTL + number // 2 * WIDTH)
    clock.advance(TTL + 10)
    assert len(ends) == 6
    assert all(later - earlier > WIDTH + REST / 2 for earlier, later in itertools.pairwise(ends))
