"""The hub: changes elsewhere reach local subscribers, in order; gaps and losses are noticed and made good."""

import pytest
from shared.lab import LabBackend, Room, refused, replica, settle

from phoenix_sessions.shared.notices import Changed, encode


@pytest.fixture
def ref(here):
    return here.start_session("room", Room)


@pytest.fixture
def far(ref, there):
    return there.ref("room")


@pytest.fixture
def heard(far, settled):
    heard = []
    far.subscribe("tally", receiver=lambda event, value: heard.append(value))
    settled()
    return heard


def test_a_change_elsewhere_is_told_once(ref, heard, settled):
    ref.dispatch("tally.add", 1)
    settled()
    assert heard == [(), (1,)]


def test_a_change_of_another_slice_is_not_told(ref, heard, settled):
    ref.dispatch("count.up")
    settled()
    assert heard == [()]


def test_own_changes_are_told_at_once_and_not_again_by_their_notice(far, heard, settled):
    far.dispatch("tally.add", 1)
    assert heard == [(), (1,)]
    settled()
    assert heard == [(), (1,)]


def test_a_notice_costs_no_round_trip(ref, heard, settled, backend):
    backend.calm()
    ref.dispatch("tally.add", 1)
    settled()
    assert backend.asked == {"commit": 1}


def test_a_gap_has_the_session_look_again(ref, heard, settled, backend):
    backend._watches.tell = lambda id, notice: None  # one notice is lost on its way
    ref.dispatch("tally.add", "missed")
    del backend._watches.tell
    ref.dispatch("tally.add", "seen")
    settled()
    assert heard[-1] == ("missed", "seen")


def test_a_notice_that_comes_twice_or_late_changes_nothing(ref, far, heard, settled, backend):
    ref.dispatch("tally.add", 1)
    ref.dispatch("tally.add", 2)
    settled()
    backend.tell("room", encode(Changed(far.epoch, 0, b"", 1, b"01234567", 1, {"tally": b"\x90"})))
    backend.tell("room", encode(Changed(far.epoch + 1, 0, b"", 9, b"01234567", 1, {"tally": b"\x90"})))
    settled()
    assert heard == [(), (1,), (1, 2)]


def test_after_a_loss_nothing_counts_as_fresh_until_the_watch_is_back(ref, far, heard, settled, there, backend):
    hub = there.shared.engine.hub
    hub.lost()
    backend._watches.tell = lambda id, notice: None
    ref.dispatch("tally.add", "missed")
    del backend._watches.tell
    assert far.get_state("tally") == ("missed",)
    hub.watching("room")
    settled()
    assert replica(there).fresh
    assert heard[-1] == ("missed",)


def test_a_loss_while_the_session_looks_is_not_forgotten(ref, far, heard, settled, there, backend):
    hub = there.shared.engine.hub
    backend.before("load", lambda *_: hub.lost())
    hub.watching("room")
    settled()
    assert not replica(there).fresh


def test_an_engine_that_cannot_be_asked_leaves_nothing_fresh(ref, far, heard, settled, there, backend):
    hub = there.shared.engine.hub
    hub.lost()
    backend.before("load", *[refused] * 1000)
    hub.watching("room")
    settled()
    backend.calm()
    assert not replica(there).fresh
    ref.dispatch("tally.add", 1)
    assert far.get_state("tally") == (1,)


def test_a_look_that_failed_is_tried_again_until_the_page_is_right(ref, heard, settled, backend, pass_time):
    backend._watches.tell = lambda id, notice: None
    ref.dispatch("tally.add", "missed")
    del backend._watches.tell
    backend.before("load", *[refused] * 1000)
    ref.dispatch("tally.add", "seen")
    settled()
    pass_time(60, steps=60)
    assert heard == [()]
    assert 3 < backend.asked["load"] < 20
    backend.calm()
    pass_time(11)
    assert heard[-1] == ("missed", "seen")


def test_an_engine_that_was_away_when_the_watch_began_again_is_looked_at_later(
    ref, far, heard, settled, there, backend, pass_time
):
    hub = there.shared.engine.hub
    hub.lost()
    backend._watches.tell = lambda id, notice: None
    ref.dispatch("tally.add", "missed")
    del backend._watches.tell
    backend.before("load", *[refused] * 1000)
    hub.watching("room")
    pass_time(30, steps=30)
    backend.calm()
    pass_time(11)
    assert heard[-1] == ("missed",)
    assert replica(there).fresh


def test_nobody_looks_for_a_session_that_is_not_watched_any_more(ref, far, heard, settled, there, backend, pass_time):
    backend.before("load", *[refused] * 1000)
    there.shared.engine.hub.watching("room")
    settled()
    there.shared.engine.hub.remove(replica(there))
    backend.asked.clear()
    pass_time(60, steps=60)
    assert backend.asked["load"] == 0


@pytest.mark.parametrize("again", [False, True])
def test_a_session_that_is_dropped_while_it_looks_is_not_fresh(ref, far, heard, settled, there, backend, again):
    """It was found to be the newest, but of what came since nothing was told."""
    hub, session = there.shared.engine.hub, replica(there)

    def drop(*_):
        hub.remove(session)
        if again:
            hub.add(session)
            backend.before("load", lambda *_: seen.append(session.fresh))

    seen = []
    backend.before("load", drop)
    hub.watching("room")
    settled()
    assert seen == [False] if again else not session.fresh


class Mute(LabBackend):
    """Says only that something has changed."""

    carries_notices = False

    def __init__(self, options, clock=None):
        super().__init__(options, clock)
        tell = self._watches.tell
        self._watches.tell = lambda id, notice: tell(id, b"\xc1" if notice else b"")


def test_notices_that_say_nothing_are_enough(start_worker, clock):
    backend = Mute({}, clock)
    near, far = start_worker(backend), start_worker(backend)
    ref = near.start_session("room", Room)
    heard = []
    far.ref("room").subscribe("tally", receiver=lambda *told: heard.append(told))
    settle(near, far)
    ref.dispatch("tally.add", 1)
    settle(near, far)
    assert heard[-1] == ("state_changed", (1,))
    ref.terminate("over")
    settle(near, far)
    assert heard[-1][0] == "terminated"


def test_a_receiver_that_raises_is_reported_and_the_others_hear(ref, far, heard, settled):
    def failing(event, value):
        if value:
            raise ValueError("as asked")

    far.subscribe("tally", receiver=failing)
    settled()
    ref.dispatch("tally.add", 1)
    settled()
    assert heard[-1] == (1,)


def test_who_unsubscribes_hears_no_more(ref, far, settled):
    heard = []
    subscription = far.subscribe("tally", receiver=lambda *told: heard.append(told))
    settled()
    subscription.unsubscribe()
    ref.dispatch("tally.add", 1)
    settled()
    assert len(heard) == 1


# -- an engine that has lost what it had -------------------------------------------------------------------------------


@pytest.fixture
def fail_over(backend):
    """A function that takes the engine back to what it was when the fixture was made."""
    import copy

    def snapshot():
        kept = {id: (each.record, list(each.log)) for id, each in backend.sessions.items()}

        def restore():
            for id, (record, log) in kept.items():
                backend.sessions[id].record = record
                backend.sessions[id].log = copy.copy(log)
                backend.sessions[id].commits.clear()

        return restore

    return snapshot


def test_what_is_left_after_a_failover_is_a_new_life(ref, far, heard, settled, fail_over):
    ref.dispatch("tally.add", "kept")
    restore = fail_over()
    ref.dispatch("tally.add", "lost")
    settled()
    points = [(far.epoch, far.version)]
    restore()
    ref.dispatch("tally.add", "after")
    settled()
    points.append((far.epoch, far.version))
    assert heard[-1] == ("kept", "after")
    assert ref.get_state("tally") == far.get_state("tally") == ("kept", "after")
    assert points[0][0] != points[1][0]
    assert far.epoch == ref.epoch


def test_versions_never_go_back_within_a_life_also_after_a_failover(here, there, settled, fail_over):
    ref = here.start_session("room", Room)
    seen = []

    class Watcher:
        def changed(self, changes, epoch, version):
            seen.append((epoch, version))

        def ended(self, event, reason): ...
        def failed(self, error): ...
        def moved(self, id): ...

    session = replica(here)
    session.ask(True, None, session.subscribe, {"tally": "tally"}, Watcher(), None, None)
    restore = fail_over()
    ref.dispatch("tally.add", 1)
    seen.append((ref.epoch, ref.dispatch("tally.add", 2)))
    restore()
    version = ref.dispatch("tally.add", 3)
    seen.append((ref.epoch, version))
    settled()
    by_epoch = {}
    for epoch, version in seen:
        assert by_epoch.get(epoch, -1) <= version
        by_epoch[epoch] = version
    assert ref.get_state("tally") == (3,)
