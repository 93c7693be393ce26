"""A move to another id, as at login: nothing is lost, nothing is applied twice, and pages elsewhere go along."""

import asyncio

import pytest
from shared.lab import AsyncGate, Room, fine, listen, lost, refused, replica, settle

from phoenix_sessions import BackendUnavailable, SessionAlreadyStarted, SessionNotFound


@pytest.fixture
def ref(here):
    ref = here.start_session("room", Room)
    ref.dispatch("tally.add", "kept")
    return ref


def test_a_session_moves_along_with_its_state_and_its_history(here, there):
    ref = here.start_session("room", Room)
    ref.dispatch("tally.add", 1)
    ref.dispatch("tally.add", 2)
    moved = here.move("room", "hall")
    assert moved.get_state("tally") == (1, 2)
    assert not there.started("room")
    assert there.ref("hall").version == 2
    assert [entry.version for entry in there.ref("hall").history()] == [1, 2]
    there.ref("hall").undo()
    assert moved.get_state("tally") == (1,)


def test_subscribers_at_other_workers_move_along(here, there, settled):
    here.start_session("room", Room)
    heard = listen(there.ref("room"))
    settled()
    here.move("room", "hall").dispatch("tally.add", 1)
    settled()
    assert heard[-1] == ("state_changed", (1,))
    here.ref("hall").dispatch("tally.add", 2)
    settled()
    assert heard[-1] == ("state_changed", (1, 2))
    here.terminate("hall", "over")
    settled()
    assert heard[-1] == ("terminated", "over")


def test_the_hub_keeps_nothing_of_what_moved_or_ended(here, there, settled):
    here.start_session("room", Room)
    subscription = there.ref("room").subscribe(receiver=lambda *_: None)
    settled()
    here.move("room", "hall")
    settled()
    assert "room" not in there.shared.engine.hub._watched
    subscription.unsubscribe()
    here.terminate("hall")
    settled()
    assert not there.shared.engine.hub._watched


def test_a_move_onto_an_id_that_is_taken_changes_nothing(here, there):
    here.start_session("room", Room).dispatch("tally.add", 1)
    there.start_session("hall", Room)
    with pytest.raises(SessionAlreadyStarted):
        here.move("room", "hall")
    assert here.ref("room").get_state("tally") == (1,)


def test_a_move_takes_along_what_is_committed_elsewhere_meanwhile(here, there, backend):
    here.start_session("room", Room)
    far = there.ref("room")
    far.get_state()
    backend.after("create", lambda *_: far.dispatch("tally.add", "meanwhile"))
    assert here.move("room", "hall").get_state("tally") == ("meanwhile",)


def test_a_move_whose_answer_was_lost_is_done(here, backend):
    here.start_session("room", Room)
    backend.after("create", lost)
    here.move("room", "hall")
    assert (here.started("room"), here.started("hall")) == (False, True)


def test_a_move_that_cannot_be_finished_leaves_one_session(here, backend):
    here.start_session("room", Room)
    backend.before("delete", *[refused] * 100)

    def recover(*_):
        backend._before["delete"].clear()

    backend._before["delete"] = [refused] * 100
    with pytest.raises(BackendUnavailable):
        here.move("room", "hall")
    backend.calm()
    assert here.started("room")
    here.terminate("room")


async def test_a_move_that_is_cancelled_is_done_by_the_background(here, backend):
    await here.astart_session("room", Room)
    gate = AsyncGate(backend, "create", answered=True)
    task = asyncio.create_task(here.amove("room", "hall"))
    await gate.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(settle, here)
    assert await here.astarted("hall")
    assert not await here.astarted("room")


# -- an engine that fails meanwhile ------------------------------------------------------------------------------------


def test_a_move_whose_end_nobody_knows_loses_nothing(here, ref, backend):
    backend.before("delete", fine, *[refused] * 1000)
    backend.after("delete", lost)
    with pytest.raises(BackendUnavailable) as caught:
        here.move("room", "hall")
    assert caught.value.maybe
    backend.calm()
    assert here.ref("hall").get_state("tally") == ("kept",)
    assert not here.started("room")


@pytest.mark.parametrize("verb", ["create", "log", "actions"])
def test_a_move_that_fails_before_its_end_has_not_moved_and_says_so(here, ref, backend, verb):
    backend.before(verb, fine, *[refused] * 1000)
    backend.after(verb, lost)
    with pytest.raises(BackendUnavailable) as caught:
        here.move("room", "hall")
    assert not caught.value.maybe
    backend.calm()
    assert ref.dispatch("tally.add", "more") == 2


@pytest.mark.parametrize("verb", ["log", "commit", "delete"])
def test_a_move_that_failed_can_be_tried_again(here, there, ref, backend, verb):
    backend.before(verb, *[refused] * 1000)
    with pytest.raises(BackendUnavailable):
        here.move("room", "hall")
    backend.calm()
    there.ref("room").dispatch("tally.add", "more", meta={"id": "more"})
    moved = here.move("room", "hall")
    assert moved.get_state("tally") == ("kept", "more")
    assert [entry.version for entry in moved.history()] == [1, 2]
    assert not there.started("room")
    moved.dispatch("tally.add", "more", meta={"id": "more"})
    assert there.ref("hall").get_state("tally") == ("kept", "more")


def test_what_somebody_has_changed_under_the_new_id_is_not_overwritten(here, there, ref, backend):
    backend.before("delete", *[refused] * 1000)
    with pytest.raises(BackendUnavailable):
        here.move("room", "hall")
    backend.calm()
    there.ref("hall").dispatch("tally.add", "theirs")
    with pytest.raises(SessionAlreadyStarted):
        here.move("room", "hall")
    assert there.ref("hall").get_state("tally") == ("kept", "theirs")
    assert ref.get_state("tally") == ("kept",)


def test_a_session_that_ends_while_it_moves_has_ended(here, there, ref, backend):
    backend.before("delete", lambda *_: there.terminate("room"))
    with pytest.raises(SessionNotFound):
        here.move("room", "hall")
    assert not here.started("room")
    assert not here.started("hall")


def test_of_two_moves_at_the_same_time_one_is_done(here, there, ref, backend):
    there.ref("room").get_state()
    backend.before("delete", lambda *_: there.move("room", "tower"))
    with pytest.raises(SessionNotFound):
        here.move("room", "hall")
    assert [here.started(id) for id in ("room", "hall", "tower")] == [False, False, True]


def test_of_two_moves_to_the_same_id_one_is_done(here, there, ref, backend, settled):
    heard = listen(ref)
    there.ref("room").get_state()
    settled()
    backend.before("delete", lambda *_: there.move("room", "hall"))
    with pytest.raises(SessionNotFound):
        here.move("room", "hall")
    settled()
    assert there.ref("hall").get_state("tally") == ("kept",)
    there.ref("hall").dispatch("tally.add", "more")
    settled()
    assert heard[-1] == ("state_changed", ("kept", "more"))


def test_two_moves_to_the_same_id_lose_nothing_that_others_commit_meanwhile(here, there, ref, backend):
    far = there.ref("room")
    far.get_state()
    backend.before("delete", lambda *_: far.dispatch("tally.add", "late"))
    backend.before("commit", fine, fine, lambda *_: there.move("room", "hall"))
    with pytest.raises(SessionAlreadyStarted):
        here.move("room", "hall")
    assert there.ref("hall").get_state("tally") == ("kept", "late")


@pytest.mark.parametrize("kept", ["memory", "write_through", "write_behind"])
def test_a_move_onto_its_own_id_is_refused(here, kept):
    class Kept(Room):
        durability = kept

    ref = here.start_session("room", Kept)
    with pytest.raises(SessionAlreadyStarted):
        here.move("room", "room")
    assert ref.get_state("tally") == ()


# -- actions that are applied once -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 100])
def test_an_action_that_was_applied_before_the_move_is_not_applied_again(here, there, limit):
    class Logged(Room):
        history_limit = limit

    here.start_session("room", Logged)
    there.ref("room").dispatch("tally.add", 1, meta={"id": "click"})
    moved = here.move("room", "hall")
    moved.dispatch("tally.add", 1, meta={"id": "click"})
    there.ref("hall").dispatch("tally.add", 1, meta={"id": "click"})
    assert moved.get_state("tally") == (1,)


def test_as_many_actions_as_are_remembered_move_along(here, there, backend):
    ref = here.start_session("room", Room)
    for each in range(backend.remembers_actions):
        ref.dispatch("count.up", meta={"id": each})
    there.move("room", "hall")
    there.move("hall", "tower")
    assert here.ref("tower").dispatch("count.up", meta={"id": 0}) == backend.remembers_actions


def test_an_action_that_is_applied_during_the_move_is_known_after_it(here, there, ref, backend):
    far = there.ref("room")
    far.get_state()
    backend.before("delete", lambda *_: far.dispatch("tally.add", 1, meta={"id": "click"}))
    moved = here.move("room", "hall")
    moved.dispatch("tally.add", 1, meta={"id": "click"})
    assert moved.get_state("tally") == ("kept", 1)


# -- other workers -----------------------------------------------------------------------------------------------------


def test_a_move_begins_no_new_life_at_other_workers(here, there, ref, settled):
    listen(there.ref("room"))
    settled()
    epoch = ref.epoch
    here.move("room", "hall")
    settled()
    there.ref("hall").dispatch("tally.add", 1)
    settled()
    assert [here.ref("hall").epoch, there.ref("hall").epoch] == [epoch] * 2
    assert there.ref("hall").history()


def test_who_looks_between_the_move_and_its_notice_ends_no_page(here, there, ref, settled, backend):
    heard = listen(there.ref("room"))
    settled()
    told = []
    tell, backend._watches.tell = backend._watches.tell, lambda *notice: told.append(notice)
    here.move("room", "hall")
    far = replica(there)
    far.post_always(True, far.look_again)
    settled()
    backend._watches.tell = tell
    for notice in told:
        backend.tell(*notice)
    settled()
    here.ref("hall").dispatch("tally.add", "after")
    settled()
    assert heard[-1] == ("state_changed", ("kept", "after"))


def test_a_session_that_hears_of_its_own_move_stays_in_memory(here, ref, settled, backend):
    listen(ref)
    settled()
    moving = replica(here)
    backend.after("delete", lambda *_: here.supervisor.background.answers(10))
    here.move("room", "hall")
    settled()
    assert replica(here, "hall") is moving


def test_what_a_session_has_going_ends_with_it_also_after_a_move(here, there, ref, settled):
    moving = replica(here)
    moving.later(60.0, True, print)
    settled()
    here.move("room", "hall")
    settled()
    there.terminate("hall")
    settled()
    assert not moving.timers


def test_who_dispatches_between_the_move_and_its_notice_ends_no_page(here, there, ref, settled, backend):
    heard = listen(there.ref("room"))
    settled()
    told = []
    tell, backend._watches.tell = backend._watches.tell, lambda *notice: told.append(notice)
    here.move("room", "hall")
    with pytest.raises(SessionNotFound):
        there.ref("room").dispatch("tally.add", "late")
    backend._watches.tell = tell
    for notice in told:
        backend.tell(*notice)
    settled()
    here.ref("hall").dispatch("tally.add", "after")
    settled()
    assert heard[-1] == ("state_changed", ("kept", "after"))


def test_a_session_that_has_gone_without_a_notice_is_over_soon(here, there, ref, settled, backend, pass_time):
    heard = listen(there.ref("room"))
    settled()
    tell, backend._watches.tell = backend._watches.tell, lambda *_: None
    here.terminate("room", "closed")
    backend._watches.tell = tell
    with pytest.raises(SessionNotFound):
        there.ref("room").dispatch("tally.add", "late")
    pass_time(2, steps=4)
    assert heard[-1][0] == "terminated"


def test_who_has_found_what_moved_meanwhile_does_not_find_it(here, there, ref, settled):
    far = there.ref("room")
    far.get_state()
    there.shared.engine.hub.add(replica(there))
    settled()
    here.move("room", "hall")
    settled()
    with pytest.raises(SessionNotFound):
        far.dispatch("tally.add", 1)
