"""The cached state: how it becomes the newest, what reading it costs, and what a conflict does."""

import pytest
from shared.lab import Room, replica

from phoenix_sessions import ReducerError, SessionNotFound


@pytest.fixture
def ref(here):
    return here.start_session("room", Room)


@pytest.fixture
def far(ref, there):
    """The same session, as the other worker has it."""
    far = there.ref("room")
    far.get_state()
    return far


def test_a_worker_finds_what_another_has_started(ref, there):
    ref.dispatch("tally.add", "a")
    assert there.find_session("room").get_state("tally") == ("a",)


def test_a_conflict_is_reduced_again_on_the_newer_state(ref, far, backend):
    far.dispatch("tally.add", "far")
    assert ref.dispatch("tally.add", "near") == 2
    assert ref.get_state("tally") == far.get_state("tally") == ("far", "near")


def test_a_dispatch_on_a_cached_session_is_one_round_trip(ref, backend):
    backend.calm()
    ref.dispatch("tally.add", "a")
    assert backend.asked == {"commit": 1}


def test_a_conflict_costs_one_more_commit_and_no_load(ref, far, backend):
    far.dispatch("tally.add", "far")
    backend.calm()
    ref.dispatch("tally.add", "near")
    assert backend.asked == {"commit": 2}


def test_a_read_sees_what_another_worker_has_committed_before(ref, far):
    for each in range(2):  # who reads more often is watched over, and hears of it soon afterwards
        far.dispatch("tally.add", each)
        assert ref.get_state("tally") == tuple(range(each + 1))


def test_a_session_that_is_read_often_is_watched_and_then_read_for_nothing(ref, far, settled, backend):
    for _ in range(5):
        ref.get_state()
    settled()
    backend.calm()
    assert ref.get_state("tally") == ()
    assert backend.asked == {}


def test_a_watched_session_hears_what_others_commit(ref, far, settled, backend):
    ref.subscribe("tally", receiver=lambda *_: None)
    settled()
    far.dispatch("tally.add", "far")
    settled()
    backend.calm()
    assert (ref.get_state("tally"), ref.version, dict(backend.asked)) == (("far",), 1, {})


def test_a_slice_that_did_not_change_elsewhere_is_the_same_object(ref, far):
    ref.dispatch("tally.add", ["a"])
    before = ref.get_state("tally")
    far.dispatch("count.up")
    assert ref.get_state("count") == 1
    assert ref.get_state("tally") is before


def test_a_failing_action_fails_on_the_newest_state_only(ref, far):
    far.dispatch("tally.add", "far")
    with pytest.raises(ReducerError):
        ref.dispatch("tally.fail")
    assert ref.version == 1


def test_an_action_that_changes_nothing_on_an_old_state_is_reduced_on_the_newest(ref, far):
    far.dispatch("tally.add", "far")
    ref.dispatch("tally.empty")
    assert far.get_state("tally") == ()


def test_a_session_that_has_ended_elsewhere_is_not_found(ref, far, here):
    far.terminate()
    with pytest.raises(SessionNotFound):
        ref.dispatch("tally.add", "a")
    assert replica(here) is None


def test_own_keys_come_and_go_at_all_workers(ref, far, settled):
    far.subscribe(receiver=lambda *_: None)
    settled()
    ref.call(("put", "topic", {"a": 1}))
    settled()
    assert far.state["topic"] == {"a": 1}
    ref.call(("drop", "topic"))
    settled()
    assert "topic" not in far.state
    assert "topic" not in far.get_state()
