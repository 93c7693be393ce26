"""An owned session that moves to another id: wholly, or not at all."""

import pytest
from shared.lab import lost, refused
from shared.owned.owning import (
    PATIENCE,
    Doing,
    Hang,
    Room,
    comes,
    expire_lease,
    flush,
    is_free,
    on_loop,
    owned,
    tell_ends,
)

from phoenix_sessions import BackendUnavailable, SessionAlreadyStarted, SessionNotFound


def test_one_id_has_it_and_one_lease_is_held(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    here.move("s", "new").dispatch("count.add")
    assert list(backend.sessions) == ["new"]
    assert (is_free(backend, "s"), is_free(backend, "new")) == (True, False)
    flush(here)
    assert there.ref("new").dispatch("count.add") == 3


def test_one_that_another_worker_owns_by_now_moves_with_what_that_one_has(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    expire_lease(backend, here)
    there.ref("s").dispatch("count.add")
    here.move("s", "new")
    assert list(backend.sessions) == ["new"]
    assert is_free(backend, "s")
    assert there.ref("new").dispatch("count.add") == 3


def test_one_that_another_worker_keeps_does_not_move(impatient, here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    expire_lease(backend, here)
    ref = there.ref("s")
    ref.dispatch("count.add")
    with ref.subscribe("count", receiver=lambda *_: None):
        with pytest.raises(BackendUnavailable):
            here.move("s", "new")
        comes(lambda: is_free(backend, "new"))
        assert list(backend.sessions) == ["s"]
        assert here.supervisor.registry.all() == []
        assert ref.dispatch("count.add") == 3


def test_what_another_worker_has_moved_does_not_come_back_by_an_owner_that_stood_still(here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    expire_lease(backend, here)
    there.move("s", "new").dispatch("count.add")
    comes(lambda: here.supervisor.registry.get("s") is None)
    tell_ends(here)
    assert list(backend.sessions) == ["new"]
    assert there.ref("new").dispatch("count.add") == 3


def test_one_that_has_come_back_is_not_taken_for_gone_when_the_notice_of_its_move_is_late(here, backend):
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")
    told = []
    tell, backend._watches.tell = backend._watches.tell, lambda *notice: told.append(notice)
    here.move("s", "new")
    here.move("new", "s")
    backend._watches.tell = tell
    assert {id for id, notice in told if notice} == {"s", "new"}
    backend.calm()
    for notice in told:
        tell(*notice)
    comes(lambda: backend.asked["load"])
    on_loop(here, owned(here).flush)
    assert ref.dispatch("count.add") == 2
    assert owned(here).alive


def test_it_is_not_cut_in_half_by_its_end(here, backend):
    here.start_session("s", Room)
    hang = Hang(backend, "create", "new")
    move = Doing(here.move, "s", "new")
    hang.wait()
    end = Doing(here.terminate, "s")
    comes(lambda: here.supervisor.registry.get("s").depth)
    hang.release()
    move.result()
    end.result()
    comes(lambda: not backend.sessions)
    comes(lambda: is_free(backend, "s") and is_free(backend, "new"))
    assert here.supervisor.registry.all() == []


@pytest.mark.parametrize(("when", "trouble"), [("before", refused), ("before", lost), ("after", lost)])
@pytest.mark.parametrize("verb", ["claim", "load", "create", "commit"])
def test_a_failure_leaves_everything_as_it_was(impatient, here, there, backend, verb, trouble, when):
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")
    flush(here)
    getattr(backend, when)(verb, *[trouble] * 1000)
    with pytest.raises(BackendUnavailable):
        here.move("s", "new")
    backend.calm()
    assert ref.dispatch("count.add") == 2
    flush(here)
    comes(lambda: list(backend.sessions) == ["s"])
    comes(lambda: is_free(backend, "new"))
    assert not is_free(backend, "s")
    assert backend.load("s").at.version == 2
    there.shared.engine.patience = PATIENCE
    assert there.ref("s").dispatch("count.add") == 3
    assert there.move("s", "new").dispatch("count.add") == 4


def test_what_may_be_buried_after_a_move_that_failed_is_written_again_though_nothing_changes(impatient, here, backend):
    here.start_session("s", Room).dispatch("count.add")
    flush(here)
    before = backend.load("s")
    backend.after("commit", *[lost] * 1000)
    with pytest.raises(BackendUnavailable):
        here.move("s", "new")
    assert backend.load("s").state != before.state
    backend.calm()
    flush(here)
    assert (backend.load("s").at, backend.load("s").state) == (before.at, before.state)


def test_what_ends_after_a_move_that_failed_has_ended(impatient, here, backend):
    here.start_session("s", Room).dispatch("count.add")
    backend.after("commit", *[lost] * 1000)
    with pytest.raises(BackendUnavailable):
        here.move("s", "new")
    backend.calm()
    here.terminate("s")
    tell_ends(here)
    assert not backend.sessions
    assert is_free(backend, "s")
    assert is_free(backend, "new")


def test_an_old_id_that_cannot_be_deleted_yet_is_dead_all_the_same(impatient, here, there, backend):
    here.start_session("s", Room).dispatch("count.add")
    backend.before("delete", *[refused] * 1000)
    here.move("s", "new")
    with pytest.raises(SessionNotFound):
        here.ref("s").get_state()
    backend.calm()
    tell_ends(here)
    assert list(backend.sessions) == ["new"]
    assert is_free(backend, "s")


@pytest.mark.parametrize("where", ["here", "there"])
def test_an_id_that_is_taken_is_left_alone(here, there, backend, where):
    here.start_session("s", Room).dispatch("count.add")
    {"here": here, "there": there}[where].start_session("new", Room)
    with pytest.raises(SessionAlreadyStarted):
        here.move("s", "new")
    assert here.ref("s").dispatch("count.add") == 2
    assert there.ref("new").get_state("count") == 0


def test_subscribers_are_told_once_it_has_moved(here, backend):
    ref = here.start_session("s", Room)
    told = []

    class Receiver:
        def changed(self, changes, epoch, version):
            told.append(version)

        def ended(self, event, reason):
            told.append(event)

        def moved(self, new_id):
            told.append(new_id)

    session = here.supervisor.registry.get("s")
    session.ask(True, None, session.subscribe, {"count": "count"}, Receiver())
    here.move("s", "new").dispatch("count.add")
    assert told == [0, "new", 1]
    assert not ref.started()
