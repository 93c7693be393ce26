"""``sessions``: finding, listing, measuring, ending and moving."""

import asyncio

import pytest
from django.utils.functional import SimpleLazyObject
from racing import race
from samples import Count, Room

from phoenix_sessions import (
    InvalidReducer,
    InvalidSessionId,
    Reducer,
    SessionAlreadyStarted,
    SessionNotFound,
    SessionProcess,
    SessionStopped,
    sessions,
)

WRONG_IDS = ["", "x" * 65, "a@b", "abc\n", None, b"abc", 5]


class BigRoom(Room):
    pass


@pytest.mark.parametrize("id", WRONG_IDS)
@pytest.mark.parametrize(
    "verb",
    [
        sessions.ref,
        sessions.start_session,
        sessions.get_or_start,
        sessions.started,
        sessions.find_session,
        sessions.touch,
        sessions.terminate,
        lambda id: asyncio.run(sessions.astart_session(id)),
        lambda id: asyncio.run(sessions.aget_or_start(id)),
        lambda id: sessions.move("room", id),
    ],
)
def test_a_wrong_id_is_refused_by_every_verb_and_starts_nothing(verb, id):
    sessions.start_session("room")
    with pytest.raises(InvalidSessionId, match="1 to 64"):
        verb(id)
    assert sessions.list_sessions() == [sessions.ref("room")]


@pytest.mark.parametrize(
    "verb",
    [
        sessions.start_session,
        sessions.get_or_start,
        lambda id: asyncio.run(sessions.astart_session(id)),
        lambda id: asyncio.run(sessions.aget_or_start(id)),
    ],
)
def test_of_a_lazy_id_only_the_text_is_kept(verb):
    ref = verb(SimpleLazyObject(lambda: "room"))
    (session,) = sessions.supervisor.registry.all()
    assert (type(ref.id), type(session.id)) == (str, str)
    assert sessions.find_sessions_by_pattern("^room$") == ["room"]


@pytest.mark.parametrize(
    "verb", [sessions.get_or_start, lambda id: asyncio.run(sessions.aget_or_start(id))], ids=["sync", "async"]
)
def test_of_a_lazy_id_a_running_session_is_found(verb):
    sessions.start_session("room")
    assert type(verb(SimpleLazyObject(lambda: "room")).id) is str


@pytest.mark.parametrize("id", [5, None, b"room"])
def test_what_is_no_str_is_not_in_sessions(id):
    assert id not in sessions


@pytest.mark.parametrize("process", [int, "Room", Reducer, Room.init_state])
def test_a_process_must_be_a_session_process(process):
    with pytest.raises(InvalidReducer, match="SessionProcess"):
        sessions.start_session("room", process)
    assert "room" not in sessions


def test_wrong_mounts_are_refused_at_the_start():
    class Twice(SessionProcess):
        reducers = [Count, Count]

    with pytest.raises(InvalidReducer, match="two reducers"):
        sessions.start_session("room", Twice)
    assert "room" not in sessions


def test_starting_twice_gives_the_running_one_in_the_error():
    ref = sessions.start_session("room", Room)
    with pytest.raises(SessionAlreadyStarted, match="already started") as caught:
        sessions.start_session("room")
    assert (caught.value.session_id, caught.value.ref) == ("room", ref)


def test_get_or_start_keeps_what_runs():
    sessions.start_session("room", Room).dispatch("count.add")
    assert sessions.get_or_start("room", BigRoom).get_state("count") == 1


def test_arguments_reach_init_state():
    class Greeting(Room):
        def init_state(self, args):
            return {"greeting": f"hello {args['name']}"}

    assert sessions.start_session("room", Greeting, {"name": "Ada"}).state.greeting == "hello Ada"


def test_finding():
    ref = sessions.start_session("room", Room)
    assert sessions.find_session("room") == ref
    assert "room" in sessions
    assert sessions.started("room")
    assert not sessions.started("other")
    with pytest.raises(SessionNotFound, match="start_session") as caught:
        sessions.find_session("other")
    assert caught.value.session_id == "other"
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("verb", [sessions.find_session, sessions.terminate, sessions.touch])
def test_there_is_no_such_session(verb):
    with pytest.raises(SessionNotFound):
        verb("nobody")


def test_lists():
    room, big = sessions.start_session("room", Room), sessions.start_session("big", BigRoom)
    plain = sessions.start_session("plain")
    assert set(sessions.list_sessions()) == {room, big, plain}
    assert set(sessions.list_sessions_by_process(Room)) == {room, big}
    assert sessions.list_sessions_by_process(BigRoom) == [big]


async def test_the_async_twins():
    room = await sessions.astart_session("room", Room)
    assert await sessions.afind_session("room") == room
    assert await sessions.astarted("room")
    assert await sessions.alist_sessions() == await sessions.alist_sessions_by_process(Room) == [room]
    assert (await sessions.asession_info()).count == (await sessions.asession_stats()).sessions == 1
    assert await sessions.aget_or_start("room") == room
    await sessions.atouch("room")
    await sessions.aterminate("room")
    assert not await sessions.astarted("room")
    for verb in (sessions.afind_session, sessions.aterminate, sessions.atouch):
        with pytest.raises(SessionNotFound):
            await verb("room")
    with pytest.raises(SessionNotFound):
        await sessions.amove("room", "other")


def test_info_counts_by_process():
    sessions.start_session("a", Room)
    sessions.start_session("b", Room)
    sessions.start_session("c")
    info = sessions.session_info()
    assert info.count == 3
    assert info.by_process == {"samples.Room": 2, "phoenix_sessions.process.SessionProcess": 1}


def test_stats_measure(clock):
    assert sessions.session_stats().memory_average == 0
    room = sessions.start_session("room", Room)
    room.subscribe(receiver=lambda *_: None)
    gone = sessions.start_session("gone", Room)
    for _ in range(15):
        room.dispatch("count.add")
    for _ in range(5):
        gone.dispatch("count.add")
    gone.terminate()
    clock.advance(10)

    stats = sessions.session_stats()
    assert (stats.sessions, stats.subscribers, stats.dispatches, stats.mailbox_depth) == (1, 1, 20, 0)
    assert (stats.uptime, stats.dispatch_rate, stats.max_sessions) == (10.0, 2.0, 10_000)
    assert stats.memory == stats.memory_average > 100


def test_stats_are_frozen():
    with pytest.raises(AttributeError):
        sessions.session_stats().sessions = 5


# -- moving ------------------------------------------------------------------------------------------------------------


def test_a_session_moves_with_its_state_and_its_old_id_is_dead():
    told = []
    old = sessions.start_session("old", Room)
    old.subscribe("count", receiver=lambda event, value: told.append(value))
    old.dispatch("count.add")
    epoch = old.epoch

    new = sessions.move("old", "new")

    assert new.id == "new"
    assert new.dispatch("count.add") == 2
    assert (new.epoch, told) == (epoch, [0, 1, 2])
    with pytest.raises(SessionNotFound):
        old.get_state()
    assert sessions.start_session("old", Room).get_state("count") == 0


def test_moving_to_a_taken_id_changes_nothing():
    one, two = sessions.start_session("one", Room), sessions.start_session("two", Room)
    one.dispatch("count.add")
    with pytest.raises(SessionAlreadyStarted) as caught:
        sessions.move("one", "two")
    assert caught.value.session_id == "two"
    assert (one.get_state("count"), two.get_state("count")) == (1, 0)


def test_a_moved_session_expires_and_ends_under_its_new_id(clock):
    sessions.start_session("old", Room, ttl=10)
    new = sessions.move("old", "new")
    clock.advance(11)
    assert not new.started()
    assert sessions.list_sessions() == []


def test_racing_moves_of_one_session_leave_one():
    sessions.start_session("s0", Room)
    outcomes = race(*(lambda id=f"t{number}": sessions.move("s0", id) for number in range(10)))
    moved = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert len(moved) >= 1
    assert all(isinstance(outcome, SessionNotFound) for outcome in outcomes if isinstance(outcome, Exception))
    [left] = sessions.list_sessions()
    assert left.get_state("count") == 0


def test_racing_terminates_end_it_once():
    ends = []

    class Telling(Room):
        def on_terminate(self, reason, state):
            ends.append(reason)

    ref = sessions.start_session("room", Telling)
    race(*[ref.terminate] * 10)
    assert ends == ["normal"]
    assert not ref.started()


def test_terminate_against_dispatch_answers_everybody():
    ref = sessions.start_session("room", Room)

    def work():
        done = 0
        while True:
            try:
                ref.dispatch("count.add")
            except (SessionNotFound, SessionStopped):
                return done
            done += 1

    *counts, ended = race(*[work] * 4, ref.terminate)
    assert ended is None
    assert all(isinstance(count, int) for count in counts)
