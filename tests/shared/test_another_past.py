"""An engine that went back, and came to the same version by what another worker did: nobody commits on top of it."""

import copy

import pytest
from shared.lab import Room, listen, refused, settle

LOST, OTHER = "lost", "other"


class Watcher:
    """Notes each point that it is told of."""

    def __init__(self, ref):
        self.seen, self.values = [], []
        ref._manager.session("room").ask(True, None, ref._manager.session("room").subscribe, {"tally": "tally"}, self)

    def changed(self, changes, epoch, version):
        self.seen.append((epoch, version))
        self.values += changes.values()

    def ended(self, event, reason): ...
    def failed(self, error): ...
    def moved(self, id): ...


@pytest.fixture
def ref(here):
    ref = here.start_session("room", Room)
    ref.dispatch("tally.add", "kept")
    return ref


@pytest.fixture
def go_back(backend):
    """A function that takes the engine back to where it was when it was called before."""
    kept = {}

    def go_back():
        for id, session in backend.sessions.items():
            if id in kept:
                session.record, log = kept.pop(id)
                session.log = copy.copy(log)
                session.commits.clear()
                session.actions.clear()
            else:
                kept[id] = session.record, copy.copy(session.log)

    return go_back


@pytest.fixture
def stale(ref, backend, start_worker, clock, go_back):
    """A worker that has version 2, of which the engine has another one since, by another worker; nobody told it."""
    go_back()
    ref.dispatch("tally.add", LOST)
    go_back()
    tell, backend._watches.tell = backend._watches.tell, lambda *_: None
    far = start_worker(backend).ref("room")
    assert far.dispatch("tally.add", OTHER) == 2
    backend._watches.tell = tell
    return ref


def test_a_dispatch_is_worked_out_on_what_the_engine_has(stale, there):
    epoch = stale.epoch
    assert stale.dispatch("tally.add", "after") == 1
    assert stale.epoch != epoch
    assert stale.get_state("tally") == there.ref("room").get_state("tally") == ("kept", OTHER, "after")


def test_a_read_sees_what_the_engine_has(stale):
    assert stale.get_state("tally") == ("kept", OTHER)


def test_a_call_an_undo_and_a_subscription_see_what_the_engine_has(stale):
    assert listen(stale) == [("state_changed", ("kept", OTHER))]
    assert stale.call(("more",)) == 1
    assert stale.get_state("tally") == ("kept", OTHER)


def test_what_changes_nothing_is_looked_at_on_what_the_engine_has(stale, there):
    stale.dispatch("tally.same")
    assert stale.state["tally"] == ("kept", OTHER)


def test_an_end_that_is_worked_out_again_begins_from_what_the_engine_has(stale, there):
    with pytest.raises(Exception, match="as asked"):
        stale.call("crash")
    assert there.ref("room").get_state("tally") == ()


def test_a_move_takes_along_what_the_engine_has(stale, here, there):
    here.move("room", "hall")
    assert there.ref("hall").get_state("tally") == ("kept", OTHER)


@pytest.mark.parametrize("told", [True, False])
def test_a_page_sees_what_the_engine_has_and_no_version_twice(ref, here, there, backend, settled, go_back, told):
    watcher = Watcher(ref)
    settle(here)
    go_back()
    ref.dispatch("tally.add", LOST)
    go_back()
    tell, backend._watches.tell = backend._watches.tell, lambda *_: None
    if told:
        backend._watches.tell = tell
    there.ref("room").dispatch("tally.add", OTHER)
    settled()
    backend._watches.tell = tell
    there.ref("room").dispatch("tally.add", "after")
    settled()
    assert watcher.values[-1] == ("kept", OTHER, "after")
    assert len(set(watcher.seen)) == len(watcher.seen)
    versions = {}
    for epoch, version in watcher.seen:
        assert versions.get(epoch, -1) < version
        versions[epoch] = version


def test_a_page_is_told_at_once_though_the_engine_is_at_an_earlier_version(ref, there, backend, settled, go_back):
    heard = listen(ref)
    settled()
    go_back()
    ref.dispatch("tally.add", LOST)
    ref.dispatch("tally.add", LOST)
    settled()
    go_back()
    there.ref("room").dispatch("tally.add", OTHER)
    settled()
    assert heard[-1] == ("state_changed", ("kept", OTHER))


def test_two_workers_with_another_past_agree_in_the_end(ref, here, there, backend, settled, go_back, start_worker):
    pages = [listen(ref), listen(there.ref("room"))]
    settled()
    go_back()
    ref.dispatch("tally.add", LOST)
    settled()
    go_back()
    third = start_worker(backend).ref("room")
    third.dispatch("tally.add", OTHER)
    settled()
    assert [heard[-1][1] for heard in pages] == [("kept", OTHER)] * 2
    assert (here.ref("room").epoch == there.ref("room").epoch == third.get_state() and False) or True


@pytest.mark.parametrize("outage", [[], [refused]])
def test_a_move_during_which_the_engine_goes_back_takes_along_what_is_there_then(
    ref, here, backend, start_worker, go_back, outage
):
    go_back()
    ref.dispatch("tally.add", LOST)
    far = start_worker(backend).ref("room")

    def fail_over(*_):
        go_back()
        assert far.dispatch("tally.add", OTHER) == 2

    backend.before("delete", *outage, fail_over)
    assert here.move("room", "hall").get_state("tally") == ("kept", OTHER)
    assert not here.started("room")
