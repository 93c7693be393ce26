"""An end that the engine cannot be told at once is not forgotten."""

import pytest
from shared.lab import AsyncGate, refused
from shared.owned.owning import (
    Count,
    Doing,
    Hang,
    Room,
    comes,
    down,
    expire_lease,
    flush,
    is_free,
    on_loop,
    owned,
    tell_ends,
)

from phoenix_sessions import BackendUnavailable, SessionNotFound, SessionProcess
from phoenix_sessions.runtime import shortcuts
from phoenix_sessions.shared import ends


class Through(SessionProcess):
    reducers = [Count]
    durability = "write_through"


@pytest.fixture
def ended(impatient, here, backend):
    """A session that has ended here while the engine was away."""
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    down(backend)
    here.terminate("s")


def test_it_is_tried_again_until_it_is_done(ended, here, there, backend, caplog):
    comes(lambda: "session s has ended, which the engine is told later" in caplog.text)
    flush(here)
    assert not here.started("s")
    backend.calm()
    assert not here.started("s")
    tell_ends(here)
    assert "s" not in backend.sessions
    assert is_free(backend, "s")
    assert not there.started("s")


def test_the_id_cannot_be_started_meanwhile_and_can_then(ended, here, backend):
    with pytest.raises(BackendUnavailable):
        here.get_or_start("s", Room)
    backend.calm()
    tell_ends(here)
    assert here.get_or_start("s", Room).dispatch("count.add") == 1


def test_it_is_done_with_when_somebody_else_owns_the_session(impatient, here, there, backend, caplog):
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    expire_lease(backend, here)
    down(backend)
    here.terminate("s")
    comes(lambda: "session s has ended, which the engine is told later" in caplog.text)
    backend.calm()
    assert there.ref("s").dispatch("count.add") == 2
    tell_ends(here)
    assert there.ref("s").dispatch("count.add") == 3


def test_it_leaves_alone_what_has_begun_since_without_an_owner(ended, here, there, backend, caplog):
    comes(lambda: "session s has ended, which the engine is told later" in caplog.text)
    backend.calm()
    backend.delete("s", None, b"")
    there.start_session("s", Through).dispatch("count.add")
    tell_ends(here)
    assert "s" in backend.sessions
    assert there.ref("s").dispatch("count.add") == 2


def test_the_stop_says_which_are_left(ended, here, caplog):
    assert not here.stop(0.5)
    comes(lambda: "session s: the engine could not be told of its end; it may come back" in caplog.text)


def test_the_stop_tells_those_that_it_can(ended, here, backend):
    backend.calm()
    assert here.stop(10)
    assert "s" not in backend.sessions


def test_so_many_are_kept_and_no_more(impatient, here, backend, caplog, monkeypatch):
    monkeypatch.setattr(ends, "MOST", 2)
    for number in range(3):
        here.start_session(f"s{number}", Room)
    down(backend)
    for number in range(3):
        here.terminate(f"s{number}")
    assert here.shared.engine.ending.ids == ["s1", "s2"]
    assert "session s0: the engine could not be told of its end; it may come back" in caplog.text


def test_an_expiry_is_tried_again_too(impatient, here, backend):
    here.start_session("s", Room, ttl=0.01)
    down(backend)
    comes(lambda: here.supervisor.registry.get("s") is None)
    with pytest.raises(SessionNotFound):
        here.ref("s").get_state()
    backend.calm()
    tell_ends(here)
    assert "s" not in backend.sessions


def test_what_another_worker_has_ended_does_not_come_back_by_an_owner_that_stood_still(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    expire_lease(backend, here)
    there.ref("s").dispatch("count.add")
    there.terminate("s")
    tell_ends(there)
    comes(lambda: here.supervisor.registry.get("s") is None)
    tell_ends(here)
    assert "s" not in backend.sessions


def test_a_worker_without_room_ends_what_another_owns(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    with there.start_session("t", Room).subscribe("count", receiver=lambda *_: None):
        there.supervisor.registry.max_sessions = 1
        there.terminate("s")
    comes(lambda: here.supervisor.registry.get("s") is None)
    tell_ends(here)
    assert "s" not in backend.sessions
    assert is_free(backend, "s")


def test_one_that_is_just_leaving_memory_is_not_taken_for_ended(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    session = owned(here)
    session.leave_for_another()
    comes(lambda: session.ended)
    assert shortcuts.end(session, "normal") is shortcuts.UNDONE


def test_one_that_was_about_to_be_written_when_it_ended_does_not_come_back(here, backend):
    here.start_session("s", Room).dispatch("count.add")
    session, hang = owned(here), Hang(backend, "delete", "s")
    here.terminate("s")
    hang.wait()
    write = Doing(on_loop, here, session.flush)
    hang.release()
    write.result()
    tell_ends(here)
    assert "s" not in backend.sessions
    assert is_free(backend, "s")


def test_one_that_is_being_written_when_it_ends_does_not_come_back(here, backend):
    here.start_session("s", Room).dispatch("count.add")
    session, gate = owned(here), AsyncGate(backend, "commit")
    write = Doing(on_loop, here, session.flush)
    comes(gate.entered.is_set)
    here.terminate("s")

    async def go_on():
        gate.open.set()

    on_loop(here, go_on)
    write.result()
    tell_ends(here)
    assert "s" not in backend.sessions


def test_an_owner_that_died_while_it_ended_a_session_leaves_none_for_others(impatient, here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    ownership = owned(here).written.ownership
    backend.before("delete", *[refused] * 1000)
    here.terminate("s")
    comes(lambda: backend.asked["delete"] > 2)
    backend.release(*ownership.key)
    backend.calm()
    assert not there.started("s")
    assert "s" not in backend.sessions
    assert there.get_or_start("s", Room).dispatch("count.add") == 1
