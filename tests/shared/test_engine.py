"""The engine: asked again with patience, committed to once, and honest about what nobody knows."""

import pytest
from shared.lab import Room, fine, lost, refused

from phoenix_sessions import BackendUnavailable


@pytest.fixture
def ref(here):
    ref = here.start_session("room", Room)
    here.backend.calm()
    return ref


def test_an_engine_that_refuses_for_a_while_is_asked_again(ref, backend):
    backend.before("commit", refused, refused)
    assert ref.dispatch("tally.add", 1) == 1
    assert backend.asked["commit"] == 3


def test_a_commit_whose_answer_was_lost_is_done_once(ref, backend):
    backend.after("commit", lost)
    assert ref.dispatch("tally.add", 1) == 1
    assert ref.get_state("tally") == (1,)
    assert len({commit.id for commit in backend.commits}) == 1


def test_a_commit_whose_answers_are_lost_while_others_go_on_is_done_once(ref, there, backend):
    far = there.ref("room")

    def others(*_):
        for each in range(5):
            far.dispatch("tally.add", each)
        lost()

    backend.after("commit", others)
    ref.dispatch("tally.add", "once")
    assert ref.get_state("tally").count("once") == 1


def test_what_nobody_can_tell_any_more_is_said_and_not_done_again(ref, there, backend):
    far = there.ref("room")

    def others(*_):
        for each in range(backend.remembers + 1):
            far.dispatch("tally.add", each)
        lost()

    backend.after("commit", others)
    with pytest.raises(BackendUnavailable) as caught:
        ref.dispatch("tally.add", "once")
    assert caught.value.maybe
    assert ref.get_state("tally").count("once") == 1


def test_a_new_life_in_between_leaves_a_doubt(ref, there, backend):
    def crash(*_):
        with pytest.raises(Exception, match="as asked"):
            there.ref("room").call("crash")
        lost()

    backend.before("commit", crash)
    with pytest.raises(BackendUnavailable) as caught:
        ref.dispatch("tally.add", "once")
    assert caught.value.maybe
    assert ref.dispatch("tally.add", "again") == 1


def test_patience_has_an_end_and_says_that_nothing_was_done(ref, backend, clock):
    backend.before("commit", *[refused] * 1000)
    began = clock.monotonic()
    with pytest.raises(BackendUnavailable) as caught:
        ref.dispatch("tally.add", 1)
    assert not caught.value.maybe
    assert 3 < clock.monotonic() - began <= 5
    backend.calm()
    assert ref.dispatch("tally.add", 2) == 1


def test_patience_has_an_end_and_says_that_nobody_knows(ref, backend):
    backend.before("commit", fine, *[refused] * 1000)
    backend.after("commit", lost)
    with pytest.raises(BackendUnavailable) as caught:
        ref.dispatch("tally.add", 1)
    assert caught.value.maybe
    backend.calm()
    assert ref.get_state("tally") == (1,)


def test_a_failed_read_is_never_not_found(ref, backend):
    backend.before("load", *[refused] * 1000)
    with pytest.raises(BackendUnavailable):
        ref.get_state()
    with pytest.raises(BackendUnavailable):
        ref._manager.started("another")


def test_an_end_and_a_start_are_patient_too(ref, here, backend):
    backend.before("delete", refused)
    backend.before("create", refused)
    ref.terminate()
    assert here.start_session("room", Room).get_state("tally") == ()


def test_an_end_that_the_engine_cannot_be_told_of_leaves_the_session(ref, backend):
    backend.before("delete", *[refused] * 1000)
    with pytest.raises(BackendUnavailable):
        ref.terminate()
    backend.calm()
    assert ref.dispatch("tally.add", 1) == 1


@pytest.mark.parametrize("verb", ["delete", "create"])
def test_a_beginning_or_an_end_of_which_nobody_knows_is_said_to_be_one(ref, here, backend, verb):
    backend.before(verb, fine, *[refused] * 1000)
    backend.after(verb, lost)
    with pytest.raises(BackendUnavailable) as caught:
        ref.terminate() if verb == "delete" else here.start_session("other", Room)
    assert caught.value.maybe


def test_a_note_whose_answer_was_lost_is_in_the_history_once(ref, backend):
    backend.after("commit", lost)
    ref.dispatch("tally.same")
    assert [entry.action.type for entry in ref.history()] == ["tally.same"]


def test_a_note_that_was_lost_is_in_the_history_all_the_same(ref, backend):
    backend.before("commit", lost)
    ref.dispatch("tally.same")
    assert [entry.action.type for entry in ref.history()] == ["tally.same"]
