"""What keeps an owned session where it is, and what leaves when there is no room."""

import pytest
from shared.owned.owning import Count, Doing, Hang, Room, comes, owned

from phoenix_sessions import BackendUnavailable, SessionLimitReached, SessionProcess
from phoenix_sessions.shared.owned import Owned

KEEPERS = {
    "subscription": lambda ref: ref.subscribe("count", receiver=lambda *_: None),
    "timer": lambda ref: ref.cast("timer"),
    "effect": lambda ref: ref.dispatch_async("count.wait"),
}


class Drawer(SessionProcess):
    reducers = [Count]
    durability = "write_through"


class Note(SessionProcess):
    reducers = [Count]
    durability = "memory"


@pytest.mark.parametrize("what", KEEPERS)
def test_what_comes_while_it_is_written_for_another_worker_is_not_thrown_out(impatient, here, there, backend, what):
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")
    hang = Hang(backend, "commit", "s")
    there.shared.engine.patience = 2.0  # the other one may have to be asked more than once
    other = Doing(there.ref("s").dispatch, "count.add")
    hang.wait()
    kept = KEEPERS[what](ref)
    session = owned(here)
    hang.release()
    with pytest.raises(BackendUnavailable):
        other.result()
    assert session.alive
    assert ref.dispatch("count.add") == 2
    del kept


@pytest.mark.parametrize("what", KEEPERS)
def test_what_belongs_to_a_worker_keeps_the_session_there(impatient, here, there, what):
    ref = here.start_session("s", Room)
    kept = KEEPERS[what](ref)
    comes(lambda: owned(here).subscriptions or owned(here).timers or owned(here).effects_under_way)
    with pytest.raises(BackendUnavailable):
        there.ref("s").dispatch("count.add")
    assert ref.dispatch("count.add") == 1
    del kept


def test_idle_sessions_make_room_for_others(configure, patient, here, backend):
    configure(DURABILITY="write_behind", FLUSH_INTERVAL=3600, OWNER_LEASE=3600, PASSIVATE_AFTER=3600, MAX_SESSIONS=2)
    for number in range(6):
        here.start_session(f"s{number}", Room).dispatch("count.add")
    comes(lambda: len(here.supervisor.registry) <= 2)
    assert [here.ref(f"s{number}").dispatch("count.add") for number in range(6)] == [2] * 6


@pytest.mark.parametrize("process", [Room, Drawer])
def test_they_make_room_for_sessions_in_memory_too(configure, patient, here, process):
    configure(DURABILITY="memory", FLUSH_INTERVAL=3600, OWNER_LEASE=3600, PASSIVATE_AFTER=3600, MAX_SESSIONS=2)
    for number in range(2):
        here.start_session(f"s{number}", process).dispatch("count.add")
    for number in range(2):
        here.start_session(f"note{number}", Note)
    comes(lambda: not any(isinstance(each, Owned) for each in here.supervisor.registry.all()))
    with pytest.raises(SessionLimitReached):
        here.start_session("note2", Note)


def test_who_is_used_makes_no_room(configure, patient, here):
    configure(DURABILITY="write_behind", FLUSH_INTERVAL=3600, OWNER_LEASE=3600, PASSIVATE_AFTER=3600, MAX_SESSIONS=1)
    subscription = here.start_session("s", Room).subscribe("count", receiver=lambda *_: None)
    with pytest.raises(SessionLimitReached):
        here.start_session("t", Room)
    with pytest.raises(SessionLimitReached):
        here.start_session("note", Note)
    subscription.unsubscribe()
